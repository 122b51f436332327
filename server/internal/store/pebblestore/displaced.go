package pebblestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// errDisplaced is why the log fails once its folder isn't found under its name any more.
var errDisplaced = fmt.Errorf("nothing more is written (%w), and what was answered since may be lost: put the folder back and start again", event.ErrUnavailable)

// inPlace fails with errDisplaced once the name of the store's folder leads to another folder than the one that was opened, or
// nowhere. All files are opened and removed by their names: in another store's folder that would destroy it. It knows nothing
// of a folder that isn't on a disk, or isn't held.
func (l *Log) inPlace() error {
	if err := l.failure.get(); errors.Is(err, errDisplaced) {
		return err // even if it is back
	}
	held, ok := l.lock.folder.(*os.File)
	if !ok {
		return nil
	}
	was, err := held.Stat()
	if err != nil && !leadsNowhere(err) {
		return err
	}
	now, gone := os.Stat(l.dir)
	switch {
	case err != nil || leadsNowhere(gone):
		return fmt.Errorf("the store's folder %s was removed or moved away while it was open; %w", l.dir, errDisplaced)
	case gone != nil:
		return gone
	case !os.SameFile(was, now):
		return fmt.Errorf("the store's folder %s was replaced by another, or mounted over, while it was open; %w", l.dir, errDisplaced)
	}
	return nil
}

func leadsNowhere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ESTALE)
}

// inPlace holds whoever would change something in another folder than the store's.
func (g guardFS) inPlace() error {
	err := g.log.inPlace()
	if errors.Is(err, errDisplaced) {
		g.log.hang(err)
	}
	return err
}

// readable refuses to read in another folder. Who reads isn't held: Close waits for readers.
func (g guardFS) readable() error {
	err := g.log.inPlace()
	if errors.Is(err, errDisplaced) {
		g.log.fail(err)
	}
	return err
}

func (g guardFS) Remove(name string) error {
	if err := g.inPlace(); err != nil {
		return err
	}
	return g.FS.Remove(name)
}

func (g guardFS) RemoveAll(name string) error {
	if err := g.inPlace(); err != nil {
		return err
	}
	return g.FS.RemoveAll(name)
}

func (g guardFS) Rename(old, name string) error {
	if err := g.inPlace(); err != nil {
		return err
	}
	return g.FS.Rename(old, name)
}

func (g guardFS) Link(old, name string) error {
	if err := g.inPlace(); err != nil {
		return err
	}
	return g.FS.Link(old, name)
}

// realPath follows the links in a directory's name, as far as there is something: where a link leads later is nothing to a store
// that is open.
func realPath(disk vfs.FS, dir string) string {
	dir = absolute(disk, dir)
	if vfs.Root(disk) != vfs.Default {
		return dir
	}
	if path, err := filepath.EvalSymlinks(dir); err == nil {
		return path
	}
	if parent := filepath.Dir(dir); parent != dir {
		return filepath.Join(realPath(disk, parent), filepath.Base(dir))
	}
	return dir
}
