package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

func (p *program) export() *cobra.Command {
	c := &cobra.Command{Use: "export", Short: "See, download and refetch exports"}
	c.AddCommand(p.exportGet(), p.exportList(), p.exportDownload(), p.exportRefetch())
	return c
}

func (p *program) exportGet() *cobra.Command {
	return p.exportCall("get ID", "Show an export's newest generation",
		func(ctx context.Context, conn *straw.Client, id string) (*strawv1.Export, error) {
			return conn.Exports().GetExport(ctx, &strawv1.GetExportRequest{Id: id})
		})
}

func (p *program) exportRefetch() *cobra.Command {
	return p.exportCall("refetch ID", "Fetch an export again, as a new generation, while its link lives",
		func(ctx context.Context, conn *straw.Client, id string) (*strawv1.Export, error) {
			return conn.Exports().RefetchExport(ctx, &strawv1.RefetchExportRequest{Id: id})
		})
}

// exportCall is a command that asks about one export and shows it.
func (p *program) exportCall(use, short string, call func(context.Context, *straw.Client, string) (*strawv1.Export, error)) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1)}
	client, output := addClientFlags(c), outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		conn, err := p.dial(client)
		if err != nil {
			return err
		}
		defer conn.Close()
		x, err := call(c.Context(), conn, args[0])
		if err != nil {
			return p.unreachable(client, err)
		}
		if *output != asText {
			return output.write(p.stdout, x)
		}
		return printExport(p.stdout, x)
	}
	return c
}

// printExport writes a name and a value a line.
func printExport(w io.Writer, x *strawv1.Export) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	line("export", "%s, generation %d", word(x.GetId()), x.GetGeneration())
	line("state", "%s", x.GetState())
	if x.GetState() == strawv1.Export_AVAILABLE {
		line("size", "%s (%d bytes)", bytesText(x.GetSizeBytes()), x.GetSizeBytes())
		line("sha256", "%s", x.GetSha256())
	}
	for _, of := range [][2]string{{"format", x.GetFormat()}, {"media type", x.GetContentType()}, {"last error", x.GetLastError()}} {
		if of[1] != "" {
			line(of[0], "%s", printable(of[1]))
		}
	}
	line("attempts", "%d", x.GetAttempts())
	line("announced", "%s", x.GetCreateTime().AsTime().Format(time.RFC3339))
	line("link dies", "%s", x.GetUrlExpireTime().AsTime().Format(time.RFC3339))
	return t.Flush()
}

// printable is a sentence that can't steer a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return '�'
	}, text)
}

var exportStates = []string{"pending", "downloading", "available", "expired", "failed", "purged"}

func (p *program) exportList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List exports, newest first", Args: cobra.NoArgs}
	client, output := addClientFlags(c), outputFlag(c)
	var states []string
	var limit int
	c.Flags().StringSliceVar(&states, "state", nil, "Only exports in this `state`: "+strings.Join(exportStates, ", ")+". Repeatable.")
	c.Flags().IntVar(&limit, "limit", 100, "List at most so many; 0 lists all.")
	_ = c.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(exportStates, cobra.ShellCompDirectiveNoFileComp)) // fails only for a missing flag
	c.RunE = func(c *cobra.Command, _ []string) error {
		req := &strawv1.ListExportsRequest{}
		for _, s := range states {
			if !slices.Contains(exportStates, strings.ToLower(s)) {
				return usage("--state: %q is none of %s", s, strings.Join(exportStates, ", "))
			}
			req.States = append(req.States, strawv1.Export_State(strawv1.Export_State_value[strings.ToUpper(s)]))
		}
		conn, err := p.dial(client)
		if err != nil {
			return err
		}
		defer conn.Close()
		return p.unreachable(client, p.listExports(c.Context(), conn, req, limit, *output))
	}
	return c
}

// listExports writes page after page. As text, a page is a table.
func (p *program) listExports(ctx context.Context, conn *straw.Client, req *strawv1.ListExportsRequest, limit int, output format) error {
	for left := limit; limit == 0 || left > 0; {
		page, err := conn.Exports().ListExports(ctx, req)
		if err != nil {
			return err
		}
		exports := page.GetExports()
		if limit != 0 {
			exports = exports[:min(left, len(exports))]
		}
		left -= len(exports)
		if err := p.printExports(exports, output); err != nil {
			return err
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			return nil
		}
	}
	return nil
}

func (p *program) printExports(exports []*strawv1.Export, output format) error {
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, x := range exports {
		if output != asText {
			if err := output.write(p.stdout, x); err != nil {
				return err
			}
			continue
		}
		size := "-"
		if x.GetState() == strawv1.Export_AVAILABLE {
			size = bytesText(x.GetSizeBytes())
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", x.GetCreateTime().AsTime().Format(timeLayout), x.GetState(), size, word(x.GetFormat()), word(x.GetId()))
	}
	return t.Flush()
}
