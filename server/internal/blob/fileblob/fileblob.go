// Package fileblob keeps blobs as plain files in one directory: <name>.data with the bytes as they came, <name>.manifest,
// which makes the blob exist, and <name>.partial while it is written.
//
// The bytes are synced before a manifest or a partial speaks for them, and both of these are published by renaming a synced
// file and syncing the directory. So after a crash or a power cut each blob is whole or isn't there. It never follows a path
// out of its directory, and never shares it with a second process.
package fileblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/event"
)

// What follows a blob's name in the names of its files. A temporary one is any of these with temporary added.
const (
	data      = ".data"
	manifest  = ".manifest"
	partial   = ".partial"
	temporary = ".tmp"
)

const lockName = "LOCK"

// DefaultReserve is the room that exports leave free on their disk, in bytes; on a small disk it is a fifth of it, and minReserve
// at least. It is more than the log needs to go on.
const (
	DefaultReserve = 2 << 30
	minReserve     = 384 << 20
)

// Options are the choices of a store. The zero value is good.
type Options struct {
	// Reserve is the room to leave free on the disk, in bytes; writers fail with event.ErrFull before they take it. Zero
	// means DefaultReserve, less on a small disk, and a negative number none.
	Reserve int64

	fsync func(*os.File) error // nil: (*os.File).Sync; tests see what is durable when
}

// Blobs is a directory of blobs.
type Blobs struct {
	path    string
	reserve int64
	fsync   func(*os.File) error // makes a file's content, or a directory's entries, durable
	root    *os.Root
	lock    io.Closer
	claims  blob.Claims
	// life is held for reading by whatever changes files, and taken by Close.
	life   sync.RWMutex
	closed bool
}

var _ blob.Blobs = (*Blobs)(nil)

// Open opens the directory, which it makes if need be, and removes what a crash left half written, partials aside. It fails
// if another process has it open.
func Open(path string, options Options) (*Blobs, error) {
	b := &Blobs{path: path, reserve: options.Reserve, fsync: options.fsync}
	if b.fsync == nil {
		b.fsync = (*os.File).Sync
	}
	err := b.open()
	if err != nil {
		_ = b.Close()
		return nil, fmt.Errorf("open the exports in %s: %w", path, err)
	}
	return b, nil
}

func (b *Blobs) open() (err error) {
	if err = b.mkdir(b.path); err != nil {
		return err
	}
	if b.root, err = os.OpenRoot(b.path); err != nil {
		return err
	}
	if info, err := b.root.Lstat(lockName); err == nil && (!info.Mode().IsRegular() || info.Size() > 0) {
		// Taking it would empty it, or what it links to.
		return fmt.Errorf("its %s isn't an empty file, so it is another program's: name another directory", lockName)
	}
	if b.lock, err = vfs.Default.Lock(filepath.Join(b.path, lockName)); err != nil {
		return fmt.Errorf("another process may have it open; end that one, or name another directory: %w", err)
	}
	return b.removeTemporary()
}

// Close implements blob.Blobs.
func (b *Blobs) Close() error {
	b.life.Lock()
	defer b.life.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	var errs []error
	for _, c := range []io.Closer{b.lock, b.root} {
		if c != nil && c != (*os.Root)(nil) {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// enter begins a change of files, which leave ends.
func (b *Blobs) enter(ctx context.Context) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.life.RLock()
	if b.closed {
		b.life.RUnlock()
		return nil, fmt.Errorf("%w: the exports in %s are closed", event.ErrUnavailable, b.path)
	}
	return b.life.RUnlock, nil
}

// Stat implements blob.Blobs.
func (b *Blobs) Stat(ctx context.Context, name blob.Name) (blob.Info, error) {
	m, err := b.manifest(ctx, name)
	return m.Info, err
}

func (b *Blobs) manifest(ctx context.Context, name blob.Name) (blob.Manifest, error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return blob.Manifest{}, err
	}
	defer leave()
	encoded, err := b.root.ReadFile(name.String() + manifest)
	if err != nil {
		return blob.Manifest{}, explain(name, "read the manifest", err)
	}
	return blob.DecodeManifest(name, encoded)
}

// Open implements blob.Blobs.
func (b *Blobs) Open(ctx context.Context, name blob.Name) (*blob.Reader, error) {
	m, err := b.manifest(ctx, name)
	if err != nil {
		return nil, err
	}
	leave, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	file, err := b.root.Open(name.String() + data)
	if errors.Is(err, fs.ErrNotExist) {
		// Deleted just now, or lost.
		if _, err := b.root.Stat(name.String() + manifest); err == nil {
			return nil, fmt.Errorf("%w: %s has a manifest and no bytes", blob.ErrCorrupt, name)
		}
	}
	if err != nil {
		return nil, explain(name, "open", err)
	}
	if info, err := file.Stat(); err != nil || info.Size() != m.Size {
		_ = file.Close()
		if err != nil {
			return nil, explain(name, "open", err)
		}
		return nil, fmt.Errorf("%w: %s has %d bytes instead of %d", blob.ErrCorrupt, name, info.Size(), m.Size)
	}
	return blob.NewReader(ctx, m, source{file}), nil
}

// A source reads a file.
type source struct{ *os.File }

func (s source) From(_ context.Context, offset int64) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(s.File, offset, 1<<62-offset)), nil
}

// Delete implements blob.Blobs.
func (b *Blobs) Delete(ctx context.Context, name blob.Name) error {
	leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	release, err := b.claims.Claim(name)
	if err != nil {
		return err
	}
	defer release()
	return b.removeAll(name)
}

// List implements blob.Blobs.
func (b *Blobs) List(ctx context.Context) iter.Seq2[blob.Entry, error] {
	return func(yield func(blob.Entry, error) bool) {
		err := b.each(ctx, manifest, func(name blob.Name, stored fs.FileInfo) error {
			size := int64(0) // of a blob whose bytes are lost
			if info, err := b.root.Stat(name.String() + data); err == nil {
				size = info.Size()
			}
			if !yield(blob.Entry{Name: name, Size: size, StoreTime: stored.ModTime()}, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield(blob.Entry{}, err)
		}
	}
}

// Sweep implements blob.Blobs.
func (b *Blobs) Sweep(ctx context.Context, age time.Duration) error {
	before := time.Now().Add(-age)
	for _, suffix := range []string{partial, data} {
		err := b.each(ctx, suffix, func(name blob.Name, info fs.FileInfo) error {
			if info.ModTime().After(before) {
				return nil
			}
			return b.sweep(ctx, name, suffix)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sweep removes what has no manifest, unless it is being written; beside a manifest a partial is what a crash left.
func (b *Blobs) sweep(ctx context.Context, name blob.Name, suffix string) error {
	leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	release, err := b.claims.Claim(name)
	if err != nil {
		return nil // somebody writes it
	}
	defer release()
	switch _, err := b.root.Stat(name.String() + manifest); {
	case errors.Is(err, fs.ErrNotExist):
		return b.removeAll(name)
	case err == nil && suffix == partial:
		return b.remove(name, partial)
	default:
		return explain(name, "look at", err)
	}
}
