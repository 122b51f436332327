package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// A home is the folder that a store was made in, or adopted in. A folder keeps its birth and its inode when it is renamed,
// mounted elsewhere, or comes to another machine with its volume; a copy of it has others. The top folders of all volumes of a
// kind share one inode, and may share their birth: the volume's own number tells those apart. The zero home is unknown.
type home struct {
	inode  uint64
	born   int64  // in Unix nanoseconds; zero if the file system doesn't tell
	volume uint64 // zero if the file system doesn't number its volumes for good
}

// is reports whether two may be the same folder.
func (h home) is(other home) bool {
	switch {
	case h == home{} || other == home{}:
		return true
	case h.volume != other.volume && h.volume != 0 && other.volume != 0:
		return false
	case h.born != 0 && other.born != 0:
		return h.born == other.born
	}
	return h.inode == other.inode
}

func (h home) String() string {
	text := fmt.Sprintf("inode %d", h.inode)
	if h.born != 0 {
		text += time.Unix(0, h.born).UTC().Format(", made 2006-01-02T15:04:05.999999999Z07:00")
	}
	if h.volume != 0 {
		text += fmt.Sprintf(", volume %x", h.volume)
	}
	return text
}

func (h home) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, h.inode)
	b = binary.BigEndian.AppendUint64(b, uint64(h.born))
	return binary.BigEndian.AppendUint64(b, h.volume)
}

// homeIn returns the home that a database has written down; unknown if it has none.
func homeIn(db *pebble.DB) (home, error) {
	value, err := getFrom(db, []byte{keyHome})
	if errors.Is(err, pebble.ErrNotFound) {
		return home{}, nil
	}
	if err != nil {
		return home{}, err
	}
	r := reader{value}
	h := home{r.fixed(), int64(r.fixed()), r.fixed()}
	if !r.done() {
		return h, fmt.Errorf("%w: the record of its folder doesn't decode", event.ErrCorrupt)
	}
	return h, nil
}

// here is the folder that the store lies in; unknown where the store isn't on a disk, or its file system gives no name that
// lasts.
func (l *Log) here() (home, error) {
	if vfs.Root(l.opts.FS) != vfs.Default {
		return home{}, nil
	}
	h, err := homeOf(l.dir)
	if err != nil {
		return h, fmt.Errorf("find out whether the store is a copy: %w", err)
	}
	return h, nil
}

// checkHome refuses a copy: its original goes on elsewhere, and gives out cursors for other events that the copy would take for
// its own.
func (l *Log) checkHome(written home) error {
	now, err := l.here()
	if err != nil || written.is(now) {
		return err
	}
	return fmt.Errorf("%s looks like a copy of a store: the store was made in another folder (%v) than this (%v); nothing in it was changed: "+
		"if it was copied, moved to another file system or restored, make it a store of its own with `straw store adopt --store pebble:%s`",
		l.dir, written, now, l.dir)
}

// rememberHome writes down where the store lies if that isn't known yet: it was made before that was done.
func (l *Log) rememberHome() error {
	written, err := homeIn(l.db)
	if err != nil || written != (home{}) {
		return err
	}
	now, err := l.here()
	if err != nil || now == (home{}) {
		return err
	}
	if err := l.apply([]ownRecord{{keyHome, now.append(nil)}}); err != nil {
		return err
	}
	l.opts.Logger.Info("the store now remembers the folder it lies in, to tell itself from copies", "dir", l.dir)
	return l.db.Flush() // to where it is found without changing anything
}
