package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// Exports are the store.Exports of a log. There must be one of them for a log.
type Exports struct {
	log *Log

	// beginning is held while generations are begun, so that their numbers follow one another.
	beginning sync.Mutex
	number    uint64 // of the newest generation
	progress  atomic.Uint64

	// changing has a lock for the records of each of some groups of exports: held while one is changed, until that is
	// durable, and shared while one is read, so that nobody sees a change before.
	changing [64]sync.RWMutex
	seed     maphash.Seed

	written exportTally // the appender's own
	mu      sync.Mutex
	durable exportTally
}

var _ store.Exports = (*Exports)(nil)

// OpenExports takes up what a log's store holds of exports.
func OpenExports(l *Log) (*Exports, error) {
	e := &Exports{log: l, seed: maphash.MakeSeed()}
	if err := l.enter(); err != nil {
		return nil, err
	}
	defer l.leave()
	if err := e.restore(); err != nil {
		return nil, fmt.Errorf("reading the exports in %s: %w", l.dir, l.readError(err))
	}
	return e, nil
}

func (e *Exports) restore() error {
	switch value, err := e.log.get([]byte{keyExport, exportProgress}); {
	case err == nil:
		r := reader{value}
		e.progress.Store(r.fixed())
		if !r.done() {
			return fmt.Errorf("%w: the progress of exports doesn't decode", event.ErrCorrupt)
		}
	case !errors.Is(err, pebble.ErrNotFound):
		return err
	}
	switch value, err := e.log.get([]byte{keyExport, exportCounts}); {
	case err == nil:
		if e.written, err = decodeExportTally(value); err != nil {
			return err
		}
		e.durable = e.written
	case !errors.Is(err, pebble.ErrNotFound):
		return err
	}
	return e.restoreNumber()
}

// restoreNumber finds the newest generation of all: it is its export's newest, too.
func (e *Exports) restoreNumber() error {
	lower, upper := makeExportIndexKey(exportNewest, 0), []byte{keyExport, exportNewest + 1}
	iter, err := e.log.db.NewIter(&pebble.IterOptions{LowerBound: lower[:], UpperBound: upper})
	if err != nil {
		return err
	}
	if iter.Last() {
		e.number = binary.BigEndian.Uint64(iter.Key()[2:])
	}
	return iter.Close()
}

// Progress is the position up to which the log was looked at.
func (e *Exports) Progress() event.Sequence { return event.Sequence(e.progress.Load()) }

// Counts returns how many generations are in each state.
func (e *Exports) Counts() map[strawv1.Export_State]int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	counts := map[strawv1.Export_State]int64{}
	for state, n := range e.durable {
		if state != 0 {
			counts[strawv1.Export_State(state)] = n
		}
	}
	return counts
}

// Announce begins the next generation of each announced export, and raises the progress.
func (e *Exports) Announce(ctx context.Context, through event.Sequence, announced []store.Announcement) ([]store.Export, error) {
	e.beginning.Lock()
	defer e.beginning.Unlock()
	progress := e.Progress()
	if through <= progress {
		return nil, ctx.Err()
	}
	var fresh []announcement
	for _, a := range announced {
		if a.Seq > progress {
			fresh = append(fresh, announcement{a, a.Time})
		}
	}
	begun, err := e.begin(ctx, fresh, func(b *pebble.Batch) error {
		return b.Set([]byte{keyExport, exportProgress}, binary.BigEndian.AppendUint64(nil, uint64(through)), nil)
	})
	if err == nil {
		e.progress.Store(uint64(through))
	}
	return begun, err
}

// Refetch begins another generation for the announcement of an export's newest one.
func (e *Exports) Refetch(ctx context.Context, id string, now time.Time) (export store.Export, err error) {
	if err := e.log.disk.refusal(); err != nil {
		return export, err
	}
	var begun store.Export
	err = e.log.whileRoom(ctx, func() (err error) {
		begun, err = e.refetch(ctx, id, now)
		return err
	})
	if err == nil {
		export = begun
	}
	return export, err
}

func (e *Exports) refetch(ctx context.Context, id string, now time.Time) (store.Export, error) {
	e.beginning.Lock()
	defer e.beginning.Unlock()
	newest, err := e.Get(ctx, id)
	if err != nil {
		return store.Export{}, err
	}
	begun, err := e.begin(ctx, []announcement{{store.Announcement{
		ExportID: id, Seq: newest.Seq, EventID: newest.EventID, Format: newest.Record.GetFormat(),
		LinkExpires: newest.Record.GetUrlExpireTime().AsTime(),
	}, now}}, nil)
	if err != nil {
		return store.Export{}, err
	}
	return begun[0], nil
}

// An announcement is one that begins a generation, and when.
type announcement struct {
	store.Announcement
	now time.Time
}

// begin writes new generations, and what else is given. The caller holds beginning.
func (e *Exports) begin(ctx context.Context, announced []announcement, also func(*pebble.Batch) error) ([]store.Export, error) {
	newest := map[string]store.Export{}
	writes := []func(*pebble.Batch) error{also}
	var begun []store.Export
	size := 0
	for _, a := range announced {
		previous, known := newest[a.ExportID]
		if !known {
			var err error
			if previous, err = e.Get(ctx, a.ExportID); err != nil && !errors.Is(err, event.ErrExportNotFound) {
				return nil, err
			}
		}
		next := a.next(previous, e.number+uint64(len(begun))+1)
		value, err := appendExport(nil, next)
		if err != nil {
			return nil, err
		}
		newest[a.ExportID], begun, size = next, append(begun, next), size+len(value)
		writes = append(writes, func(b *pebble.Batch) error { return writeBegun(b, previous, next, value) })
	}
	err := e.commit(ctx, size, func(t *exportTally) { t[strawv1.Export_PENDING] += int64(len(begun)) }, writes...)
	if err != nil {
		return nil, err
	}
	e.number += uint64(len(begun))
	return begun, nil
}

// next is the generation after the previous one, which has no record if there is none.
func (a announcement) next(previous store.Export, number uint64) store.Export {
	return store.Export{
		Number: number, Seq: a.Seq, EventID: a.EventID,
		Record: &strawv1.Export{
			Id: a.ExportID, Generation: previous.Record.GetGeneration() + 1, State: strawv1.Export_PENDING, Format: a.Format,
			UrlExpireTime: timestamppb.New(a.LinkExpires), CreateTime: timestamppb.New(a.now), UpdateTime: timestamppb.New(a.now),
		},
	}
}

func writeBegun(b *pebble.Batch, previous, next store.Export, value []byte) error {
	key := makeExportRecordKey(next.Key())
	newest, open := makeExportIndexKey(exportNewest, next.Number), makeExportIndexKey(exportOpen, next.Number)
	errs := []error{b.Set(key[:], value, nil), b.Set(newest[:], key[:], nil), b.Set(open[:], key[:], nil)}
	if previous.Record != nil {
		superseded := makeExportIndexKey(exportNewest, previous.Number)
		errs = append(errs, b.Delete(superseded[:], nil))
	}
	return errors.Join(errs...)
}

// Update replaces a generation by what change makes of a copy of it.
func (e *Exports) Update(ctx context.Context, key store.ExportKey, change func(*store.Export) error) (store.Export, error) {
	k := makeExportRecordKey(key)
	lock := e.lockOf(k)
	lock.Lock()
	defer lock.Unlock()
	old, err := e.load(ctx, k)
	if err != nil {
		return store.Export{}, err
	}
	changed := old
	changed.Record = proto.CloneOf(old.Record)
	if err := change(&changed); err != nil {
		return old, err
	}
	from, to := old.Record.GetState(), changed.Record.GetState()
	if !store.ExportMayBecome(from, to) {
		return old, fmt.Errorf("export %q, generation %d, can't become %s: it is %s", key.ID, key.Generation, to, from)
	}
	value, err := appendExport(nil, changed)
	if err != nil {
		return old, err
	}
	err = e.commit(ctx, len(value), func(t *exportTally) { t[from]--; t[to]++ },
		func(b *pebble.Batch) error { return writeChanged(b, k, changed, value) })
	if err != nil {
		return old, err
	}
	return changed, nil
}

func writeChanged(b *pebble.Batch, key exportRecordKey, e store.Export, value []byte) error {
	errs := []error{b.Set(key[:], value, nil)}
	if e.Settled {
		open := makeExportIndexKey(exportOpen, e.Number)
		errs = append(errs, b.Delete(open[:], nil))
	}
	available := makeExportIndexKey(exportAvailable, e.Number)
	switch e.Record.GetState() {
	case strawv1.Export_AVAILABLE:
		errs = append(errs, b.Set(available[:], key[:], nil))
	case strawv1.Export_PURGED:
		errs = append(errs, b.Delete(available[:], nil))
	}
	return errors.Join(errs...)
}

// commit writes through the log's batches, and counts. Once it is under way it doesn't heed the context: whoever waits for it
// holds a lock that keeps others from what isn't durable yet.
func (e *Exports) commit(ctx context.Context, size int, count func(*exportTally), writes ...func(*pebble.Batch) error) error {
	if err := errors.Join(ctx.Err(), e.log.disk.exhaustion()); err != nil {
		return err
	}
	var failed error
	err := e.log.commit(context.WithoutCancel(ctx), size+256*len(writes), func(b *pebble.Batch) {
		for _, write := range writes {
			if write != nil {
				failed = errors.Join(failed, write(b))
			}
		}
		count(&e.written)
		failed = errors.Join(failed, b.Set([]byte{keyExport, exportCounts}, e.written.append(nil), nil))
	})
	if err != nil {
		return err // the batch may still be on its way
	}
	if failed != nil {
		return failed
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	count(&e.durable)
	return nil
}

func (e *Exports) lockOf(key exportRecordKey) *sync.RWMutex {
	id := key[:len(key)-8]
	return &e.changing[maphash.Bytes(e.seed, id)%uint64(len(e.changing))]
}
