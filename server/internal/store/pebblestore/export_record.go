package pebblestore

import (
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

func appendExport(b []byte, e store.Export) ([]byte, error) {
	settled := byte(0)
	if e.Settled {
		settled = 1
	}
	b = append(b, settled)
	b = binary.AppendUvarint(b, e.Number)
	b = binary.AppendUvarint(b, uint64(e.Seq))
	b = binary.AppendUvarint(b, uint64(len(e.EventID)))
	b = append(b, e.EventID...)
	return proto.MarshalOptions{Deterministic: true}.MarshalAppend(b, e.Record)
}

func decodeExport(value []byte) (store.Export, error) {
	r := reader{value}
	settled := r.take(1)
	e := store.Export{Number: r.varint(), Seq: event.Sequence(r.varint())}
	e.EventID = string(r.take(int(min(r.varint(), uint64(len(value))))))
	if r.b == nil {
		return e, fmt.Errorf("%w: the record of an export doesn't decode", event.ErrCorrupt)
	}
	e.Settled = settled[0] == 1
	e.Record = new(strawv1.Export)
	if err := proto.Unmarshal(r.b, e.Record); err != nil {
		return e, fmt.Errorf("%w: the record of an export doesn't decode: %v", event.ErrCorrupt, err)
	}
	return e, nil
}

// An exportTally counts generations by state.
type exportTally [strawv1.Export_PURGED + 1]int64

func (t *exportTally) append(b []byte) []byte {
	for _, n := range t {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

func decodeExportTally(value []byte) (t exportTally, err error) {
	r := reader{value}
	for i := range t {
		t[i] = int64(r.varint())
	}
	if !r.done() {
		return t, fmt.Errorf("%w: the counts of exports don't decode", event.ErrCorrupt)
	}
	return t, nil
}
