package pebblestore

import (
	"encoding/binary"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore/ledger"
)

// A definition is a subscription's, with what belongs to it.
type definition struct {
	message          *strawv1.Subscription
	version          uint64 // grows with each update
	created, updated time.Time
}

func (d *definition) append(b []byte) ([]byte, error) {
	b = binary.AppendUvarint(b, d.version)
	b = binary.BigEndian.AppendUint64(b, uint64(d.created.UnixNano()))
	b = binary.BigEndian.AppendUint64(b, uint64(d.updated.UnixNano()))
	b, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(b, d.message)
	if err != nil {
		return nil, fmt.Errorf("encode the definition of %s: %w", d.message.GetId(), err)
	}
	return b, nil
}

func decodeDefinition(value []byte) (*definition, error) {
	r := reader{value}
	d := &definition{
		version: r.varint(), created: time.Unix(0, int64(r.fixed())), updated: time.Unix(0, int64(r.fixed())),
		message: new(strawv1.Subscription),
	}
	if err := proto.Unmarshal(r.b, d.message); err != nil {
		return nil, fmt.Errorf("%w: the definition of a subscription doesn't decode: %v", event.ErrCorrupt, err)
	}
	if d.message.GetId() == "" {
		return nil, fmt.Errorf("%w: the definition of a subscription doesn't decode", event.ErrCorrupt)
	}
	return d, nil
}

// block takes a length and so many bytes.
func (r *reader) block() []byte {
	n := r.varint()
	return r.take(int(min(n, uint64(len(r.b))+1)))
}

func appendPosition(b []byte, p ledger.Position) []byte {
	gap := uint64(0)
	if p.Gap {
		gap = 1
	}
	for _, n := range []uint64{
		uint64(p.Floor), uint64(p.Scan), uint64(p.Epoch),
		uint64(p.Expired), gap, uint64(p.DeadLetters), uint64(p.DeadBytes),
	} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func decodePosition(value []byte) (ledger.Position, error) {
	r := reader{value}
	p := ledger.Position{
		Floor: event.Sequence(r.varint()), Scan: event.Sequence(r.varint()), Epoch: uint32(r.varint()),
		Expired: int64(r.varint()), Gap: r.varint() == 1, DeadLetters: int64(r.varint()), DeadBytes: int64(r.varint()),
	}
	if !r.done() {
		return p, fmt.Errorf("%w: the position of a subscription doesn't decode", event.ErrCorrupt)
	}
	return p, nil
}

// appendRecord appends what is known of an event that is owed. due is by the wall clock; zero for at once.
func appendRecord(b []byte, rec ledger.Record, due time.Time) []byte {
	flags, at := uint64(0), int64(0)
	if rec.Copied {
		flags |= flagCopied
	}
	if rec.Dying {
		flags |= flagDying
	}
	if !due.IsZero() {
		at = due.UnixNano()
	}
	b = binary.AppendUvarint(b, flags)
	b = binary.AppendUvarint(b, uint64(rec.Attempts))
	b = binary.AppendUvarint(b, uint64(rec.Failures))
	b = binary.BigEndian.AppendUint64(b, uint64(at))
	return append(b, rec.Reason...)
}

// Flags of a record.
const (
	flagCopied = 1 << iota
	flagDying
)

func decodeRecord(seq event.Sequence, value []byte) (rec ledger.Record, due time.Time, err error) {
	r := reader{value}
	flags := r.varint()
	rec = ledger.Record{
		Seq: seq, Copied: flags&flagCopied != 0, Dying: flags&flagDying != 0, Attempts: int32(r.varint()), Failures: int32(r.varint()),
	}
	if at := int64(r.fixed()); at != 0 {
		due = time.Unix(0, at)
	}
	if r.b == nil {
		return rec, due, fmt.Errorf("%w: the record of event %d in a subscription doesn't decode", event.ErrCorrupt, seq)
	}
	rec.Reason = string(r.b)
	return rec, due, nil
}

// A letter is the record of a dead letter.
type letter struct {
	attempts int32
	size     int64 // of its copy
	time     time.Time
	reason   string
}

func (l letter) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(l.attempts))
	b = binary.AppendUvarint(b, uint64(l.size))
	b = binary.BigEndian.AppendUint64(b, uint64(l.time.UnixNano()))
	return append(b, l.reason...)
}

func decodeLetter(value []byte) (letter, error) {
	r := reader{value}
	l := letter{attempts: int32(r.varint()), size: int64(r.varint()), time: time.Unix(0, int64(r.fixed()))}
	if r.b == nil {
		return l, fmt.Errorf("%w: the record of a dead letter doesn't decode", event.ErrCorrupt)
	}
	l.reason = string(r.b)
	return l, nil
}

// A copied is an event with its raw body, which is nil if it has none of its own.
type copied struct{ encoded, raw []byte }

func (c copied) size() int64 { return int64(len(c.encoded) + len(c.raw)) }

func (c copied) append(b []byte) []byte {
	has := byte(0)
	if c.raw != nil {
		has = 1
	}
	b = append(b, has)
	b = binary.AppendUvarint(b, uint64(len(c.encoded)))
	b = append(b, c.encoded...)
	return append(b, c.raw...)
}

func decodeCopy(seq event.Sequence, value []byte) (copied, error) {
	r := reader{value}
	has := r.take(1)
	c := copied{encoded: r.block()}
	if r.b == nil || len(has) != 1 {
		return c, fmt.Errorf("%w: the copy of event %d doesn't decode", event.ErrCorrupt, seq)
	}
	if has[0] == 1 {
		c.raw = r.b
	}
	return c, nil
}
