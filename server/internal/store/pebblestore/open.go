package pebblestore

import (
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// Open opens the store in a directory, and creates it if there is none. It fails with event.ErrCorrupt, naming the file, if
// what was acknowledged isn't all there, and with event.ErrUnavailable if another process has the directory.
func Open(dir string, o Options) (*Log, error) {
	o = o.withDefaults()
	l := &Log{
		opts:     o,
		dir:      absolute(o.FS, dir),
		opened:   time.Now(),
		queue:    newQueue(o.MaxWaiting, o.MaxWaitingBytes),
		slots:    make(chan struct{}, maxInFlight),
		applied:  make(chan *group, maxInFlight),
		finished: make(chan struct{}),
		failure:  newFailure(),
	}
	if err := l.openDB(); err != nil {
		return nil, fmt.Errorf("opening the store in %s: %w", dir, err)
	}
	if err := l.takeUp(); err != nil {
		return nil, fmt.Errorf("opening the store in %s: %w", dir, errors.Join(err, l.release()))
	}
	l.start()
	return l, nil
}

// absolute makes a directory of the disk absolute: Pebble tells directories apart by name.
func absolute(fs vfs.FS, dir string) string {
	if abs, err := filepath.Abs(dir); err == nil && fs == vfs.Default {
		return abs
	}
	return dir
}

// openDB locks the directory and opens the database in it.
func (l *Log) openDB() error {
	if err := l.opts.FS.MkdirAll(l.dir, 0o700); err != nil {
		return err
	}
	lock, err := pebble.LockDirectory(l.dir, l.opts.FS)
	if err != nil {
		return fmt.Errorf("%w: another process has it open (%v)", event.ErrUnavailable, err)
	}
	p := l.opts.pebble()
	p.Lock = lock
	p.Logger = logger{l}
	p.EventListener = l.listener()
	db, err := pebble.Open(l.dir, p)
	if err != nil {
		return errors.Join(l.openError(err), lock.Close())
	}
	l.db, l.lock = db, lock
	return nil
}

func (l *Log) openError(err error) error {
	if pebble.IsCorruptionError(err) {
		return fmt.Errorf("%w: %v", event.ErrCorrupt, err)
	}
	return err
}

func (l *Log) release() error { return errors.Join(l.db.Close(), l.lock.Close()) }

// takeUp reads what the store knows of itself, or writes it into a new one.
func (l *Log) takeUp() error {
	version, err := l.get([]byte{keyVersion})
	if errors.Is(err, pebble.ErrNotFound) {
		return l.create()
	}
	if err != nil {
		return err
	}
	r := reader{version}
	if v := r.varint(); v > layoutVersion {
		return fmt.Errorf("it was written by a newer gateway: its layout is %d, and this gateway knows up to %d; run the newer one", v, layoutVersion)
	}
	return l.restore()
}

// create makes a new store.
func (l *Log) create() error {
	id := event.Identity{Lineage: []event.Incarnation{{}}}
	rand.Read(id.Store[:])
	rand.Read(id.Lineage[0].ID[:])
	b := l.db.NewBatch()
	defer b.Close()
	h := head{totals: noTotals}
	for _, kv := range []struct {
		key   byte
		value []byte
	}{
		{keyHead, h.append(nil)},
		{keyVersion, []byte{layoutVersion}},
		{keyIdentity, appendIdentity(nil, id)},
	} {
		if err := b.Set([]byte{kv.key}, kv.value, nil); err != nil {
			return err
		}
	}
	if err := l.db.Apply(b, pebble.Sync); err != nil {
		return err
	}
	return l.restore()
}

// restore takes up where the newest batch left off.
func (l *Log) restore() error {
	if err := l.restoreIdentity(); err != nil {
		return err
	}
	if err := l.restoreTypes(); err != nil {
		return err
	}
	value, err := l.get([]byte{keyHead})
	if err != nil {
		return fmt.Errorf("%w: it has no head record", event.ErrCorrupt)
	}
	h, err := decodeHead(value)
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
	return nil
}

func (l *Log) restoreIdentity() error {
	value, err := l.get([]byte{keyIdentity})
	if err != nil {
		return fmt.Errorf("%w: it has no identity", event.ErrCorrupt)
	}
	l.identity, err = decodeIdentity(value)
	return err
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
	for seq := max(mark.seq, event.Sequence(l.floor.Load())) + 1; seq <= t.seq; seq++ {
		h, _, err := l.load(seq)
		if err != nil {
			return err
		}
		t.count(h.typ)
	}
	return nil
}
