package stream

import (
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
)

// MaxFrame is how many bytes of deliveries a frame holds, unless a single event is larger.
const MaxFrame = 48 << 10

// maxRuns bounds the shared stretches of a frame; beyond it one copy is cheaper than many small slices.
const maxRuns = 16

// Field numbers of straw.v1.SubscribeResponse that frames write by hand; a test holds them to the descriptors.
const (
	cursorField  protowire.Number = 2
	backlogField protowire.Number = 3
)

// A Frame is an encoded straw.v1.SubscribeResponse: shared stretches of segments, then what is the stream's own. Its bytes
// never change once it is made, for the transport may hold them longer than the call that sends it.
type Frame struct {
	shared [][]byte
	own    []byte
	count  int
}

// Parts returns the encoded message in pieces, in order.
func (f *Frame) Parts() [][]byte { return append(slices.Clip(f.shared), f.own) }

// Deliveries is how many events the frame carries.
func (f *Frame) Deliveries() int { return f.count }

// A batch gathers the deliveries of the next frame. While they lie in one segment it only notes stretches of it. Once they
// are strewn it copies instead, so that a frame never pins more than one segment.
type batch struct {
	segment *event.Segment
	runs    []run
	copied  []byte
	count   int
	size    int
}

type run struct{ from, to uint32 }

// fit reports whether deliveries of so many bytes may join a frame of at most so many; the first always may.
func (b *batch) fit(count, bytes, most int) bool {
	return b.count == 0 && count == 1 || b.count+count <= most && b.size+bytes <= MaxFrame
}

// add takes count adjacent deliveries of a segment.
func (b *batch) add(seg *event.Segment, from, to uint32, count int) {
	b.count += count
	b.size += int(to - from)
	if b.copied == nil && b.segment != nil && b.segment != seg {
		b.copyRuns()
	}
	if b.copied != nil {
		b.copied = append(b.copied, seg.Bytes(from, to)...)
		return
	}
	b.segment = seg
	if last := len(b.runs) - 1; last >= 0 && b.runs[last].to == from {
		b.runs[last].to = to
		return
	}
	b.runs = append(b.runs, run{from, to})
	if len(b.runs) > maxRuns {
		b.copyRuns()
	}
}

// addOwned takes a delivery that stands in no segment.
func (b *batch) addOwned(delivery []byte) {
	if b.copied == nil {
		b.copyRuns()
	}
	b.copied = append(b.copied, delivery...)
	b.count++
	b.size += len(delivery)
}

func (b *batch) copyRuns() {
	b.copied = make([]byte, 0, max(1024, min(4*b.size, MaxFrame)))
	for _, r := range b.runs {
		b.copied = append(b.copied, b.segment.Bytes(r.from, r.to)...)
	}
	b.runs, b.segment = b.runs[:0], nil
}

// worthSending reports whether waiting for more segments would cost a copy of what could be shared.
func (b *batch) worthSending() bool { return b.copied == nil && b.size >= MaxFrame/2 }

// frame closes the batch with the encoded rest of the message and empties it.
func (b *batch) frame(rest []byte) *Frame {
	f := &Frame{count: b.count, own: rest}
	if b.copied != nil {
		f.shared = [][]byte{b.copied}
	} else if len(b.runs) > 0 {
		f.shared = make([][]byte, len(b.runs), len(b.runs)+1)
		for i, r := range b.runs {
			f.shared[i] = b.segment.Bytes(r.from, r.to)
		}
	}
	*b = batch{runs: b.runs[:0]}
	return f
}

// appendPosition appends cursor and backlog.
func appendPosition(b []byte, id event.Identity, pos, head event.Sequence) []byte {
	b = protowire.AppendTag(b, cursorField, protowire.BytesType)
	b = protowire.AppendVarint(b, event.CursorLen)
	b = id.AppendCursor(b, pos)
	if head > pos {
		b = protowire.AppendTag(b, backlogField, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(head-pos))
	}
	return b
}

// features names what this gateway can do beyond the first release of the API: nothing yet.
var features []string

func helloFields(heartbeat time.Duration) *strawv1.SubscribeResponse {
	return &strawv1.SubscribeResponse{HeartbeatInterval: durationpb.New(heartbeat), Features: features}
}

func gapFields(requested, oldest string) *strawv1.SubscribeResponse {
	return &strawv1.SubscribeResponse{Gap: &strawv1.Gap{Requested: requested, Oldest: oldest}}
}

func goingAwayFields(g GoingAway) *strawv1.SubscribeResponse {
	return &strawv1.SubscribeResponse{GoingAway: &strawv1.GoingAway{RetryDelay: durationpb.New(g.RetryDelay), Reason: g.Reason}}
}

// appendFields appends a message's fields; they are the gateway's own and always encode.
func appendFields(b []byte, m *strawv1.SubscribeResponse) []byte {
	if m == nil {
		return b
	}
	out, err := proto.MarshalOptions{}.MarshalAppend(b, m)
	if err != nil {
		panic(err)
	}
	return out
}
