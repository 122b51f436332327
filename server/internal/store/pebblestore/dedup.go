package pebblestore

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// A dedup finds the events that the log has held before: in the group at hand, in the batches in flight, which the store
// already shows, or ever.
type dedup struct {
	db     *pebble.DB
	tables *pebble.Iterator // over the tables alone
	all    *pebble.Iterator // over the memtables too; opened when it is needed
	recent recent
	key    []byte
	group  map[identity]original
}

type identity struct{ source, id string }

type original struct {
	seq  event.Sequence
	hash [bodyHashLen]byte
}

// identities are the keys of all that was ever stored. Without UseL6Filters the filters of the last level, where nearly all
// of them are, would not be asked.
var identities = pebble.IterOptions{LowerBound: []byte{keyDedup}, UpperBound: []byte{keyDedup + 1}, UseL6Filters: true}

// open makes it ready. What the memtables hold is moved to tables, for recent doesn't know it.
func (d *dedup) open(db *pebble.DB, head event.Sequence) error {
	d.db, d.recent = db, newRecent()
	flushed, err := flushedHead(db)
	if err == nil && flushed < head {
		err = db.Flush()
	}
	return err
}

// begin starts on a group of so many calls.
func (d *dedup) begin(calls int) (err error) {
	if calls > 1 && d.group == nil {
		d.group = make(map[identity]original, groupCalls)
	}
	// Forgetting comes before the iterator: what it doesn't show yet must not be forgotten.
	if d.recent.full() {
		flushed, err := flushedHead(d.db)
		if err != nil {
			return err
		}
		d.recent.forget(flushed)
	}
	d.tables, err = d.db.NewIter(onlyTables(identities))
	return err
}

func (d *dedup) end() error {
	clear(d.group)
	err := d.tables.Close()
	if d.all != nil {
		err = errors.Join(err, d.all.Close())
		d.all = nil
	}
	return err
}

// lookUp finds what the store has under the identity key.
func (d *dedup) lookUp(key []byte) (original, bool, error) {
	if !d.recent.has(key) {
		return seekOriginal(d.tables, key)
	}
	if d.all == nil {
		var err error
		if d.all, err = d.db.NewIter(&identities); err != nil {
			return original{}, false, err
		}
	}
	return seekOriginal(d.all, key)
}

// find returns the receipt of a duplicate; false for a new event.
func (d *dedup) find(draft *event.Draft) (store.Receipt, bool, error) {
	o, ok := d.group[identity{draft.Source, draft.ID}]
	if !ok {
		d.key = appendIdentityKey(d.key[:0], draft.Source, draft.ID)
		var err error
		if o, ok, err = d.lookUp(d.key); !ok {
			return store.Receipt{}, false, err
		}
	}
	return store.Receipt{Seq: o.seq, Duplicate: true, Conflict: o.hash != [bodyHashLen]byte(draft.BodyHash[:])}, true, nil
}

// add tells of a new event, which find was asked about just before.
func (d *dedup) add(draft *event.Draft, seq event.Sequence) {
	if d.group != nil {
		d.group[identity{draft.Source, draft.ID}] = original{seq, [bodyHashLen]byte(draft.BodyHash[:])}
	}
	d.recent.add(d.key, seq)
}

// seekOriginal looks an identity key up.
func seekOriginal(iter *pebble.Iterator, key []byte) (original, bool, error) {
	if !iter.SeekPrefixGE(key) {
		return original{}, false, iter.Error()
	}
	value, err := iter.ValueAndErr()
	if err != nil {
		return original{}, false, err
	}
	seq, hash, err := decodeDedup(value)
	return original{seq, hash}, err == nil, err
}
