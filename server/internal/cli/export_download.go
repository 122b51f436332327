package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// partSuffix marks a file that isn't complete.
const partSuffix = ".part"

func (p *program) exportDownload() *cobra.Command {
	c := &cobra.Command{
		Use:   "download ID [FILE]",
		Short: "Download an export, and verify its checksum",
		Long: "Downloads an export to a file, by default one that is named after the export, here; - is stdout. What is not complete is\n" +
			"in FILE.part: run the command again and it goes on where it was. Nothing is left in FILE that wasn't verified.",
		Example: "  straw export download exp_42\n  straw export download exp_42 - | wc -l",
		Args:    cobra.RangeArgs(1, 2),
	}
	client, output := addClientFlags(c), outputFlag(c)
	force := c.Flags().Bool("force", false, "Replace a file that exists.")
	c.RunE = func(c *cobra.Command, args []string) error {
		conn, err := p.dial(client)
		if err != nil {
			return err
		}
		defer conn.Close()
		d := &saving{program: p, conn: conn, id: args[0], force: *force, output: *output}
		if len(args) == 2 {
			d.path = args[1]
		}
		return p.unreachable(client, d.run(c.Context()))
	}
	return c
}

// A saving is one export on its way to a file.
type saving struct {
	*program
	conn   *straw.Client
	id     string
	path   string
	force  bool
	output format
}

func (s *saving) run(ctx context.Context) error {
	if s.path == "-" {
		d, err := s.conn.Download(ctx, s.id, straw.DownloadOptions{})
		if err != nil {
			return err
		}
		return s.copy(s.stdout, d)
	}
	if s.path == "" {
		x, err := s.conn.Exports().GetExport(ctx, &strawv1.GetExportRequest{Id: s.id})
		if err != nil {
			return err
		}
		s.path = fileNameOf(x)
	}
	if _, err := os.Stat(s.path); !s.force && !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return err
		}
		return fmt.Errorf("%s exists; name another file, or replace it with --force", s.path)
	}
	err := s.save(ctx)
	if stale(err) {
		fmt.Fprintf(s.stderr, "straw: what %s%s held is not of this export's newest generation; beginning anew\n", s.path, partSuffix)
		if err := os.Remove(s.path + partSuffix); err != nil {
			return err
		}
		err = s.save(ctx)
	}
	return err
}

// stale says whether an error may be due to a part of another generation.
func stale(err error) bool {
	e, ok := errors.AsType[*straw.Error](err)
	return errors.Is(err, straw.ErrChecksum) || errors.Is(err, straw.ErrExportChanged) || ok && e.Code == codes.OutOfRange
}

// save goes on with the part that is there, and gives the file its name once it is verified and on the disk.
func (s *saving) save(ctx context.Context) (err error) {
	part, err := os.OpenFile(s.path+partSuffix, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, part.Close()) }()
	d, err := s.conn.Download(ctx, s.id, straw.DownloadOptions{Resume: part})
	if err != nil {
		s.removeEmpty(part)
		return err
	}
	if err := s.copy(part, d); err != nil {
		return err
	}
	if err := part.Sync(); err != nil {
		return err
	}
	if err := os.Rename(part.Name(), s.path); err != nil {
		return err
	}
	return s.tell(d)
}

// removeEmpty leaves nothing behind of a download that never began.
func (s *saving) removeEmpty(part *os.File) {
	if info, err := part.Stat(); err == nil && info.Size() == 0 {
		_ = os.Remove(part.Name()) // an empty part does no harm
	}
}

// copy writes what comes, with a progress bar on a terminal, and closes the download.
func (s *saving) copy(to io.Writer, d *straw.Download) error {
	defer d.Close()
	if bar := s.bar(d.Offset(), d.Size()); bar != nil {
		to = io.MultiWriter(to, bar)
		defer bar.Close()
	}
	_, err := io.Copy(to, d)
	return err
}

// bar shows progress, of what is left, on stderr if that is a terminal and stdout isn't taken by the bytes on the same one.
func (s *saving) bar(offset, size int64) *progressbar.ProgressBar {
	if !s.terminal.stderr || s.path == "-" && s.terminal.stdout {
		return nil
	}
	name := word(s.id)
	if offset > 0 {
		name += " after " + bytesText(offset)
	}
	return progressbar.NewOptions64(size-offset, progressbar.OptionSetWriter(s.stderr), progressbar.OptionSetDescription(name),
		progressbar.OptionShowBytes(true), progressbar.OptionShowCount(), progressbar.OptionUseIECUnits(true), progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))
}

func (s *saving) tell(d *straw.Download) error {
	if s.output == asText {
		_, err := fmt.Fprintf(s.stdout, "%s  %s  sha256 %s\n", word(s.path), bytesText(d.Size()), d.SHA256())
		return err
	}
	return s.output.write(s.stdout, struct {
		File      string `json:"file"`
		SizeBytes int64  `json:"sizeBytes"`
		SHA256    string `json:"sha256"`
	}{s.path, d.Size(), d.SHA256()})
}

// fileNameOf is a name in this folder, whatever the export is called.
func fileNameOf(x *strawv1.Export) string {
	tame := func(text string) string {
		const most = 100
		return strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r) {
				return r
			}
			return '_'
		}, text[:min(len(text), most)])
	}
	name := strings.TrimLeft(tame(x.GetId()), ".-")
	if name == "" {
		name = "export"
	}
	if x.GetFormat() != "" {
		name += "." + strings.Trim(tame(x.GetFormat()), ".")
	}
	return name
}
