package event_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
)

func stored(t testing.TB, seq event.Sequence, query string) (event.Stored, *strawv1.Event) {
	t.Helper()
	e := &strawv1.Event{
		Id: fmt.Sprint("evt_", seq), Type: event.TypeAnalysisCompleted, Source: event.SourceJuicebox,
		Payload: &strawv1.Event_AnalysisCompleted{AnalysisCompleted: &strawv1.AnalysisCompleted{AnalysisId: "a", Query: &query}},
	}
	encoded, err := proto.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	e.Cursor = identity.Cursor(seq)
	return event.Stored{Seq: seq, Type: 1, Encoded: encoded}, e
}

// decode reads a stretch of a segment as the client would: as (part of) a SubscribeResponse.
func decode(t *testing.T, b []byte) []*strawv1.Event {
	t.Helper()
	var frame strawv1.SubscribeResponse
	if err := proto.Unmarshal(b, &frame); err != nil {
		t.Fatal(err)
	}
	var events []*strawv1.Event
	for _, d := range frame.Deliveries {
		events = append(events, d.Event)
	}
	return events
}

func TestSegmentIsAFrame(t *testing.T) {
	seg := event.NewSegment(identity, 10)
	seg.Share()
	var want []*strawv1.Event
	for seq := event.Sequence(11); ; seq++ {
		s, e := stored(t, seq, strings.Repeat("q", int(seq)*10))
		if !seg.Append(s) {
			break
		}
		want = append(want, e)
	}
	if len(seg.View()) != 0 || seg.Through() != 10 {
		t.Fatal("readers see what isn't published")
	}
	seg.Publish(10 + event.Sequence(len(want)))
	entries := seg.View()
	if len(entries) != len(want) {
		t.Fatalf("View has %d entries, want %d", len(entries), len(want))
	}
	last := entries[len(entries)-1]
	if got := decode(t, seg.Bytes(0, last.End)); !cmp.Equal(got, want, protocmp.Transform()) {
		t.Error(cmp.Diff(want, got, protocmp.Transform()))
	}
	if seg.Size() > event.SegmentSize+16<<10 {
		t.Errorf("the segment holds %d bytes", seg.Size())
	}
	for i, entry := range entries {
		var one strawv1.Event
		if err := proto.Unmarshal(seg.Bytes(entry.Body, entry.End), &one); err != nil {
			t.Fatal(err)
		}
		var delivery strawv1.Delivery
		if err := proto.Unmarshal(seg.Bytes(entry.Event, entry.End), &delivery); err != nil {
			t.Fatal(err)
		}
		decoded, err := seg.Decode(i)
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range []*strawv1.Event{&one, delivery.Event, decoded} {
			if !proto.Equal(got, want[i]) {
				t.Errorf("entry %d: %v, want %v", i, got, want[i])
			}
		}
		if again, _ := seg.Decode(i); again != decoded {
			t.Errorf("entry %d was decoded twice", i)
		}
	}
	seg.ForgetDecoded()
	first, err := seg.Decode(0)
	if again, _ := seg.Decode(0); err != nil || again == first || !proto.Equal(again, want[0]) {
		t.Errorf("a segment that keeps no messages gave %v and %v, %v", first, again, err)
	}
}

// TestVerdictsAreBounded asks about more filters than a segment remembers: each has its own verdicts while it is remembered,
// those that are asked for again and again stay, and the others are forgotten, not mixed up.
func TestVerdictsAreBounded(t *testing.T) {
	seg := event.NewSegment(identity, 0)
	s, _ := stored(t, 1, "q")
	seg.Append(s)
	seg.Publish(1)
	if seg.Verdicts(event.FilterKey{}) != nil {
		t.Error("a segment of one reader remembers verdicts")
	}
	seg = event.NewSegment(identity, 0)
	seg.Share()
	seg.Append(s)
	for i := range event.Sequence(200) {
		s.Seq = i + 2
		seg.Append(s)
	}
	seg.Publish(201)
	entries := len(seg.View())
	of := func(i int, n int) event.Verdict { return event.Verdict(1 + (i+n)%2) }
	wanted := event.FilterKey{0xff}
	seg.Verdicts(wanted).Set(3, event.Chosen)
	for n := range 10 * event.MaxVerdicts {
		v := seg.Verdicts(event.FilterKey{0, byte(n), byte(n >> 8)})
		for i := range entries {
			if got := v.Get(i); got != event.Unknown {
				t.Fatalf("filter %d, never asked, said %d of event %d", n, got, i)
			}
			v.Set(i, of(i, n))
		}
		for i := range entries {
			if got := v.Get(i); got != of(i, n) {
				t.Fatalf("filter %d said %d of event %d, not %d", n, got, i, of(i, n))
			}
		}
		if got := seg.Verdicts(wanted).Get(3); got != event.Chosen {
			t.Fatalf("after %d others, what is asked for all the time was forgotten", n)
		}
	}
	if got := seg.Verdicts(event.FilterKey{}).Get(0); got != event.Unknown {
		t.Error("what nobody asked for is still remembered")
	}
}

func TestSegmentTakesOneLargeEvent(t *testing.T) {
	s, e := stored(t, 1, strings.Repeat("q", event.SegmentSize))
	small, _ := stored(t, 2, "")
	seg := event.NewSegment(identity, 0)
	if !seg.Append(s) {
		t.Fatal("an empty segment refused a large event")
	}
	if seg.Append(small) {
		t.Fatal("a full segment took another event")
	}
	seg.Publish(1)
	if got := decode(t, seg.Bytes(0, seg.View()[0].End)); len(got) != 1 || !proto.Equal(got[0], e) {
		t.Error("the large event came back changed")
	}
}

func TestRawDeliveryHasTheBody(t *testing.T) {
	s, e := stored(t, 5, "q")
	e.Raw = []byte(`{"id":"evt_5"}`)
	seg := event.NewSegment(identity, 4)
	seg.Append(s)
	seg.Publish(5)
	got := decode(t, seg.AppendRawDelivery(nil, seg.View()[0], e.Raw))
	if len(got) != 1 || !proto.Equal(got[0], e) {
		t.Errorf("got %v, want %v", got, e)
	}
}

// TestFieldNumbers holds the numbers that segments write by hand to the API.
func TestFieldNumbers(t *testing.T) {
	s, e := stored(t, 5, "q")
	if got := event.TypeOf(s.Encoded); got != e.Type {
		t.Errorf("TypeOf = %q, want %q", got, e.Type)
	}
	if got := event.TypeOf([]byte{0xff}); got != "" {
		t.Errorf("TypeOf(garbage) = %q", got)
	}
	got, err := s.Decode(identity)
	if err != nil || !proto.Equal(got, e) {
		t.Errorf("Decode = %v, %v; want %v", got, err, e)
	}
	if _, err := (event.Stored{Encoded: []byte{0xff}}).Decode(identity); err == nil {
		t.Error("garbage decoded")
	}
}

func TestTypesAreNumberedOnceAndBounded(t *testing.T) {
	var types event.Types
	if n, ok := types.Number("a"); ok || n != 0 || types.Len() != 1 || types.Name(1) != "" {
		t.Fatal("the empty table knows a type")
	}
	for i := range event.MaxTypes {
		n, added := types.Add(fmt.Sprint("t", i))
		if !added || int(n) != i+1 {
			t.Fatalf("Add(t%d) = %d, %v", i, n, added)
		}
	}
	if n, added := types.Add("t0"); added || n != 1 {
		t.Errorf("a known type was numbered again: %d, %v", n, added)
	}
	if n, added := types.Add("one too many"); added || n != 0 {
		t.Errorf("the table grew past its bound: %d, %v", n, added)
	}
	if got := types.Name(event.MaxTypes); got != fmt.Sprint("t", event.MaxTypes-1) {
		t.Errorf("Name = %q", got)
	}
}
