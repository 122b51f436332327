package fileblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/event"
)

// checkpoint is how many bytes are written before they are synced and the partial says so: what a crash can cost.
const checkpoint = 8 << 20

// kept is a partial: what the first bytes of a data file are.
type kept struct {
	Origin blob.Origin  `json:"origin"`
	Digest *blob.Digest `json:"digest"`
}

type writer struct {
	ctx     context.Context
	blobs   *Blobs
	name    blob.Name
	release func() // of the name
	file    *os.File
	origin  blob.Origin
	digest  *blob.Digest
	durable int64 // the size that the partial speaks for
	failure error // the first one; nothing but Discard and Close works after it
	ended   bool
}

// Create implements blob.Blobs.
func (b *Blobs) Create(ctx context.Context, name blob.Name) (blob.Writer, error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	release, err := b.claims.Claim(name)
	if err != nil {
		return nil, err
	}
	w := &writer{ctx: ctx, blobs: b, name: name, release: release}
	if err := w.begin(); err != nil {
		release()
		return nil, err
	}
	return w, nil
}

// begin continues a partial, or starts with no bytes.
func (w *writer) begin() error {
	switch _, err := w.blobs.root.Stat(w.name.String() + manifest); {
	case err == nil:
		return fmt.Errorf("%w: %s", blob.ErrExists, w.name)
	case !errors.Is(err, fs.ErrNotExist):
		return explain(w.name, "look at", err)
	}
	if err := w.checkRoom(); err != nil {
		return err
	}
	file, err := w.blobs.root.OpenFile(w.name.String()+data, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return explain(w.name, "create", err)
	}
	w.file = file
	if err := w.resume(); err != nil {
		_ = file.Close()
		return explain(w.name, "create", err)
	}
	return nil
}

// resume takes over what the partial speaks for. Bytes after that were never synced and may be anything, so they go. A
// partial that can't be used is as good as none.
func (w *writer) resume() error {
	w.digest = blob.NewDigest()
	encoded, err := w.blobs.root.ReadFile(w.name.String() + partial)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	info, err := w.file.Stat()
	if err != nil {
		return err
	}
	var found kept
	if blob.Unseal(encoded, &found) == nil && found.Digest != nil && found.Digest.Size() <= info.Size() {
		w.origin, w.digest, w.durable = found.Origin, found.Digest, found.Digest.Size()
	}
	return w.cut()
}

// cut drops the bytes that the digest doesn't know.
func (w *writer) cut() error {
	if err := w.file.Truncate(w.digest.Size()); err != nil {
		return err
	}
	_, err := w.file.Seek(w.digest.Size(), io.SeekStart)
	return err
}

func (w *writer) Size() int64         { return w.digest.Size() }
func (w *writer) Origin() blob.Origin { return w.origin }

func (w *writer) Restart(origin blob.Origin) error {
	return w.do(func() error {
		if err := w.blobs.remove(w.name, partial); err != nil {
			return err
		}
		w.origin, w.digest, w.durable = origin, blob.NewDigest(), 0
		return explain(w.name, "restart", w.cut())
	})
}

func (w *writer) Write(p []byte) (n int, err error) {
	err = w.do(func() error {
		for n < len(p) {
			room := min(int64(len(p)-n), w.durable+checkpoint-w.digest.Size())
			wrote, err := w.file.Write(p[n : n+int(room)])
			w.digest.Add(p[n : n+wrote])
			n += wrote
			if err != nil {
				return explain(w.name, "write", err)
			}
			if w.digest.Size() == w.durable+checkpoint {
				if err := w.keep(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return n, err
}

// keep makes the bytes durable and lets the partial speak for them.
func (w *writer) keep() error {
	if err := w.checkRoom(); err != nil {
		return err
	}
	if err := w.blobs.fsync(w.file); err != nil {
		return explain(w.name, "sync", err)
	}
	encoded, err := blob.Seal(kept{w.origin, w.digest})
	if err != nil {
		return explain(w.name, "keep", err)
	}
	if err := w.blobs.publish(w.name, partial, encoded); err != nil {
		return err
	}
	w.durable = w.digest.Size()
	return nil
}

// checkRoom leaves the log its room.
func (w *writer) checkRoom() error {
	usage, err := vfs.Default.GetDiskUsage(w.blobs.path)
	if err != nil {
		return fmt.Errorf("see how full the disk of %s is: %w", w.blobs.path, err)
	}
	if reserve := w.blobs.reserveOf(usage.TotalBytes); int64(usage.AvailBytes) < reserve {
		return fmt.Errorf("%w: of %s %d MiB are free, and exports leave %d MiB", event.ErrFull, w.blobs.path, usage.AvailBytes>>20, reserve>>20)
	}
	return nil
}

// reserveOf is what exports leave free on a disk of a size in bytes.
func (b *Blobs) reserveOf(total uint64) int64 {
	if b.reserve != 0 {
		return b.reserve
	}
	return max(minReserve, min(DefaultReserve, int64(total/5)))
}

func (w *writer) Commit() (blob.Info, error) {
	m := blob.NewManifest(w.name, w.digest, w.origin, "")
	err := w.do(func() error {
		encoded, err := m.Encode()
		if err != nil {
			return explain(w.name, "describe", err)
		}
		synced := make(chan error, 1)
		go func() { synced <- w.settle() }()
		err = w.blobs.prepare(w.name, manifest, encoded) // beside it: a disk syncs several files in little more than the time of one
		if failed := <-synced; failed != nil {
			w.blobs.unprepare(w.name, manifest)
			return explain(w.name, "sync", failed)
		}
		if err != nil {
			return err
		}
		if err := w.blobs.reveal(w.name, manifest); err != nil {
			return err
		}
		w.end()
		_ = w.blobs.remove(w.name, partial) // the blob is there; Sweep tries again
		return nil
	})
	if err != nil {
		return blob.Info{}, err
	}
	return m.Info, nil
}

// settle makes all bytes durable, and their name: not every file system keeps the order of two names, and a manifest must not
// outlive a power cut without its bytes. It closes the file.
func (w *writer) settle() error {
	named := make(chan error, 1)
	go func() {
		if w.durable > 0 { // since a partial was published
			named <- nil
			return
		}
		named <- w.blobs.sync()
	}()
	return errors.Join(w.blobs.fsync(w.file), w.file.Close(), <-named)
}

// do runs one step, unless the writer, its context or the store has ended.
func (w *writer) do(step func() error) error {
	switch {
	case w.ended:
		return fmt.Errorf("write %s: %w", w.name, fs.ErrClosed)
	case w.failure != nil:
		return w.failure
	}
	leave, err := w.blobs.enter(w.ctx)
	if err != nil {
		return err
	}
	defer leave()
	w.failure = step()
	return w.failure
}

func (w *writer) Discard() error { return w.finish(func() error { return w.blobs.removeAll(w.name) }) }

func (w *writer) Close() error {
	return w.finish(func() error {
		var err error
		if w.failure == nil && w.digest.Size() > w.durable {
			err = w.keep()
		}
		if w.durable > 0 {
			return err
		}
		return errors.Join(err, w.blobs.remove(w.name, data))
	})
}

// finish ends the writer with a last step, which must not depend on its context. A closed store skips the step.
func (w *writer) finish(step func() error) error {
	if w.ended {
		return nil
	}
	defer w.end()
	leave, err := w.blobs.enter(context.WithoutCancel(w.ctx))
	if err != nil {
		return nil // as after a crash
	}
	defer leave()
	return step()
}

// end releases what the writer holds. What had to be synced was.
func (w *writer) end() {
	w.ended = true
	_ = w.file.Close()
	w.release()
}
