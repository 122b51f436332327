package straw

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// What can be wrong with the bytes of a download.
var (
	// ErrExportChanged ends a download when a newer generation of the export has taken its place: begin anew.
	ErrExportChanged = errors.New("straw: the export was fetched anew while it was downloaded")
	// ErrChecksum ends a download whose bytes are not those that the gateway stored.
	ErrChecksum = errors.New("straw: the downloaded bytes don't match the export's checksum")
)

// maxDownloadFailures is how many connections in a row may fail without a byte before a download fails.
const maxDownloadFailures = 8

// DownloadOptions says how to download. The zero value downloads from the start.
type DownloadOptions struct {
	// Resume reads what an earlier download of the export has brought, to its end; the download goes on after that. It is
	// summed up with the rest, so that the checksum is that of the whole file.
	Resume io.Reader
}

// A Download reads an export's bytes. For one goroutine.
type Download struct {
	client *Client
	ctx    context.Context
	cancel context.CancelFunc
	id     string

	stream   grpc.ServerStreamingClient[strawv1.DownloadExportResponse]
	frame    []byte // bytes that came and weren't read
	offset   int64  // of the first byte after frame
	size     int64
	sha256   string // as the gateway says
	sum      hash.Hash
	failures int
	err      error // sticky, io.EOF included
}

// Download begins to download an export's newest generation. It resumes by itself when a connection is lost, and its Read
// returns io.EOF only once the whole file was read and its SHA-256 is right. Close it when done; that ends the download.
//
// Errors beside those of the call (EXPORT_NOT_FOUND, EXPORT_NOT_AVAILABLE, STORE_CORRUPT): ErrExportChanged, ErrChecksum.
func (c *Client) Download(ctx context.Context, id string, o DownloadOptions) (*Download, error) {
	d := &Download{client: c, id: id, sum: sha256.New()}
	if o.Resume != nil {
		var err error
		if d.offset, err = io.Copy(d.sum, o.Resume); err != nil {
			return nil, fmt.Errorf("straw: reading what was downloaded before: %w", err)
		}
	}
	d.ctx, d.cancel = context.WithCancel(ctx)
	if err := d.receive(); err != nil {
		d.cancel()
		return nil, err
	}
	return d, nil
}

// Size is the whole file's size in bytes.
func (d *Download) Size() int64 { return d.size }

// SHA256 is the whole file's, in lower-case hex.
func (d *Download) SHA256() string { return d.sha256 }

// Offset is how many bytes of the file were read, those that were there before included.
func (d *Download) Offset() int64 { return d.offset - int64(len(d.frame)) }

// Read reads the bytes that follow.
func (d *Download) Read(p []byte) (int, error) {
	for len(d.frame) == 0 {
		if d.err == nil && d.offset == d.size {
			d.err = d.verify()
		}
		if d.err == nil {
			d.err = d.receive()
		}
		if d.err != nil {
			return 0, d.err
		}
	}
	n := copy(p, d.frame)
	d.sum.Write(d.frame[:n])
	d.frame = d.frame[n:]
	return n, nil
}

// Close ends the download. Idempotent.
func (d *Download) Close() error {
	d.cancel()
	if d.err == nil {
		d.err = errors.New("straw: the download was closed")
	}
	d.frame = nil
	return nil
}

// verify returns io.EOF for a file that is what it should be.
func (d *Download) verify() error {
	d.cancel()
	if got := hex.EncodeToString(d.sum.Sum(nil)); got != d.sha256 {
		return fmt.Errorf("%w: it is %s instead of %s", ErrChecksum, got, d.sha256)
	}
	return io.EOF
}

// receive gets the next frame, over as many connections as that takes.
func (d *Download) receive() error {
	for {
		err := d.receiveOnce()
		if err == nil {
			d.failures = 0
			return nil
		}
		d.stream = nil
		if d.ctx.Err() != nil {
			return context.Cause(d.ctx)
		}
		if e, ok := errors.AsType[*Error](err); !ok || !e.retryable() {
			return err
		}
		if d.failures++; d.failures == maxDownloadFailures {
			return err
		}
		if err := sleep(d.ctx, jitter(d.failures)); err != nil {
			return err
		}
	}
}

func (d *Download) receiveOnce() (err error) {
	if d.stream == nil {
		d.stream, err = d.client.Exports().DownloadExport(d.ctx, &strawv1.DownloadExportRequest{Id: d.id, Offset: d.offset})
		if err != nil {
			return err
		}
	}
	frame, err := d.stream.Recv()
	if errors.Is(err, io.EOF) { // too early, or it wouldn't have been asked; some proxies cut streams so
		return wrapError(status.Error(codes.Unavailable, "the stream ended before the file did"))
	}
	if err != nil {
		return err
	}
	return d.take(frame)
}

func (d *Download) take(frame *strawv1.DownloadExportResponse) error {
	switch {
	case d.sha256 != "" && d.sha256 != frame.GetSha256():
		return ErrExportChanged
	case frame.GetOffset() != d.offset:
		return fmt.Errorf("straw: the gateway sent byte %d of the export instead of %d", frame.GetOffset(), d.offset)
	}
	d.sha256, d.size = frame.GetSha256(), frame.GetTotalBytes()
	d.frame = frame.GetData()
	d.offset += int64(len(d.frame))
	return nil
}
