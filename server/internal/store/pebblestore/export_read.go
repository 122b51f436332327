package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// How many exports a page looks at, and how many are looked up at a time.
const (
	exportPageScan = 10_000
	exportStep     = 256
)

// Get returns the newest generation of an export.
func (e *Exports) Get(ctx context.Context, id string) (store.Export, error) {
	first := makeExportRecordKey(store.ExportKey{ID: id})
	lock := e.lockOf(first)
	lock.RLock()
	defer lock.RUnlock()
	if err := e.log.enterRead(ctx); err != nil {
		return store.Export{}, err
	}
	defer e.log.leave()
	last := makeExportRecordKey(store.ExportKey{ID: id, Generation: math.MaxInt64})
	iter, err := e.log.db.NewIter(&pebble.IterOptions{LowerBound: first[:], UpperBound: last[:]})
	if err != nil {
		return store.Export{}, e.log.readError(err)
	}
	found, value := iter.Last(), []byte(nil)
	if found {
		value = slices.Clone(iter.Value())
	}
	if err := iter.Close(); err != nil {
		return store.Export{}, e.log.readError(err)
	}
	if !found {
		return store.Export{}, fmt.Errorf("%w: %q", event.ErrExportNotFound, id)
	}
	return e.decode(value)
}

// Generation returns one generation of an export.
func (e *Exports) Generation(ctx context.Context, key store.ExportKey) (store.Export, error) {
	k := makeExportRecordKey(key)
	lock := e.lockOf(k)
	lock.RLock()
	defer lock.RUnlock()
	return e.load(ctx, k)
}

// load reads a record. The caller holds its lock.
func (e *Exports) load(ctx context.Context, key exportRecordKey) (store.Export, error) {
	if err := e.log.enterRead(ctx); err != nil {
		return store.Export{}, err
	}
	defer e.log.leave()
	value, err := e.log.get(key[:])
	if errors.Is(err, pebble.ErrNotFound) {
		return store.Export{}, event.ErrExportNotFound
	}
	if err != nil {
		return store.Export{}, e.log.readError(err)
	}
	return e.decode(value)
}

func (e *Exports) decode(value []byte) (store.Export, error) {
	x, err := decodeExport(value)
	if err != nil {
		return x, e.log.readError(err)
	}
	return x, nil
}

// List returns the newest generations of exports, newest first.
func (e *Exports) List(ctx context.Context, before uint64, limit int, states ...strawv1.Export_State) (page []store.Export, next uint64, err error) {
	if before == 0 {
		before = math.MaxUint64
	}
	for range exportPageScan / exportStep {
		entries, err := e.entries(ctx, exportNewest, 0, before, true)
		if err != nil {
			return nil, 0, err
		}
		for _, entry := range entries {
			x, err := e.at(ctx, entry.key)
			if err != nil {
				return nil, 0, err
			}
			before = entry.number
			if len(states) > 0 && !slices.Contains(states, x.Record.GetState()) {
				continue
			}
			if page = append(page, x); len(page) == limit {
				return page, before, nil
			}
		}
		if len(entries) < exportStep {
			return page, 0, nil
		}
	}
	return page, before, nil
}

// Unsettled returns generations that aren't settled, oldest first.
func (e *Exports) Unsettled(ctx context.Context, after uint64, limit int) ([]store.Export, error) {
	return e.some(ctx, exportOpen, after, limit, func(x store.Export) bool { return !x.Settled })
}

// Available returns generations that are AVAILABLE, oldest first.
func (e *Exports) Available(ctx context.Context, after uint64, limit int) ([]store.Export, error) {
	return e.some(ctx, exportAvailable, after, limit, func(x store.Export) bool { return x.Record.GetState() == strawv1.Export_AVAILABLE })
}

// some returns the entries of an index that are still as it says: one may change between the index and its record.
func (e *Exports) some(ctx context.Context, index byte, after uint64, limit int, still func(store.Export) bool) ([]store.Export, error) {
	var page []store.Export
	for {
		entries, err := e.entries(ctx, index, after+1, math.MaxUint64, false)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			x, err := e.at(ctx, entry.key)
			if err != nil {
				return nil, err
			}
			after = entry.number
			if !still(x) {
				continue
			}
			if page = append(page, x); len(page) == limit {
				return page, nil
			}
		}
		if len(entries) < exportStep {
			return page, nil
		}
	}
}

// An exportEntry is one of an index.
type exportEntry struct {
	number uint64
	key    exportRecordKey
}

// entries returns a step of an index from a number to before another, or back from there.
func (e *Exports) entries(ctx context.Context, index byte, from, before uint64, back bool) ([]exportEntry, error) {
	if err := e.log.enterRead(ctx); err != nil {
		return nil, err
	}
	defer e.log.leave()
	lower, upper := makeExportIndexKey(index, from), makeExportIndexKey(index, before)
	iter, err := e.log.db.NewIter(&pebble.IterOptions{LowerBound: lower[:], UpperBound: upper[:]})
	if err != nil {
		return nil, e.log.readError(err)
	}
	first, next := iter.First, iter.Next
	if back {
		first, next = iter.Last, iter.Prev
	}
	var entries []exportEntry
	for valid := first(); valid && len(entries) < exportStep; valid = next() {
		entry := exportEntry{number: binary.BigEndian.Uint64(iter.Key()[2:])}
		copy(entry.key[:], iter.Value())
		entries = append(entries, entry)
	}
	if err := iter.Close(); err != nil {
		return nil, e.log.readError(err)
	}
	return entries, nil
}

// at returns the record that an entry points to.
func (e *Exports) at(ctx context.Context, key exportRecordKey) (store.Export, error) {
	lock := e.lockOf(key)
	lock.RLock()
	defer lock.RUnlock()
	x, err := e.load(ctx, key)
	if errors.Is(err, event.ErrExportNotFound) {
		return x, e.log.readError(fmt.Errorf("%w: an export's record is missing", event.ErrCorrupt))
	}
	return x, err
}
