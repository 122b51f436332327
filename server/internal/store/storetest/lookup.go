package storetest

import (
	"bytes"
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

func testRaw(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	own := makeDraft("own", event.TypeExportStored, epoch, nil)
	own.Source = event.SourceStraw
	all := []*event.Draft{
		makeDraft("text", "t", epoch, []byte(`{"a": 1}`)),
		makeDraft("bytes", "t", epoch, []byte{0, 0xff, 0xfe, '\n'}),
		makeDraft("empty", "t", epoch, []byte{}),
		unrecognized("carried", "t", epoch, []byte("carried")),
		own,
	}
	for _, d := range all {
		mustAppend(t, l, d)
	}
	for i, d := range all {
		raw, err := l.Raw(context.Background(), event.Sequence(i+1))
		if err != nil || !bytes.Equal(raw, d.Raw) || (raw == nil) != (d.Raw == nil) {
			t.Errorf("the body of %s is %q (nil: %v), %v; want %q", d.ID, raw, raw == nil, err, d.Raw)
		}
	}
	for _, seq := range []event.Sequence{0, 6, math.MaxUint64} {
		if _, err := l.Raw(context.Background(), seq); !errors.Is(err, event.ErrNotFound) {
			t.Errorf("raw of %d: %v", seq, err)
		}
	}
}

func testGet(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	all := appendAll(t, l, mixed(0, 300))
	for i, d := range all {
		s, err := l.Get(context.Background(), d.Source, d.ID)
		if err != nil {
			t.Fatalf("get %s: %v", d.ID, err)
		}
		checkStored(t, l, s, d, event.Sequence(i+1))
	}
	for _, id := range []string{"", "evt_", "evt_99999999", all[0].ID + "0"} {
		if _, err := l.Get(context.Background(), event.SourceJuicebox, id); !errors.Is(err, event.ErrNotFound) {
			t.Errorf("get %q: %v", id, err)
		}
	}
	if _, err := l.Get(context.Background(), event.SourceStraw, all[0].ID); !errors.Is(err, event.ErrNotFound) {
		t.Errorf("get of another source: %v", err)
	}
}

// checkStored compares a stored event with its draft.
func checkStored(t TB, l store.Log, s event.Stored, d *event.Draft, seq event.Sequence) {
	t.Helper()
	if s.Seq != seq || l.Types().Name(s.Type) != d.Type || !bytes.Equal(s.Encoded, d.Encoded) {
		t.Fatalf("%s is stored as %d of type %q with %d bytes", d.ID, s.Seq, l.Types().Name(s.Type), len(s.Encoded))
	}
	e, err := s.Decode(l.Identity())
	if err != nil || e.Cursor != l.Identity().Cursor(seq) {
		t.Fatalf("%s decodes with cursor %q, %v", d.ID, e.GetCursor(), err)
	}
}

// extremes are times around which a conversion to nanoseconds overflows.
var extremes = []time.Time{{}, time.Unix(math.MinInt64, 0), time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64), time.Unix(math.MaxInt64>>10, 0)}

func testBefore(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	if seq, err := l.Before(context.Background(), epoch); err != nil || seq != 0 {
		t.Fatalf("before in an empty log: %d, %v", seq, err)
	}
	// One caller, so that receive times ascend as sequences do.
	const n = 30
	for i := range n {
		mustAppend(t, l, draft(i))
	}
	for i := range n {
		at := epoch.Add(time.Duration(i) * time.Second)
		checkBefore(t, l, at, event.Sequence(i))
		checkBefore(t, l, at.Add(-1), event.Sequence(i))
		checkBefore(t, l, at.Add(1), event.Sequence(i+1))
	}
	for _, at := range extremes {
		want := event.Sequence(0)
		if at.After(epoch) {
			want = n
		}
		checkBefore(t, l, at, want)
	}
}

func checkBefore(t TB, l store.Log, at time.Time, want event.Sequence) {
	t.Helper()
	seq, err := l.Before(context.Background(), at)
	if err != nil || seq != want {
		t.Fatalf("before %v: %d, %v; want %d", at, seq, err, want)
	}
}

// testBeforeClock appends events while the clock jumps an hour back and forth. Order stays, and the first event received at
// a time is found even where receive times fall.
func testBeforeClock(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	jumps := []time.Duration{0, time.Hour, 2 * time.Second, -time.Hour, 3 * time.Second, time.Hour + time.Second, 4 * time.Second}
	var times []time.Time
	// Enough that an engine's index of times has several entries.
	for i := range 2500 {
		at := epoch.Add(time.Duration(i)*time.Millisecond + jumps[i/10%len(jumps)])
		times = append(times, at)
	}
	var all []*event.Draft
	for i, at := range times {
		d := draft(i)
		d = makeDraft(d.ID, d.Type, at, d.Raw)
		all = append(all, d)
	}
	all = appendAll(t, l, all)
	checkRead(t, l, 0, all)
	for _, step := range []int{0, 1, 9, 10, 11, 500, 1023, 1024, 1025, 2000, 2499} {
		at := all[step].ReceiveTime
		checkBefore(t, l, at, firstAt(all, at))
		checkBefore(t, l, at.Add(1), firstAt(all, at.Add(1)))
	}
	checkBefore(t, l, epoch.Add(100*time.Hour), event.Sequence(len(all)))
}

// firstAt is the position before the first event that was received at or after a time.
func firstAt(all []*event.Draft, at time.Time) event.Sequence {
	for i, d := range all {
		if !d.ReceiveTime.Before(at) {
			return event.Sequence(i)
		}
	}
	return event.Sequence(len(all))
}
