package pebblestore

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// A dedup finds the events that the log has held before: in the group at hand, in the batches in flight, which the store
// already shows, or ever.
type dedup struct {
	iter  *pebble.Iterator
	key   []byte
	group map[identity]original
}

type identity struct{ source, id string }

type original struct {
	seq  event.Sequence
	hash [bodyHashLen]byte
}

// begin starts on a group of so many calls.
func (d *dedup) begin(db *pebble.DB, calls int) (err error) {
	if calls > 1 && d.group == nil {
		d.group = make(map[identity]original, groupCalls)
	}
	// Without UseL6Filters the filters of the last level, where nearly all ids are, would not be asked.
	d.iter, err = db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyDedup}, UpperBound: []byte{keyDedup + 1}, UseL6Filters: true})
	return err
}

func (d *dedup) end() error {
	clear(d.group)
	return d.iter.Close()
}

// find returns the receipt of a duplicate; false for a new event.
func (d *dedup) find(draft *event.Draft) (store.Receipt, bool, error) {
	o, ok := d.group[identity{draft.Source, draft.ID}]
	if !ok {
		d.key = appendIdentityKey(d.key[:0], draft.Source, draft.ID)
		var err error
		if o, ok, err = seekOriginal(d.iter, d.key); !ok {
			return store.Receipt{}, false, err
		}
	}
	return store.Receipt{Seq: o.seq, Duplicate: true, Conflict: o.hash != [bodyHashLen]byte(draft.BodyHash[:])}, true, nil
}

// add tells of a new event.
func (d *dedup) add(draft *event.Draft, seq event.Sequence) {
	if d.group != nil {
		d.group[identity{draft.Source, draft.ID}] = original{seq, [bodyHashLen]byte(draft.BodyHash[:])}
	}
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
