package storetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// epoch is when the suite's events begin.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

// draft is the n-th event: a search alert, received n seconds after the epoch.
func draft(n int) *event.Draft {
	return makeDraft(fmt.Sprintf("evt_%08d", n), event.TypeSearchAlert, epoch.Add(time.Duration(n)*time.Second), fmt.Appendf(nil, `{"n":%d}`, n))
}

// makeDraft makes an event whose raw body is its own, as converted ones are.
func makeDraft(id, typ string, received time.Time, body []byte) *event.Draft {
	d := &event.Draft{Source: event.SourceJuicebox, ID: id, Type: typ, ReceiveTime: received, Raw: body, BodyHash: sha256.Sum256(body)}
	encode(d, &strawv1.Event{Payload: &strawv1.Event_SearchAlert{SearchAlert: &strawv1.SearchAlert{AlertId: id}}})
	return d
}

// unrecognized makes an event that carries its body itself.
func unrecognized(id, typ string, received time.Time, body []byte) *event.Draft {
	d := &event.Draft{Source: event.SourceJuicebox, ID: id, Type: typ, ReceiveTime: received, Unrecognized: true, BodyHash: sha256.Sum256(body)}
	encode(d, &strawv1.Event{Raw: body, Payload: &strawv1.Event_Unrecognized{Unrecognized: &strawv1.Unrecognized{Detail: "no such type"}}})
	return d
}

// encode completes an event with what the draft says of it, and sets the draft's bytes.
func encode(d *event.Draft, e *strawv1.Event) {
	e.Id, e.Type, e.Source, e.ReceiveTime = d.ID, d.Type, d.Source, timestamppb.New(d.ReceiveTime)
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(e)
	if err != nil {
		panic(err)
	}
	d.Encoded = b
}

func mustAppend(t TB, l store.Log, d *event.Draft) event.Sequence {
	t.Helper()
	r, err := l.Append(context.Background(), d)
	if err != nil {
		t.Fatalf("append %s: %v", d.ID, err)
	}
	if r.Duplicate || r.Conflict {
		t.Fatalf("append %s: %+v, want it new", d.ID, r)
	}
	return r.Seq
}

// appendAll appends events from many goroutines, for that is faster, and returns them in log order.
func appendAll(t TB, l store.Log, drafts []*event.Draft) []*event.Draft {
	t.Helper()
	const workers = 64
	base := l.Bounds().Head
	ordered := make([]*event.Draft, len(drafts))
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(drafts); i += workers {
				r, err := l.Append(context.Background(), drafts[i])
				if err != nil || r.Duplicate {
					t.Errorf("append %s: %+v, %v", drafts[i].ID, r, err)
					return
				}
				ordered[r.Seq-base-1] = drafts[i]
			}
		})
	}
	wg.Wait()
	for i, d := range ordered {
		if d == nil {
			t.Fatalf("nothing has sequence %d", base+event.Sequence(i)+1)
		}
	}
	return ordered
}

// drafts are the events from to to, to excluded.
func drafts(from, to int) []*event.Draft {
	var all []*event.Draft
	for n := from; n < to; n++ {
		all = append(all, draft(n))
	}
	return all
}

// item is an event as a reader gets it.
type item struct {
	Seq   event.Sequence
	Type  string
	Event *strawv1.Event
}

// expected is what a reader should get of a draft at a place.
func expected(t TB, l store.Log, d *event.Draft, seq event.Sequence) item {
	t.Helper()
	e := new(strawv1.Event)
	if err := proto.Unmarshal(d.Encoded, e); err != nil {
		t.Fatalf("%v", err)
	}
	e.Cursor = l.Identity().Cursor(seq)
	return item{Seq: seq, Type: d.Type, Event: e}
}

// readAll reads everything wanted from a position to the head as it is at the beginning.
func readAll(t TB, l store.Log, after event.Sequence, want func(event.TypeNumber) bool) []item {
	t.Helper()
	items, _ := readThrough(t, l, after, l.Bounds().Head, want)
	return items
}

// readThrough reads everything wanted from a position to at least another. It returns how far it came.
func readThrough(t TB, l store.Log, after, through event.Sequence, want func(event.TypeNumber) bool) (items []item, at event.Sequence) {
	t.Helper()
	for after < through {
		seg, err := l.Read(context.Background(), after, want)
		if err != nil {
			t.Fatalf("read after %d: %v", after, err)
		}
		if seg.Through() <= after {
			t.Fatalf("read after %d: through is %d", after, seg.Through())
		}
		items = append(items, decode(t, l, seg)...)
		after = seg.Through()
	}
	return items, after
}

// decode returns a segment's events, and checks what the segment says of them.
func decode(t TB, l store.Log, seg *event.Segment) []item {
	t.Helper()
	var items []item
	last := seg.After
	for i, entry := range seg.View() {
		if entry.Seq <= last || entry.Seq > seg.Through() {
			t.Fatalf("a segment after %d through %d holds %d after %d", seg.After, seg.Through(), entry.Seq, last)
		}
		last = entry.Seq
		e, err := seg.Decode(i)
		if err != nil {
			t.Fatalf("event %d: %v", entry.Seq, err)
		}
		if name := l.Types().Name(entry.Type); entry.Type != 0 && name != e.Type {
			t.Fatalf("event %d of type %q has the number of %q", entry.Seq, e.Type, name)
		}
		items = append(items, item{Seq: entry.Seq, Type: e.Type, Event: e})
	}
	return items
}

// checkRead compares what is read after a position with the drafts that should be there.
func checkRead(t TB, l store.Log, after event.Sequence, drafts []*event.Draft) {
	t.Helper()
	var want []item
	for i, d := range drafts {
		want = append(want, expected(t, l, d, after+event.Sequence(i)+1))
	}
	sameItems(t, want, readAll(t, l, after, nil))
}

// sameItems compares events without the price of explaining a difference that isn't there.
func sameItems(t TB, want, got []item) {
	t.Helper()
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) {
			t.Fatalf("%d events, want %d", len(got), len(want))
		}
		if want[i].Seq != got[i].Seq || want[i].Type != got[i].Type || !proto.Equal(want[i].Event, got[i].Event) {
			diff(t, "event", want[i], got[i])
		}
	}
}

func diff(t TB, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got, protocmp.Transform()); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}
