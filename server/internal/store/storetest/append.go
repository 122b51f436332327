package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

func testDense(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	if b := l.Bounds(); b != (store.Bounds{}) {
		t.Fatalf("a new log has bounds %+v", b)
	}
	for n := 1; n <= 20; n++ {
		if seq := mustAppend(t, l, draft(n)); seq != event.Sequence(n) {
			t.Fatalf("event %d has sequence %d", n, seq)
		}
		if b := l.Bounds(); b != (store.Bounds{Head: event.Sequence(n)}) {
			t.Fatalf("after event %d the bounds are %+v", n, b)
		}
	}
	checkRead(t, l, 0, drafts(1, 21))
}

func testConcurrent(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	all := appendAll(t, l, drafts(0, 3000))
	checkRead(t, l, 0, all)
}

func testDuplicate(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	for n := 1; n <= 5; n++ {
		mustAppend(t, l, draft(n))
	}
	for n := 1; n <= 5; n++ {
		checkReceipt(t, l, draft(n), store.Receipt{Seq: event.Sequence(n), Duplicate: true})
	}
	if b := l.Bounds(); b.Head != 5 {
		t.Fatalf("duplicates moved the head to %d", b.Head)
	}
	checkRead(t, l, 0, drafts(1, 6))
}

func checkReceipt(t TB, l store.Log, d *event.Draft, want store.Receipt) {
	t.Helper()
	got, err := l.Append(context.Background(), d)
	if err != nil {
		t.Fatalf("append %s: %v", d.ID, err)
	}
	if got != want {
		t.Fatalf("append %s: %+v, want %+v", d.ID, got, want)
	}
}

func testConflict(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	first := draft(1)
	mustAppend(t, l, first)
	other := makeDraft(first.ID, event.TypeQuotaWarning, epoch, []byte("another body"))
	checkReceipt(t, l, other, store.Receipt{Seq: 1, Duplicate: true, Conflict: true})
	checkReceipt(t, l, first, store.Receipt{Seq: 1, Duplicate: true})
	checkRead(t, l, 0, []*event.Draft{first})
	raw, err := l.Raw(context.Background(), 1)
	if err != nil || !bytes.Equal(raw, first.Raw) {
		t.Fatalf("the first body became %q, %v", raw, err)
	}
}

// testIdentities appends ids that a careless key would take for one another.
func testIdentities(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	long := strings.Repeat("x", 65)
	hash := sha256.Sum256([]byte(long))
	type identity struct{ source, id string }
	ids := []identity{
		{event.SourceJuicebox, "a"}, {event.SourceStraw, "a"}, {"", "a"}, {"a", ""}, {"aa", "a"}, {"a", "aa"}, {"a\x00", "a"}, {"a", "\x00a"},
		{event.SourceJuicebox, long}, {event.SourceJuicebox, long[:64]}, {event.SourceJuicebox, long[:63]},
		{event.SourceJuicebox, string(hash[:])}, {event.SourceJuicebox, hex.EncodeToString(hash[:])},
		{event.SourceJuicebox, strings.Repeat("x", event.MaxID)}, {event.SourceJuicebox, strings.Repeat("x", event.MaxID-1) + "y"},
		{event.SourceJuicebox, "\xff\xff"}, {event.SourceJuicebox, "\xff"}, {event.SourceJuicebox, "../../etc/passwd"},
	}
	of := func(i int, id identity) *event.Draft {
		d := makeDraft("-", event.TypeSearchAlert, epoch, []byte{byte(i)})
		d.Source, d.ID = id.source, id.id
		return d
	}
	for i, id := range ids {
		if seq := mustAppend(t, l, of(i, id)); seq != event.Sequence(i+1) {
			t.Fatalf("%q of %q has sequence %d", id.id, id.source, seq)
		}
	}
	for i, id := range ids {
		checkReceipt(t, l, of(i, id), store.Receipt{Seq: event.Sequence(i + 1), Duplicate: true})
		s, err := l.Get(context.Background(), id.source, id.id)
		if err != nil || s.Seq != event.Sequence(i+1) {
			t.Fatalf("get %q of %q: %d, %v", id.id, id.source, s.Seq, err)
		}
	}
}

func testOneOfMany(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	for round := range 5 {
		var fresh atomic.Int64
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				r, err := l.Append(context.Background(), draft(round))
				if err != nil || r.Seq != event.Sequence(round+1) || r.Conflict {
					t.Errorf("%+v, %v", r, err)
				}
				if !r.Duplicate {
					fresh.Add(1)
				}
				if l.Bounds().Head < r.Seq {
					t.Error("answered before it was visible")
				}
			})
		}
		wg.Wait()
		if fresh.Load() != 1 {
			t.Fatalf("%d of 100 were told that theirs is new", fresh.Load())
		}
	}
	checkRead(t, l, 0, drafts(0, 5))
	if s := l.Stats(); s.Duplicates != 5*99 || s.Conflicts != 0 {
		t.Fatalf("%d duplicates and %d conflicts were counted", s.Duplicates, s.Conflicts)
	}
}

func testCallerOrder(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	const callers, each = 20, 30
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			last := event.Sequence(0)
			for n := range each {
				r, err := l.Append(context.Background(), draft(c*each+n))
				if err != nil || r.Seq <= last {
					t.Errorf("caller %d: event %d has sequence %d after %d, %v", c, n, r.Seq, last, err)
					return
				}
				last = r.Seq
			}
		})
	}
	wg.Wait()
	if head := l.Bounds().Head; head != callers*each {
		t.Fatalf("the head is %d", head)
	}
}

func testLargest(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	body := bytes.Repeat([]byte("0123456789abcdef"), event.MaxBody/16)
	d := makeDraft("large", event.TypeSearchAlert, epoch, body)
	encode(d, &strawv1.Event{Traceparent: strings.Repeat("t", event.MaxEncoded-200), Payload: &strawv1.Event_SearchAlert{SearchAlert: &strawv1.SearchAlert{AlertId: "a"}}})
	if len(d.Encoded) > event.MaxEncoded || len(d.Encoded) < event.MaxEncoded-400 {
		t.Fatalf("the largest event has %d bytes", len(d.Encoded))
	}
	var all []*event.Draft
	for n := range 5 {
		c := *d
		c.ID = fmt.Sprintf("large-%d", n)
		all = append(all, &c)
	}
	all = appendAll(t, l, all)
	for i, d := range all {
		raw, err := l.Raw(context.Background(), event.Sequence(i+1))
		if err != nil || !bytes.Equal(raw, d.Raw) {
			t.Fatalf("the body of %d has %d bytes, %v", i+1, len(raw), err)
		}
	}
	checkRead(t, l, 0, all)
}
