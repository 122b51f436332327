package pebblestore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	crdb "github.com/cockroachdb/errors"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// Open opens the store in a directory, and makes one in a directory that is empty or doesn't exist. In any other it creates,
// deletes and writes nothing before it knows that all of a store is there: what is missing is an event.ErrCorrupt that names
// it, and so is anything acknowledged that can't be read. A copy of a store is refused too, until Adopt makes it a store of its
// own. It fails with event.ErrUnavailable if another process has the directory.
func Open(dir string, o Options) (*Log, error) {
	o = o.withDefaults()
	l := &Log{
		opts:     o,
		dir:      realPath(o.FS, dir),
		opened:   time.Now(),
		queue:    newQueue(o.MaxWaiting, o.MaxWaitingBytes),
		slots:    make(chan struct{}, maxInFlight),
		applied:  make(chan *group, maxInFlight),
		finished: make(chan struct{}),
		failure:  newFailure(),
		hanging:  make(chan struct{}),
	}
	l.fs, l.health = l.opts.FS, io.NopCloser(nil)
	if l.fs == vfs.Default {
		l.fs, l.health = vfs.WithDiskHealthChecks(l.fs, slowDisk, nil, l.diskSlow)
	}
	l.fs = guardFS{roomFS{l.fs, l}, l}
	l.disk.none.Store(new(make(chan struct{})))
	if err := l.inPebble(l.open); err != nil {
		return nil, fmt.Errorf("opening the store in %s: %w", dir, err)
	}
	return l, nil
}

func (l *Log) open() error {
	if err := l.openDB(); err != nil {
		return errors.Join(err, l.health.Close())
	}
	err := l.takeUp()
	switch {
	case err != nil:
	case l.opts.incarnate:
		err = l.incarnate(event.Sequence(l.durable.Load()))
	default:
		err = l.rememberHome()
	}
	if err == nil {
		err = l.openClock()
	}
	if err == nil {
		err = l.inPlace()
	}
	if err == nil {
		l.waterline, err = openWaterline(l.opts.FS, l.dir, ownIncarnation(l.identity))
	}
	if err != nil {
		return errors.Join(l.asCorrupt(err), l.release())
	}
	if err := l.Err(); err != nil { // Open may have returned already
		return errors.Join(err, l.waterline.close(), l.release())
	}
	l.start()
	if err := errors.Join(l.checkTables(), l.finishRetention()); err != nil {
		return errors.Join(err, l.Close())
	}
	l.waterline.write(l.durableCommit.Load())
	return nil
}

// absolute makes a directory of the disk absolute: Pebble tells directories apart by name.
func absolute(disk vfs.FS, dir string) string {
	if abs, err := filepath.Abs(dir); err == nil && disk == vfs.Default {
		return abs
	}
	return dir
}

// openDB opens the database: one that is whole, or a new one.
func (l *Log) openDB() (err error) {
	if err := l.look(); err != nil {
		return l.asCorrupt(err)
	}
	l.db, err = l.openPebble(l.opts, func(p *pebble.Options) { p.ErrorIfNotExists = !l.creating })
	if err != nil {
		return errors.Join(l.asCorrupt(err), l.lock.Close())
	}
	return nil
}

// openPebble opens the database with the options as changed.
func (l *Log) openPebble(o Options, change func(*pebble.Options)) (*pebble.DB, error) {
	p := o.pebble()
	p.FS = l.fs
	p.Lock = l.lock.file
	p.Logger = logger{l}
	p.EventListener = l.listener()
	change(p)
	db, err := pebble.Open(l.dir, p)
	if err != nil {
		return nil, openError(err)
	}
	return db, nil
}

// openError says what it means that Pebble doesn't open.
func openError(err error) error {
	text := err.Error()
	switch {
	case errors.Is(err, pebble.ErrDBDoesNotExist):
		return err
	case pebble.IsCorruptionError(err):
		// The details have the file of a write-ahead log.
		return fmt.Errorf("%w: %s %s", event.ErrCorrupt, text, crdb.FlattenDetails(err))
	case errors.Is(err, fs.ErrNotExist), strings.Contains(text, "object size mismatch"):
		return fmt.Errorf("%w: %s", event.ErrCorrupt, text)
	case strings.Contains(text, "unknown format major version"):
		return fmt.Errorf("it was written by a newer gateway, which must open it (%s)", text)
	}
	return err
}

// takeUp reads what the store knows of itself, or writes it into a new one.
func (l *Log) takeUp() error {
	err := checkVersion(l.db)
	if l.creating {
		if errors.Is(err, errNoRecords) {
			err = l.create()
		}
		if err == nil {
			err = l.finishCreating()
		}
	}
	if err != nil {
		return err
	}
	return l.restore()
}

// ownIncarnation is the last of a lineage, which is never empty.
func ownIncarnation(id event.Identity) [4]byte { return id.Lineage[len(id.Lineage)-1].ID }

// restore takes up where the newest batch left off.
func (l *Log) restore() error {
	if err := l.restoreIdentity(); err != nil {
		return err
	}
	if err := l.restoreTypes(); err != nil {
		return err
	}
	h, err := l.storedHead()
	if err != nil {
		return err
	}
	if err := l.restoreFloor(h.seq); err != nil {
		return err
	}
	if err := l.restoreCounts(&h.totals); err != nil {
		return err
	}
	l.appender.commit, l.appender.totals = h.commit, h.totals
	l.durableCommit.Store(h.commit)
	l.durable.Store(uint64(h.seq))
	l.figures.restore(&h.totals)
	return l.appender.dedup.open(l.db, h.seq)
}

func (l *Log) storedHead() (head, error) {
	value, err := l.get([]byte{keyHead})
	if err != nil {
		return head{}, fmt.Errorf("%w: it has no head record: %w", event.ErrCorrupt, err)
	}
	return decodeHead(value)
}

func (l *Log) restoreIdentity() (err error) {
	l.identity, err = identityIn(l.db)
	return err
}

func identityIn(db *pebble.DB) (event.Identity, error) {
	value, err := getFrom(db, []byte{keyIdentity})
	if err != nil {
		return event.Identity{}, fmt.Errorf("%w: it has no identity: %w", event.ErrCorrupt, err)
	}
	return decodeIdentity(value)
}

func (l *Log) restoreTypes() error {
	l.appender.numbers = map[string]event.TypeNumber{}
	iter, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyType}, UpperBound: []byte{keyType + 1}})
	if err != nil {
		return err
	}
	defer iter.Close()
	for valid := iter.First(); valid; valid = iter.Next() {
		name := string(iter.Value())
		n, _ := l.types.Add(name)
		if key := makeTypeKey(n); string(iter.Key()) != string(key[:]) {
			return fmt.Errorf("%w: event types aren't numbered in order", event.ErrCorrupt)
		}
		l.appender.numbers[name] = n
	}
	return iter.Error()
}

func (l *Log) restoreFloor(head event.Sequence) error {
	value, err := l.get([]byte{keyFloor})
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	r := reader{value}
	floor := r.fixed()
	if !r.done() || floor > uint64(head) {
		return fmt.Errorf("%w: the floor record doesn't decode", event.ErrCorrupt)
	}
	l.floor.Store(floor)
	return nil
}

// restoreCounts completes a head's figures with the counts by type: those of the last mark, and the events since.
func (l *Log) restoreCounts(t *totals) error {
	marks := markReader{db: l.db}
	mark, err := marks.at(t.seq - t.seq%markEvery)
	if err != nil {
		return fmt.Errorf("%w: %v", event.ErrCorrupt, err)
	}
	t.byType = append([]uint64{}, mark.byType...)
	first := max(mark.seq, event.Sequence(l.floor.Load())) + 1
	iter, err := l.sequenceIter(keyEvent, first, t.seq)
	if err != nil {
		return err
	}
	defer iter.Close()
	valid := iter.First()
	for seq := first; seq <= t.seq; seq++ {
		key := makeSequenceKey(keyEvent, seq)
		if !valid || !bytes.Equal(iter.Key(), key[:]) {
			return errors.Join(iter.Error(), fmt.Errorf("%w: event %d is missing", event.ErrCorrupt, seq))
		}
		h, _, ok := splitEvent(iter.Value())
		if !ok {
			return badEvent(seq)
		}
		t.count(h.typ)
		valid = iter.Next()
	}
	return nil
}
