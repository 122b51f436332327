package pebblestore

import (
	"hash/maphash"

	"github.com/cockroachdb/pebble/v2"

	"github.com/straw-gateway/straw/server/internal/event"
)

// generationIDs is how many ids one generation of recent takes.
const generationIDs = 1 << 16

// A recent remembers every id that may still lie in a memtable alone. What it doesn't remember is looked up in the tables
// only, where filters make a miss cheap; in the memtables each miss would cost a descent through millions of keys that are in
// nobody's cache. It holds hashes: a hit must be looked up, a miss is certain.
type recent struct {
	seed        maphash.Seed
	generations []generation // oldest first; the last is being filled
}

type generation struct {
	ids  map[uint64]struct{}
	last event.Sequence // its newest event
}

func newRecent() recent {
	return recent{seed: maphash.MakeSeed(), generations: []generation{newGeneration()}}
}

func newGeneration() generation { return generation{ids: make(map[uint64]struct{})} }

// has reports whether the identity key may have been added and not forgotten.
func (r *recent) has(key []byte) bool {
	h := maphash.Bytes(r.seed, key)
	for i := range r.generations {
		if _, ok := r.generations[i].ids[h]; ok {
			return true
		}
	}
	return false
}

// add remembers the identity key of the event seq.
func (r *recent) add(key []byte, seq event.Sequence) {
	g := r.newest()
	g.ids[maphash.Bytes(r.seed, key)] = struct{}{}
	g.last = seq
}

func (r *recent) newest() *generation { return &r.generations[len(r.generations)-1] }

// full reports whether it is time to forget.
func (r *recent) full() bool { return len(r.newest().ids) >= generationIDs }

// forget begins a new generation and drops those whose events are all in tables, as flushed says.
func (r *recent) forget(flushed event.Sequence) {
	drop := 0
	for drop < len(r.generations) && r.generations[drop].last <= flushed {
		drop++
	}
	r.generations = append(r.generations[drop:len(r.generations):len(r.generations)], newGeneration())
}

// onlyTables makes an iterator pass the memtables by. What it shows is the store as of some batch, for memtables are
// flushed in order.
func onlyTables(o pebble.IterOptions) *pebble.IterOptions {
	o.OnlyReadGuaranteedDurable = true
	return &o
}

// flushedHead is the newest event that lies in tables, with all before it.
func flushedHead(db *pebble.DB) (event.Sequence, error) {
	h, err := tablesHead(db)
	return h.seq, err
}

// tablesHead is the head record of the newest batch that lies in tables, with all before it: every batch writes one. It is
// zero if there is none.
func tablesHead(db *pebble.DB) (head, error) {
	iter, err := db.NewIter(onlyTables(pebble.IterOptions{LowerBound: []byte{keyHead}, UpperBound: []byte{keyHead + 1}}))
	if err != nil {
		return head{}, err
	}
	defer iter.Close()
	if !iter.First() {
		return head{}, iter.Error()
	}
	value, err := iter.ValueAndErr()
	if err != nil {
		return head{}, err
	}
	return decodeHead(value)
}
