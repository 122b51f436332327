package pebblestore

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A guardFS fails the log at the first error of a write-ahead log, and never returns it to Pebble. Pebble has no way back
// from there: depending on where it stands it panics with its locks held, or tears the process down without a word.
// Holding the goroutine forever leaves the process the time to say what happened, drain, and end.
//
// It fails the log too once the store's folder isn't the one any more that its name leads to.
//
// That no descriptor is left is no failure: it passes, and is waited for. Meanwhile appends fail by their deadlines.
type guardFS struct {
	vfs.FS
	log *Log
}

func (g guardFS) Unwrap() vfs.FS { return g.FS }

// List passes over what Pebble would stumble at.
func (g guardFS) List(dir string) ([]string, error) {
	names, err := g.FS.List(dir)
	return slices.DeleteFunc(names, func(name string) bool { return name == g.log.badOptions }), err
}

// vital reports whether a file is a write-ahead log of the store, whose copies in a backup aren't.
func (g guardFS) vital(name string) bool {
	return strings.HasSuffix(name, ".log") && g.PathDir(name) == g.log.dir
}

func (g guardFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.patiently(name, func() (vfs.File, error) {
		if err := g.inPlace(); err != nil {
			return nil, err
		}
		return g.FS.Create(name, c)
	})
	switch {
	case g.vital(name):
		return g.guard("create", name, f, err), nil
	case err == nil && strings.HasPrefix(g.PathBase(name), "MANIFEST-"):
		return f, g.syncDir(g.PathDir(name))
	}
	return f, err
}

// syncDir makes a new manifest's name durable. Pebble does so only together with the marker that points to it, and if
// that alone survived a power cut the store could not be opened.
func (g guardFS) syncDir(name string) error {
	d, err := g.OpenDir(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (g guardFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	renamed := false
	f, err := g.patiently(name, func() (vfs.File, error) {
		if err := g.inPlace(); err != nil {
			return nil, err
		}
		if renamed {
			return g.FS.OpenReadWrite(name, c)
		}
		f, err := g.FS.ReuseForWrite(old, name, c)
		renamed = outOfDescriptors(err) // which are needed only once it is
		return f, err
	})
	if g.vital(name) {
		return g.guard("reuse "+old+" as", name, f, err), nil
	}
	return f, err
}

// OpenDir opens a directory for syncing.
func (g guardFS) OpenDir(name string) (vfs.File, error) {
	f, err := g.patiently(name, func() (vfs.File, error) {
		if err := g.inPlace(); err != nil {
			return nil, err
		}
		return g.FS.OpenDir(name)
	})
	if err == nil && name == g.log.dir {
		return guardFile{f, g.log, name}, nil
	}
	return f, err
}

func (g guardFS) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	return g.patiently(name, func() (vfs.File, error) {
		if err := g.readable(); err != nil {
			return nil, err
		}
		return g.FS.Open(name, o...)
	})
}

func (g guardFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return g.patiently(name, func() (vfs.File, error) {
		if err := g.inPlace(); err != nil {
			return nil, err
		}
		return g.FS.OpenReadWrite(name, c, o...)
	})
}

func (g guardFS) guard(op, name string, f vfs.File, err error) vfs.File {
	if err != nil {
		g.log.hang(fmt.Errorf("%s %s: %w", op, name, err))
	}
	return guardFile{f, g.log, name}
}

// A guardFile is a write-ahead log, or the directory in which it is.
type guardFile struct {
	vfs.File
	log  *Log
	name string
}

func (f guardFile) check(op string, err error) {
	if err != nil {
		f.log.hang(fmt.Errorf("%s %s: %w", op, f.name, err))
	}
}

func (f guardFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	f.check("write", err)
	return n, nil
}

func (f guardFile) Sync() error {
	f.check("sync", f.File.Sync())
	return nil
}

func (f guardFile) SyncData() error {
	f.check("sync", f.File.SyncData())
	return nil
}

func (f guardFile) SyncTo(length int64) (full bool, err error) {
	full, err = f.File.SyncTo(length)
	f.check("sync", err)
	return full, nil
}

func (f guardFile) Stat() (vfs.FileInfo, error) {
	info, err := f.File.Stat()
	f.check("stat", err)
	return info, nil
}

func (f guardFile) Close() error {
	f.check("close", f.File.Close())
	return nil
}
