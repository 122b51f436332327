package pebblestore

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// A roomFS waits where a disk without room would fail a write. Pebble has no patience with that: it tries the same table again at
// once, thousands of times a second, and ends the process over its manifest or its write-ahead log. Here what is written goes on
// from where it stopped as soon as there is room, so that a full disk costs nothing but time. It is noted meanwhile, and callers
// are told.
type roomFS struct {
	vfs.FS
	log *Log
}

// How long is waited before a write is tried again: at first, and at most.
const (
	roomFirst = 20 * time.Millisecond
	roomEvery = time.Second
)

// tablePatience is how long a table waits for room. Then it fails, for what was written of it takes room itself: Pebble removes
// it and begins again.
const tablePatience = 5 * time.Second

// fullAtTheEnd is why the log fails if it is to end while the disk has no room.
var errFullAtTheEnd = fmt.Errorf("%w, and what wasn't answered yet could not be written before the end; what was is there", event.ErrFull)

func (r roomFS) Unwrap() vfs.FS { return r.FS }

// noRoom reports whether a disk has no room, or its owner may not use more of it.
func noRoom(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// try does something with a file until there is room for it.
func (r roomFS) try(name string, do func() error) error {
	err := do()
	if !noRoom(err) {
		return err
	}
	return r.wait(name, err, do)
}

func (r roomFS) wait(name string, first error, do func() error) (err error) {
	l, err := r.log, first
	l.lacksRoom(name)
	defer func() {
		if l.disk.waiting.Add(-1) == 0 && err == nil {
			l.checkDisk()
		}
	}()
	began, pause := time.Now(), roomFirst
	for noRoom(err) {
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-l.failure.failed:
			t.Stop()
			l.hang(err)
		case <-l.opts.Ending:
			t.Stop()
			if err = do(); noRoom(err) {
				l.hang(errFullAtTheEnd)
			}
			return err
		}
		pause = min(2*pause, roomEvery)
		if isTable(name) && time.Since(began) > tablePatience {
			return err
		}
		err = do()
	}
	return err
}

func isTable(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

// lacksRoom notes that something waits for room.
func (l *Log) lacksRoom(name string) {
	l.disk.waiting.Add(1)
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	if l.disk.exhausted.Load() == nil {
		l.exhaust(fmt.Sprintf("the disk of %s has no room: what must be written waits until there is some", l.dir), "file", name)
	}
}

// exhaust tells that there is no room, not even for what is small. The caller holds disk.mu.
func (l *Log) exhaust(sentence string, about ...any) {
	l.disk.exhausted.Store(&sentence)
	close(*l.disk.none.Load())
	l.opts.Logger.Warn("the disk is full", append(about, "because", sentence)...)
}

// recover tells that there is room again. The caller holds disk.mu.
func (l *Log) recover() {
	none := make(chan struct{})
	l.disk.none.Store(&none)
	l.disk.exhausted.Store(nil)
	l.opts.Logger.Info("the disk has room again for what waited", "dir", l.dir)
}

func (r roomFS) Create(name string, c vfs.DiskWriteCategory) (f vfs.File, err error) {
	err = r.try(name, func() error {
		f, err = r.FS.Create(name, c)
		return err
	})
	return r.file(name, f), err
}

func (r roomFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (f vfs.File, err error) {
	err = r.try(name, func() error {
		f, err = r.FS.ReuseForWrite(old, name, c)
		return err
	})
	return r.file(name, f), err
}

func (r roomFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (f vfs.File, err error) {
	err = r.try(name, func() error {
		f, err = r.FS.OpenReadWrite(name, c, opts...)
		return err
	})
	return r.file(name, f), err
}

func (r roomFS) Link(old, name string) error {
	return r.try(name, func() error { return r.FS.Link(old, name) })
}

func (r roomFS) Rename(old, name string) error {
	return r.try(name, func() error { return r.FS.Rename(old, name) })
}

func (r roomFS) file(name string, f vfs.File) vfs.File {
	if f == nil {
		return nil
	}
	return roomFile{f, r, name}
}

// A roomFile is a file that is written. A sync that fails for want of room is left as it is: what the kernel has dropped then,
// another sync doesn't bring back.
type roomFile struct {
	vfs.File
	room roomFS
	name string
}

func (f roomFile) Write(b []byte) (written int, err error) {
	err = f.room.try(f.name, func() error {
		n, err := f.File.Write(b[written:])
		written += n
		return err
	})
	return written, err
}

func (f roomFile) WriteAt(b []byte, at int64) (written int, err error) {
	err = f.room.try(f.name, func() error {
		n, err := f.File.WriteAt(b[written:], at+int64(written))
		written += n
		return err
	})
	return written, err
}
