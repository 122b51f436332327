package fileblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/event"
)

// listed is how many files of the directory are looked at at once.
const listed = 256

// explain puts a file's error into blob's words.
func explain(name blob.Name, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s", blob.ErrNotFound, name)
	case errors.Is(err, fs.ErrClosed):
		return fmt.Errorf("%w: %s %s: the store is closed", event.ErrUnavailable, what, name)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %s %s: %v", event.ErrFull, what, name, err)
	}
	return fmt.Errorf("%s %s: %w", what, name, err)
}

// publish writes a file that is there whole or not at all, after a power cut too.
func (b *Blobs) publish(name blob.Name, suffix string, content []byte) error {
	if err := b.prepare(name, suffix, content); err != nil {
		return err
	}
	return b.reveal(name, suffix)
}

// prepare writes what reveal publishes.
func (b *Blobs) prepare(name blob.Name, suffix string, content []byte) error {
	err := b.write(name.String()+suffix+temporary, content)
	if err != nil {
		b.unprepare(name, suffix)
	}
	return explain(name, "write "+suffix[1:]+" of", err)
}

// unprepare gives up what was prepared. What can't be removed is when the store is next opened.
func (b *Blobs) unprepare(name blob.Name, suffix string) {
	_ = b.root.Remove(name.String() + suffix + temporary)
}

func (b *Blobs) reveal(name blob.Name, suffix string) error {
	final := name.String() + suffix
	if err := b.root.Rename(final+temporary, final); err != nil {
		return explain(name, "publish "+suffix[1:]+" of", err)
	}
	if err := b.sync(); err != nil {
		_ = b.root.Remove(final) // it may be gone after a power cut: nobody may build on it
		return explain(name, "publish "+suffix[1:]+" of", err)
	}
	return nil
}

// write writes a file and syncs it.
func (b *Blobs) write(path string, content []byte) error {
	file, err := b.root.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = b.fsync(file)
	}
	return errors.Join(err, file.Close())
}

// mkdir makes a directory, and those above it, durably: a power cut must not take it away with what was published in it.
func (b *Blobs) mkdir(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := b.mkdir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	dir, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(b.fsync(dir), dir.Close())
}

// sync makes the directory's entries durable.
func (b *Blobs) sync() error {
	dir, err := b.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(b.fsync(dir), dir.Close())
}

// removeAll removes all of a blob, the manifest first, so that no crash leaves a blob without bytes.
func (b *Blobs) removeAll(name blob.Name) error {
	if err := b.remove(name, manifest); err != nil {
		return err
	}
	if err := b.sync(); err != nil {
		return explain(name, "remove", err)
	}
	return errors.Join(b.remove(name, partial), b.remove(name, data))
}

// remove removes a file; one that isn't there is no error.
func (b *Blobs) remove(name blob.Name, suffix string) error {
	if err := b.root.Remove(name.String() + suffix); !errors.Is(err, fs.ErrNotExist) {
		return explain(name, "remove", err)
	}
	return nil
}

// removeTemporary removes what was being published when the process ended.
func (b *Blobs) removeTemporary() error {
	return b.entries(context.Background(), func(entry string) error {
		base, ok := strings.CutSuffix(entry, temporary)
		if !ok || !ours(base) {
			return nil
		}
		return b.root.Remove(entry)
	})
}

func ours(entry string) bool {
	for _, suffix := range []string{data, manifest, partial} {
		if _, ok := named(entry, suffix); ok {
			return true
		}
	}
	return false
}

func named(entry, suffix string) (blob.Name, bool) {
	base, ok := strings.CutSuffix(entry, suffix)
	if !ok {
		return blob.Name{}, false
	}
	return blob.ParseName(base)
}

// each calls f for every file of a blob that has the suffix, until it fails; fs.SkipAll ends it without an error. The
// directory isn't held: f may enter, and a file may be gone by then.
func (b *Blobs) each(ctx context.Context, suffix string, f func(blob.Name, fs.FileInfo) error) error {
	err := b.entries(ctx, func(entry string) error {
		name, ok := named(entry, suffix)
		if !ok {
			return nil
		}
		info, err := b.root.Lstat(entry)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return explain(name, "look at", err)
		}
		return f(name, info)
	})
	if errors.Is(err, fs.SkipAll) {
		return nil
	}
	return err
}

// entries calls f for every file of the directory until it fails.
func (b *Blobs) entries(ctx context.Context, f func(entry string) error) error {
	dir, err := b.opened(ctx)
	if err != nil {
		return err
	}
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(listed)
		for _, entry := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := f(entry.Name()); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list the exports in %s: %w", b.path, err)
		}
	}
}

func (b *Blobs) opened(ctx context.Context) (*os.File, error) {
	leave, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	dir, err := b.root.Open(".")
	if err != nil {
		return nil, fmt.Errorf("list the exports in %s: %w", b.path, err)
	}
	return dir, nil
}
