package blob

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
)

// A Source gives out a blob's bytes as the engine has them, unchecked.
type Source interface {
	// From streams the bytes from an offset to the end. A stream that ends sooner means that bytes are missing; if it may
	// have been cut instead, it must fail with another error than io.EOF.
	From(ctx context.Context, offset int64) (io.ReadCloser, error)
	// Close releases the source.
	Close() error
}

// A Reader reads a blob, from anywhere. It gives out no byte before the chunk around it has matched its checksum. It holds one
// chunk at most. For one goroutine.
type Reader struct {
	ctx      context.Context
	manifest Manifest
	source   Source
	stream   io.ReadCloser // nil: none is open
	next     int64         // the chunk that the stream is at
	chunk    []byte        // checked bytes
	held     int64         // which chunk they are; -1: none
	offset   int64
	closed   bool
}

// NewReader reads the manifest's blob from its source and closes it in the end. It is for engines.
func NewReader(ctx context.Context, m Manifest, source Source) *Reader {
	return &Reader{ctx: ctx, manifest: m, source: source, held: -1}
}

// Info describes the blob.
func (r *Reader) Info() Info { return r.manifest.Info }

// Read reads from the current offset. Errors: io.EOF at the end; ErrCorrupt, and then always at this offset, while others may
// be readable; event.ErrUnavailable and the like, after which reading on is allowed. Reads of ChunkSize bytes from a multiple of
// it save a copy.
func (r *Reader) Read(p []byte) (int, error) {
	switch {
	case r.closed:
		return 0, fs.ErrClosed
	case r.offset >= r.manifest.Size:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	n, err := r.read(p, r.offset/ChunkSize, r.offset%ChunkSize)
	r.offset += int64(n)
	return n, err
}

// read reads from within a chunk. One that p has room for is checked where it goes.
func (r *Reader) read(p []byte, index, within int64) (int, error) {
	if n := r.sizeOf(index); within == 0 && r.held != index && int64(len(p)) >= n {
		return r.load(index, p[:n])
	}
	if err := r.hold(index); err != nil {
		return 0, err
	}
	return copy(p, r.chunk[within:]), nil
}

func (r *Reader) sizeOf(index int64) int64 { return min(ChunkSize, r.manifest.Size-index*ChunkSize) }

// Seek sets the offset of the next Read, as in io.Seeker. Past the end it is allowed, and reads io.EOF.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.offset
	case io.SeekEnd:
		offset += r.manifest.Size
	default:
		return 0, fmt.Errorf("seek in %s: %d is no whence", r.manifest.Name, whence)
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek in %s: %d is before the start", r.manifest.Name, offset)
	}
	r.offset = offset
	return offset, nil
}

// Close releases the reader. Idempotent.
func (r *Reader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	r.drop()
	return r.source.Close()
}

// Forget lets go of the chunk and of the engine's stream, which the next Read fetches again: for a reader who waits.
func (r *Reader) Forget() {
	r.drop()
	r.chunk, r.held = nil, -1
}

// hold brings a chunk, checked, into r.chunk.
func (r *Reader) hold(index int64) error {
	if r.held == index {
		return nil
	}
	if r.chunk == nil {
		r.chunk = make([]byte, 0, min(ChunkSize, r.manifest.Size))
	}
	r.held, r.chunk = -1, r.chunk[:r.sizeOf(index)]
	if _, err := r.load(index, r.chunk); err != nil {
		return err
	}
	r.held = index
	return nil
}

// load reads a chunk into p, which is as large, and returns its size if it is right. Otherwise p is not to be used.
func (r *Reader) load(index int64, p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if err := r.fill(index, p); err != nil {
		r.drop()
		return 0, err
	}
	return len(p), nil
}

func (r *Reader) fill(index int64, p []byte) error {
	begin := index * ChunkSize
	if r.stream == nil || r.next != index {
		r.drop()
		stream, err := r.source.From(r.ctx, begin)
		if err != nil {
			return err
		}
		r.stream, r.next = stream, index
	}
	n, err := io.ReadFull(r.stream, p)
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %s ends after %d of %d bytes", ErrCorrupt, r.manifest.Name, begin+int64(n), r.manifest.Size)
	case err != nil:
		return fmt.Errorf("read %s at byte %d: %w", r.manifest.Name, begin+int64(n), err)
	case crc32.Checksum(p, castagnoli) != r.manifest.sums[index]:
		return fmt.Errorf("%w: bytes %d to %d of %s don't match their checksum", ErrCorrupt, begin, begin+int64(n)-1, r.manifest.Name)
	}
	r.next = index + 1
	return nil
}

// drop closes the stream. Nothing is lost by an error: the bytes it gave were checked.
func (r *Reader) drop() {
	if r.stream != nil {
		_ = r.stream.Close()
		r.stream = nil
	}
}
