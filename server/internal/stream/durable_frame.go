package stream

import (
	"google.golang.org/protobuf/encoding/protowire"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/store"
)

// Field numbers of straw.v1 that durable frames write by hand; a test holds them to the descriptors.
const (
	deliveriesField protowire.Number = 1
	ackIDField      protowire.Number = 2
	attemptField    protowire.Number = 3
)

// sharedEvent is from how many bytes on an event is worth sharing: below, copying it costs less than a piece of its own.
const sharedEvent = 4 << 10

// A durableFrame gathers the deliveries of the next frame. What follows an event, its ack id and attempt, is the stream's own,
// so only large events are shared.
type durableFrame struct {
	shared [][]byte // what is complete, in order
	own    []byte   // what comes after that
	count  int
	size   int
	room   int // for which own is made
}

// expect tells what is about to be added, so that its room is made at once.
func (f *durableFrame) expect(deliveries []store.Delivery) {
	f.room = 64 // for further fields, and the ends of large events
	for _, d := range deliveries {
		if n := deliveryLen(d, nil); n < sharedEvent {
			f.room += n + 4
		}
	}
	f.room = min(f.room, MaxFrame)
}

// deliveryLen is the size of a delivery's message.
func deliveryLen(d store.Delivery, raw []byte) int {
	n := int(d.Entry.End - d.Entry.Event)
	if raw != nil {
		body := int(d.Entry.End-d.Entry.Body) + rawFieldLen(raw)
		n = protowire.SizeTag(1) + protowire.SizeBytes(body)
	}
	return n + protowire.SizeTag(ackIDField) + protowire.SizeBytes(len(d.AckID)) +
		protowire.SizeTag(attemptField) + protowire.SizeVarint(uint64(d.Attempt))
}

func rawFieldLen(raw []byte) int { return protowire.SizeTag(1) + protowire.SizeBytes(len(raw)) }

// fits reports whether a delivery may join the frame; the first always may.
func (f *durableFrame) fits(d store.Delivery, raw []byte) bool {
	return f.count == 0 || f.size+protowire.SizeTag(deliveriesField)+protowire.SizeBytes(deliveryLen(d, raw)) <= MaxFrame
}

// add takes a delivery.
func (f *durableFrame) add(d store.Delivery, raw []byte) {
	n := deliveryLen(d, raw)
	if f.own == nil {
		f.own = make([]byte, 0, f.room)
	}
	f.own = protowire.AppendTag(f.own, deliveriesField, protowire.BytesType)
	f.own = protowire.AppendVarint(f.own, uint64(n))
	switch shared := d.Segment.Bytes(d.Entry.Event, d.Entry.End); {
	case raw != nil:
		f.own = d.Segment.AppendRawEvent(f.own, d.Entry, raw)
	case len(shared) >= sharedEvent:
		f.shared = append(f.shared, f.own, shared)
		f.own = make([]byte, 0, min(f.room, 1<<10))
	default:
		f.own = append(f.own, shared...)
	}
	f.own = protowire.AppendTag(f.own, ackIDField, protowire.BytesType)
	f.own = protowire.AppendString(f.own, d.AckID)
	f.own = protowire.AppendTag(f.own, attemptField, protowire.VarintType)
	f.own = protowire.AppendVarint(f.own, uint64(d.Attempt))
	f.count++
	f.size += protowire.SizeTag(deliveriesField) + protowire.SizeBytes(n)
}

// close ends the frame with further fields, if there are any, and empties it.
func (f *durableFrame) close(fields *strawv1.SubscribeResponse) *Frame {
	out := &Frame{shared: f.shared, own: appendFields(f.own, fields), count: f.count}
	*f = durableFrame{room: f.room}
	return out
}
