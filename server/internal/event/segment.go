package event

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// Field numbers of straw.v1 that segments write by hand; a test holds them to the descriptors.
const (
	typeField       protowire.Number = 2 // Event.type
	cursorField     protowire.Number = 4 // Event.cursor
	rawField        protowire.Number = 8 // Event.raw
	deliveriesField protowire.Number = 1 // SubscribeResponse.deliveries
	eventField      protowire.Number = 1 // Delivery.event
)

// SegmentSize is how many bytes a segment holds; an event that is larger has a segment to itself. A blocked reader pins three
// (two that its transport has taken, and one that it is handing over), so this bounds what it costs.
const SegmentSize = 32 << 10

// segmentEntries bounds the entries of a shared segment, which are allocated at once.
const segmentEntries = 256

// A Segment is a run of the log, encoded for the wire once and shared by every reader: adjacent `deliveries` fields of a
// SubscribeResponse, each with its event and cursor. One goroutine appends; any number may read what View returned, at
// the same time, and never changes it.
type Segment struct {
	// After is the position before the segment.
	After Sequence

	identity Identity
	buf      []byte  // allocated in full by the first Append, and the header never changed again: readers share it
	entries  []Entry // likewise
	used     int     // bytes of buf that are written; the appender's own
	count    int     // entries that are written; the appender's own
	length   atomic.Int64
	through  atomic.Uint64
	shared   bool // see Share
	decoded  atomic.Pointer[[]atomic.Pointer[strawv1.Event]]
	verdicts verdictSets
}

// An Entry says where in its segment's bytes an event stands. The three starts let a cursor frame share everything from
// Delivery, a durable frame from Event (adding its ack id and attempt), and a raw frame from Body.
type Entry struct {
	Seq      Sequence
	Type     TypeNumber
	Delivery uint32 // the `deliveries` field with its tag and length
	Event    uint32 // the `event` field of that Delivery, with its tag and length
	Body     uint32 // the Event message itself
	End      uint32
}

// NewSegment returns an empty segment that begins after a position. Its bytes are allocated by the first Append, so that an
// event that is larger than SegmentSize gets just its room.
func NewSegment(id Identity, after Sequence) *Segment {
	s := &Segment{After: after, identity: id}
	s.through.Store(uint64(after))
	return s
}

// Append adds an event and reports whether it fitted; the first always fits. Readers see it after the next Publish.
func (s *Segment) Append(e Stored) bool {
	body := len(e.Encoded) + protowire.SizeTag(cursorField) + protowire.SizeBytes(CursorLen)
	event := protowire.SizeTag(eventField) + protowire.SizeBytes(body)
	size := protowire.SizeTag(deliveriesField) + protowire.SizeBytes(event)
	if s.buf == nil {
		s.allocate(size)
	} else if s.used+size > len(s.buf) || s.count == len(s.entries) {
		return false
	}
	entry := Entry{Seq: e.Seq, Type: e.Type, Delivery: uint32(s.used)}
	b := protowire.AppendTag(s.buf[:s.used], deliveriesField, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(event))
	entry.Event = uint32(len(b))
	b = protowire.AppendTag(b, eventField, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(body))
	entry.Body = uint32(len(b))
	b = append(b, e.Encoded...)
	b = protowire.AppendTag(b, cursorField, protowire.BytesType)
	b = protowire.AppendVarint(b, CursorLen)
	b = s.identity.AppendCursor(b, e.Seq)
	entry.End = uint32(len(b))
	s.entries[s.count] = entry
	s.used, s.count = len(b), s.count+1
	return true
}

func (s *Segment) allocate(first int) {
	if first >= SegmentSize {
		s.buf, s.entries = make([]byte, first), make([]Entry, 1)
		return
	}
	s.buf, s.entries = make([]byte, SegmentSize), make([]Entry, segmentEntries)
}

// Empty reports whether nothing was appended yet.
func (s *Segment) Empty() bool { return s.count == 0 }

// Publish lets readers see what was appended; through is the position that the segment now reaches, events that it leaves
// out included.
func (s *Segment) Publish(through Sequence) {
	s.length.Store(int64(s.count))
	s.through.Store(uint64(through))
}

// Through is the position up to which the segment speaks for the log.
func (s *Segment) Through() Sequence { return Sequence(s.through.Load()) }

// View returns the published entries. They stay valid and unchanged.
func (s *Segment) View() []Entry {
	n := s.length.Load()
	if n == 0 {
		return nil
	}
	return s.entries[:n:n]
}

// Bytes returns a stretch of the segment's bytes, such as Bytes(e.Delivery, e.End). Shared: never change them.
func (s *Segment) Bytes(from, to uint32) []byte { return s.buf[from:to:to] }

// Size is the memory that the segment holds, in bytes.
func (s *Segment) Size() int { return len(s.buf) + len(s.entries)*int(unsafe.Sizeof(Entry{})) }

// Share tells that many readers will come to the segment, so that what one of them finds out about its events is worth
// keeping for the others: the messages that Decode unpacks, until ForgetDecoded, and filters' verdicts. Call it before
// anybody else knows the segment. What one reader has to itself keeps nothing.
func (s *Segment) Share() {
	s.shared = true
	s.decoded.Store(&notDecoded)
}

// notDecoded stands for the messages of a segment that keeps them, until there is one.
var notDecoded []atomic.Pointer[strawv1.Event]

// ForgetDecoded gives back what Decode has kept, and keeps nothing from now on. Messages take up to ten times of what they
// are encoded, so that few segments can afford them.
func (s *Segment) ForgetDecoded() { s.decoded.Store(nil) }

// Decode returns the i-th published event as a message, which may be shared: never change it.
func (s *Segment) Decode(i int) (*strawv1.Event, error) {
	cache := s.decodedEvents()
	if cache != nil {
		if e := cache[i].Load(); e != nil {
			return e, nil
		}
	}
	entry := s.View()[i]
	e := new(strawv1.Event)
	if err := proto.Unmarshal(s.Bytes(entry.Body, entry.End), e); err != nil {
		return nil, fmt.Errorf("%w: event %d doesn't decode: %v", ErrCorrupt, entry.Seq, err)
	}
	if cache != nil {
		cache[i].Store(e)
	}
	return e, nil
}

// decodedEvents is where Decode keeps messages; nil if it doesn't.
func (s *Segment) decodedEvents() []atomic.Pointer[strawv1.Event] {
	cache := s.decoded.Load()
	if cache == &notDecoded {
		fresh := make([]atomic.Pointer[strawv1.Event], len(s.entries))
		s.decoded.CompareAndSwap(&notDecoded, &fresh)
		cache = s.decoded.Load()
	}
	if cache == nil {
		return nil
	}
	return *cache
}

// AppendRawDelivery appends a `deliveries` field with the entry's event and its raw body, which the segment leaves out.
func (s *Segment) AppendRawDelivery(b []byte, e Entry, raw []byte) []byte {
	bodyLen := rawBodyLen(e, raw)
	b = protowire.AppendTag(b, deliveriesField, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(protowire.SizeTag(eventField)+protowire.SizeBytes(bodyLen)))
	return s.AppendRawEvent(b, e, raw)
}

// AppendRawEvent appends the `event` field of such a delivery alone.
func (s *Segment) AppendRawEvent(b []byte, e Entry, raw []byte) []byte {
	b = protowire.AppendTag(b, eventField, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(rawBodyLen(e, raw)))
	b = append(b, s.Bytes(e.Body, e.End)...)
	b = protowire.AppendTag(b, rawField, protowire.BytesType)
	return protowire.AppendBytes(b, raw)
}

func rawBodyLen(e Entry, raw []byte) int {
	return int(e.End-e.Body) + protowire.SizeTag(rawField) + protowire.SizeBytes(len(raw))
}
