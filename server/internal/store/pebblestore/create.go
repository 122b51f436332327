package pebblestore

import (
	"crypto/rand"
	"errors"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// begin makes the directory, and leaves word in it that a store is being made: whoever finds that may go on.
func (l *Log) begin() error {
	l.creating = true
	if err := l.makeFolder(l.dir); err != nil {
		return err
	}
	if err := l.holdFolder(); err != nil {
		return err
	}
	if l.lock.file == nil {
		if err := l.lockFile(); err != nil {
			return err
		}
	}
	f, err := l.opts.FS.Create(l.opts.FS.PathJoin(l.dir, creatingFile), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return l.syncDir(l.dir)
}

// makeFolder makes a directory, and makes its name durable, and those of the ones above it that were missing.
func (l *Log) makeFolder(dir string) error {
	fs := l.opts.FS
	var parents []string
	for at := dir; ; at = fs.PathDir(at) {
		if _, err := fs.Stat(at); err == nil || fs.PathDir(at) == at {
			break
		}
		parents = append(parents, fs.PathDir(at))
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, parent := range parents {
		if err := l.syncDir(parent); err != nil {
			return err
		}
	}
	return nil
}

// finishCreating takes that back. Nothing is acknowledged before it is certain to be gone.
func (l *Log) finishCreating() error {
	if err := l.opts.FS.Remove(l.opts.FS.PathJoin(l.dir, creatingFile)); err != nil {
		return err
	}
	l.creating = false
	return l.syncDir(l.dir)
}

// create writes what a store knows of itself into a new database.
func (l *Log) create() error {
	here, err := l.here()
	if err != nil {
		return err
	}
	id := event.Identity{Lineage: []event.Incarnation{{}}}
	rand.Read(id.Store[:])
	rand.Read(id.Lineage[0].ID[:])
	h := head{totals: noTotals}
	records := []ownRecord{
		{keyHead, h.append(nil)},
		{keyVersion, []byte{layoutVersion}},
		{keyIdentity, appendIdentity(nil, id)},
	}
	if here != (home{}) {
		records = append(records, ownRecord{keyHome, here.append(nil)})
	}
	if err := l.apply(records); err != nil {
		return err
	}
	// Pebble began its first log before it knew the format, without synced offsets. A flush makes it begin another. It also
	// takes the records to where they are found without replaying a log.
	return l.db.Flush()
}

// An ownRecord is one of the few that stand under a single byte.
type ownRecord struct {
	key   byte
	value []byte
}

// apply writes records behind the appender's back, while it doesn't run.
func (l *Log) apply(records []ownRecord) error {
	b := l.db.NewBatch()
	defer b.Close()
	for _, r := range records {
		if err := b.Set([]byte{r.key}, r.value, nil); err != nil {
			return err
		}
	}
	return l.db.Apply(b, pebble.Sync)
}
