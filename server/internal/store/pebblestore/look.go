package pebblestore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// A lock keeps other processes out of the directory, by the directory itself and by a file. Each is nil until it is taken.
type lock struct {
	folder io.Closer
	file   *pebble.Lock
}

func (k *lock) Close() (err error) {
	if k.file != nil {
		err = k.file.Close()
	}
	if k.folder != nil {
		err = errors.Join(err, k.folder.Close())
	}
	return err
}

// look finds out what is in the directory, before anything in it is changed, and locks it. It fails unless there is a whole
// store, or nothing: then it begins a new one.
func (l *Log) look() error {
	l.lock = &lock{}
	err := l.holdFolder()
	if err == nil {
		err = l.lookInside()
	}
	if err != nil {
		return errors.Join(err, l.lock.Close())
	}
	return nil
}

func (l *Log) lookInside() error {
	f, err := readFolder(l.fs, l.dir)
	if err != nil {
		return err
	}
	if f.isDatabase() && f.has(lockFile) {
		// Whoever has it open may be changing it just now.
		if err := l.lockFile(); err != nil {
			return err
		}
		if f, err = readFolder(l.fs, l.dir); err != nil {
			return err
		}
	}
	unfinished, err := l.unfinished(f)
	if err != nil {
		return err
	}
	switch l.creating = f.has(creatingFile) || !f.isDatabase(); {
	case unfinished && l.opts.existing:
		return errors.New("there is no store in it")
	case unfinished:
		return l.begin()
	}
	if err := l.whole(f); err != nil || l.lock.file != nil {
		return err
	}
	return l.lockFile()
}

// holdFolder locks the directory itself, if there is one yet.
func (l *Log) holdFolder() error {
	if l.lock.folder != nil || vfs.Root(l.opts.FS) != vfs.Default {
		return nil
	}
	held, err := holdFolder(l.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return inUse(err)
	case err != nil:
		return err
	}
	l.lock.folder = held
	return nil
}

// lockFile takes the lock file, which it makes if need be.
func (l *Log) lockFile() error {
	if info, err := l.fs.Stat(l.fs.PathJoin(l.dir, lockFile)); err == nil && (info.IsDir() || info.Size() > 0) {
		// Taking it would empty it.
		return fmt.Errorf("%s isn't an empty file, and so isn't a store's; nothing in the folder was changed: move it away", l.fs.PathJoin(l.dir, lockFile))
	}
	file, err := pebble.LockDirectory(l.dir, l.fs)
	if err != nil {
		return inUse(err)
	}
	l.lock.file = file
	return nil
}

func inUse(err error) error {
	return fmt.Errorf("%w: another process has it open (%v)", event.ErrUnavailable, err)
}

// unfinished reports whether there is nothing yet, or what a process left that ended while it made the store: that has
// acknowledged nothing. It refuses what is neither that nor a database.
func (l *Log) unfinished(f folder) (bool, error) {
	if !f.isDatabase() {
		names, err := f.remains()
		if err == nil && len(names) > 0 {
			err = refuseRemains(names)
		}
		return true, err
	}
	if !f.has(creatingFile) || f.has(waterlineFile) {
		return false, nil
	}
	// Somebody may have put the file back into a store.
	logs, err := readLogs(l.fs, l.dir)
	if err != nil {
		return false, err
	}
	for _, s := range logs.spans {
		if s.first > 0 {
			return false, nil
		}
	}
	size := int64(0)
	for _, name := range f.ending(".sst") {
		info, err := l.fs.Stat(f.path(name))
		if err != nil {
			return false, err
		}
		size += info.Size()
	}
	return size < newStoreBytes, nil
}

// newStoreBytes is more than the tables of a new store take.
const newStoreBytes = 64 << 10

// whole fails unless all of a store is there, and in its own folder. It changes nothing.
func (l *Log) whole(f folder) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := l.hideOptions(f); err != nil {
		return err
	}
	g, err := l.peek(f, false)
	if errors.Is(err, errNoRecords) {
		g, err = l.peek(f, true)
	}
	if errors.Is(err, errNoRecords) {
		return l.noStore(f)
	}
	if err != nil {
		return err
	}
	if err := l.checkLogs(f, g); err != nil {
		return err
	}
	if l.opts.incarnate {
		return nil
	}
	return l.checkHome(g.home)
}

// noStore says what a database is without a store's records.
func (l *Log) noStore(f folder) error {
	if f.has(waterlineFile) {
		return incomplete("%s knows no record of the store (it or %s* may be an older copy)", f.marked(manifestMarker), manifestMarker)
	}
	return errors.New("the folder holds another program's database; nothing in it was changed: name a folder that holds a store, or an empty one for a new store")
}

// checkLogs finds out whether something that was durable is missing.
func (l *Log) checkLogs(f folder, g glimpse) error {
	w, err := readLogs(l.fs, l.dir)
	if err != nil {
		return err
	}
	line, told, err := readWaterline(l.fs, l.dir)
	if err != nil {
		return err
	}
	if told && line.incarnation != ownIncarnation(g.identity) {
		// The newest incarnation may not be in the tables yet.
		if g, err = l.peek(f, true); err != nil {
			return err
		}
		told = line.incarnation == ownIncarnation(g.identity)
	}
	if !told {
		line.durable = 0
	}
	if err := w.check(l.dir, g.tables, line.durable); err != nil {
		if strays := g.strays(f); len(strays) > 0 {
			err = fmt.Errorf("%w (unless %s or %s* is an older copy, for it doesn't know %s)", err, f.marked(manifestMarker), manifestMarker, some(strays))
		}
		return err
	}
	l.tellLogs(w, told)
	return nil
}

// tellLogs tells the log what opening takes for granted.
func (l *Log) tellLogs(w *walCheck, told bool) {
	if !told {
		l.opts.Logger.Warn("what tells how far the write-ahead log was synced is missing or damaged, as after a power cut: had the log lost its end, nothing would tell",
			"dir", l.dir, "file", waterlineFile)
	}
	if len(w.spans) == 0 {
		return
	}
	if s := w.spans[len(w.spans)-1]; s.torn {
		l.opts.Logger.Warn("the write-ahead log ends in a torn batch, as after a crash: what was being written then is gone, and as far as anything tells it was never acknowledged",
			"file", s.path, "at", s.end)
	}
}
