package pebblestore

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/straw-gateway/straw/server/internal/event"
)

// A header stands before each encoded event.
type header struct {
	typ          event.TypeNumber
	unrecognized bool
	// raw is one more than the length of the raw body; zero if the event has none of its own.
	raw uint64
	// order is the latest receive time of this event and all before it, in Unix nanoseconds. Unlike receive times, it
	// never falls, so it can be searched.
	order int64
}

func (h header) append(b []byte) []byte {
	kind := uint64(h.typ) << 1
	if h.unrecognized {
		kind |= 1
	}
	b = binary.AppendUvarint(b, kind)
	b = binary.AppendUvarint(b, h.raw)
	return binary.BigEndian.AppendUint64(b, uint64(h.order))
}

// splitEvent reads the header of a stored event; false if it is none.
func splitEvent(value []byte) (h header, encoded []byte, ok bool) {
	kind, n := binary.Uvarint(value)
	if n <= 0 || kind>>1 > event.MaxTypes {
		return h, nil, false
	}
	value = value[n:]
	raw, n := binary.Uvarint(value)
	if n <= 0 || len(value) < n+8 {
		return h, nil, false
	}
	value = value[n:]
	h = header{
		typ:          event.TypeNumber(kind >> 1),
		unrecognized: kind&1 != 0,
		raw:          raw,
		order:        int64(binary.BigEndian.Uint64(value)),
	}
	return h, value[8:], true
}

// totals are the log's figures up to one event.
type totals struct {
	seq          event.Sequence
	order        int64  // as in header
	bytes        uint64 // encoded events and raw bodies
	unrecognized uint64
	byType       []uint64 // index 0 for the types without a number
}

var noTotals = totals{order: math.MinInt64, byType: []uint64{0}}

func (t *totals) add(h header, size int) {
	t.seq++
	t.order = max(t.order, h.order)
	t.bytes += uint64(size)
	if h.unrecognized {
		t.unrecognized++
	}
	t.count(h.typ)
}

func (t *totals) count(n event.TypeNumber) {
	for int(n) >= len(t.byType) {
		t.byType = append(t.byType, 0)
	}
	t.byType[n]++
}

// appendMark appends the value of a mark.
func (t *totals) appendMark(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(t.order))
	b = binary.AppendUvarint(b, t.bytes)
	b = binary.AppendUvarint(b, t.unrecognized)
	b = binary.AppendUvarint(b, uint64(len(t.byType)))
	for _, n := range t.byType {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func decodeMark(seq event.Sequence, value []byte) (totals, error) {
	r := reader{value}
	t := totals{seq: seq, order: int64(r.fixed()), bytes: r.varint(), unrecognized: r.varint()}
	n := r.varint()
	if n > event.MaxTypes+1 {
		return t, fmt.Errorf("%w: the mark of event %d counts %d types", event.ErrCorrupt, seq, n)
	}
	t.byType = make([]uint64, n)
	for i := range t.byType {
		t.byType[i] = r.varint()
	}
	if !r.done() {
		return t, fmt.Errorf("%w: the mark of event %d doesn't decode", event.ErrCorrupt, seq)
	}
	return t, nil
}

// A head is the first record of every batch. Opening starts from the newest, and checks the write-ahead log by them: each
// batch has the number after its predecessor's, and says up to which batch everything was durable when it was written.
type head struct {
	commit, durable uint64
	totals
}

func (h head) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, h.commit)
	b = binary.BigEndian.AppendUint64(b, h.durable)
	b = binary.BigEndian.AppendUint64(b, uint64(h.seq))
	b = binary.BigEndian.AppendUint64(b, uint64(h.order))
	b = binary.BigEndian.AppendUint64(b, h.bytes)
	return binary.BigEndian.AppendUint64(b, h.unrecognized)
}

const headLen = 6 * 8

// decodeHead reads a head. It doesn't hold the counts by type.
func decodeHead(value []byte) (head, error) {
	r := reader{value}
	h := head{commit: r.fixed(), durable: r.fixed()}
	h.totals = totals{seq: event.Sequence(r.fixed()), order: int64(r.fixed()), bytes: r.fixed(), unrecognized: r.fixed()}
	if !r.done() {
		return h, fmt.Errorf("%w: the head record doesn't decode", event.ErrCorrupt)
	}
	return h, nil
}

// bodyHashLen is how much of a body's hash is kept to tell a conflict from a duplicate.
const bodyHashLen = 16

func appendDedup(b []byte, seq event.Sequence, hash *[32]byte) []byte {
	b = binary.AppendUvarint(b, uint64(seq))
	return append(b, hash[:bodyHashLen]...)
}

func decodeDedup(value []byte) (seq event.Sequence, hash [bodyHashLen]byte, err error) {
	s, n := binary.Uvarint(value)
	if n <= 0 || len(value) != n+bodyHashLen {
		return 0, hash, fmt.Errorf("%w: the record of an id doesn't decode", event.ErrCorrupt)
	}
	copy(hash[:], value[n:])
	return event.Sequence(s), hash, nil
}

func appendIdentity(b []byte, id event.Identity) []byte {
	b = append(b, id.Store[:]...)
	b = binary.AppendUvarint(b, uint64(len(id.Lineage)))
	for _, inc := range id.Lineage {
		b = append(b, inc.ID[:]...)
		b = binary.AppendUvarint(b, uint64(inc.Last))
	}
	return b
}

func decodeIdentity(value []byte) (event.Identity, error) {
	r := reader{value}
	var id event.Identity
	copy(id.Store[:], r.take(len(id.Store)))
	for range min(r.varint(), uint64(len(value))) {
		var inc event.Incarnation
		copy(inc.ID[:], r.take(len(inc.ID)))
		inc.Last = event.Sequence(r.varint())
		id.Lineage = append(id.Lineage, inc)
	}
	if !r.done() || len(id.Lineage) == 0 {
		return id, fmt.Errorf("%w: the store's identity doesn't decode", event.ErrCorrupt)
	}
	return id, nil
}

// A reader takes values from the front of a record. Once something is missing, all it returns is zero and done is false.
type reader struct{ b []byte }

var missing = []byte{}

func (r *reader) take(n int) []byte {
	if r.b == nil || len(r.b) < n {
		r.b = nil
		return missing
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) fixed() uint64 {
	if v := r.take(8); len(v) == 8 {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

func (r *reader) varint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.b = nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// done reports whether everything was there and nothing is left.
func (r *reader) done() bool { return r.b != nil && len(r.b) == 0 }

// nanos is a time in Unix nanoseconds, with the times that have none moved to the nearest that has.
func nanos(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}
