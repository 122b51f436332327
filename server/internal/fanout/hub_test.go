package fanout_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/fanout"
	"github.com/straw-gateway/straw/server/internal/filter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var identity = event.Identity{Store: [8]byte{1}, Lineage: []event.Incarnation{{ID: [4]byte{1}}}}

// A feed publishes events with dense sequences to a hub of its own.
type feed struct {
	*fanout.Hub
	types *event.Types
	next  event.Sequence
}

func newFeed(t testing.TB, ring int, types ...string) *feed {
	t.Helper()
	f := &feed{Hub: fanout.New(ring), types: new(event.Types), next: 1}
	for _, name := range types {
		f.types.Add(name)
	}
	f.Open(identity, f.types, 0)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return f
}

// publish publishes one batch with an event of each of the types.
func (f *feed) publish(body string, types ...event.TypeNumber) {
	var batch []event.Stored
	for _, n := range types {
		batch = append(batch, event.Stored{Seq: f.next, Type: n, Encoded: []byte(body)})
		f.next++
	}
	f.Publish(batch)
}

func (f *feed) join(t testing.TB, patterns ...string) *fanout.Waiter {
	t.Helper()
	s, err := filter.New(patterns, "", f.types)
	if err != nil {
		t.Fatal(err)
	}
	return f.Join(s)
}

func TestRingHoldsTheTail(t *testing.T) {
	const ring = 4 * event.SegmentSize
	f := newFeed(t, ring, "a")
	if f.Segment(0) != nil {
		t.Fatal("an empty ring has a segment")
	}
	body := strings.Repeat("x", 1000)
	for f.next < 1000 {
		f.publish(body, 1, 1, 1)
	}
	if f.Head() != f.next-1 {
		t.Fatalf("Head = %d, want %d", f.Head(), f.next-1)
	}
	if f.Segment(0) != nil {
		t.Error("the ring kept more than its limit")
	}
	if f.Segment(f.Head()) != nil {
		t.Error("there is something after the head")
	}
	// Walking the ring from its oldest segment meets every event once, in order.
	pos := event.Sequence(0)
	for f.Segment(pos) == nil {
		pos++
	}
	kept := 0
	for seg := f.Segment(pos); seg != nil; seg = f.Segment(pos) {
		kept += seg.Size()
		for _, e := range seg.View() {
			if e.Seq <= pos {
				continue
			}
			if e.Seq != pos+1 {
				t.Fatalf("after %d comes %d", pos, e.Seq)
			}
			pos = e.Seq
		}
	}
	if pos != f.Head() {
		t.Errorf("the ring ends at %d, the log at %d", pos, f.Head())
	}
	if kept > ring+2*event.SegmentSize {
		t.Errorf("the ring holds %d bytes, its limit is %d", kept, ring)
	}
}

func TestLargeEventsTravelAlone(t *testing.T) {
	f := newFeed(t, 0, "a")
	f.publish("small", 1)
	f.publish(strings.Repeat("x", 2*event.SegmentSize), 1)
	f.publish("small", 1, 1)
	if got := len(f.Segment(1).View()); got != 1 {
		t.Errorf("the large event's segment has %d events", got)
	}
	if got := len(f.Segment(2).View()); got != 2 {
		t.Errorf("the segment after it has %d events", got)
	}
}

func TestWaiterIsWokenForItsTypesAlone(t *testing.T) {
	f := newFeed(t, 0, "a.x", "b.x")
	a, b := f.join(t, "a.*"), f.join(t, "b.x")
	defer a.Leave()
	defer b.Leave()
	wakeA, wakeB := a.Wait(0), b.Wait(0)
	f.publish("", 1)
	<-wakeA
	select {
	case <-wakeB:
		t.Error("woken for a type that it doesn't want")
	default:
	}
	if got := b.Skip(0); got != 1 {
		// The pass that woke a is over only once it says how far it came.
		for deadline := time.Now().Add(10 * time.Second); b.Skip(0) != 1; {
			if time.Now().After(deadline) {
				t.Fatalf("Skip = %d, want 1", b.Skip(0))
			}
		}
	}
	if got := a.Skip(0); got != 0 {
		t.Errorf("Skip passed a wanted event, to %d", got)
	}
	if a.Wait(0) != nil {
		t.Error("Wait would wait although there is an event")
	}
}

func TestLagCountsWhatReadersAreBehind(t *testing.T) {
	f := newFeed(t, 0, "a")
	near, far := f.join(t), f.join(t, "a")
	f.publish("", 1, 1, 1, 1)
	near.At(3)
	far.At(1)
	if furthest, total := f.Lag(); furthest != 3 || total != 4 {
		t.Errorf("Lag = %d, %d; want 3, 4", furthest, total)
	}
	other := f.join(t, "b") // wants nothing of what comes
	other.At(4)
	defer other.Leave()
	f.publish("", 1)
	for deadline := time.Now().Add(10 * time.Second); ; { // until the pass is over
		furthest, total := f.Lag()
		if furthest == 4 && total == 6 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("Lag = %d, %d; want 4, 6", furthest, total)
		}
	}
	near.Leave()
	far.Leave()
	far.Leave()
	if furthest, total := f.Lag(); furthest != 0 || total != 0 {
		t.Errorf("Lag = %d, %d after all have left", furthest, total)
	}
}

// TestNoReaderMissesAnEvent has readers of every kind come, follow and go while events of random types are published: each
// must see every event that it wants, and none twice.
func TestNoReaderMissesAnEvent(t *testing.T) {
	const total = 20_000
	names := []string{"a.x", "a.y", "b.x", "c"}
	f := newFeed(t, 1<<30, names...)
	wants := [][]string{nil, {"a.*"}, {"b.x"}, {"c", "a.x"}, {"never"}, {"c"}}
	var readers sync.WaitGroup
	kinds := make([]event.TypeNumber, total+1)
	for i := range kinds {
		kinds[i] = event.TypeNumber(1 + rand.IntN(len(names)*8)%(len(names)*2))
		if int(kinds[i]) > len(names) {
			kinds[i] = 1
		}
	}
	for i := range 24 {
		patterns := wants[i%len(wants)]
		readers.Go(func() {
			if err := follow(f, patterns, kinds, total); err != nil {
				t.Errorf("a reader of %v: %v", patterns, err)
			}
		})
	}
	for f.next <= total {
		n := min(1+rand.IntN(5), total+1-int(f.next))
		f.publish("x", kinds[f.next:int(f.next)+n]...)
	}
	readers.Wait()
}

// follow reads from the head at the time of the call to the end, and checks what it meets.
func follow(f *feed, patterns []string, kinds []event.TypeNumber, total event.Sequence) error {
	selection, err := filter.New(patterns, "", f.types)
	if err != nil {
		return err
	}
	w := f.Join(selection)
	defer w.Leave()
	pos := f.Head()
	expected := pos // the last wanted event that was seen, or the start
	for {
		pos = w.Skip(pos)
		seg := f.Segment(pos)
		if seg != nil {
			through := seg.Through() // before the view: the segment may grow in between
			for _, e := range seg.View() {
				if e.Seq <= pos || e.Seq > through {
					continue
				}
				if want := nextWanted(selection, kinds, expected); selection.MayWant(e.Type) {
					if e.Seq != want {
						return fmt.Errorf("after %d came %d instead of %d", expected, e.Seq, want)
					}
					expected = e.Seq
				}
			}
			pos = through
			continue
		}
		if nextWanted(selection, kinds, expected) > total {
			return nil
		}
		if wake := w.Wait(pos); wake != nil {
			select {
			case <-wake:
			case <-time.After(20 * time.Second):
				return fmt.Errorf("was never woken at %d, the head is %d", pos, f.Head())
			}
		}
	}
}

func nextWanted(s *filter.Selection, kinds []event.TypeNumber, after event.Sequence) event.Sequence {
	for i := int(after) + 1; i < len(kinds); i++ {
		if s.MayWant(kinds[i]) {
			return event.Sequence(i)
		}
	}
	return event.Sequence(len(kinds))
}

// BenchmarkPublish is what the publisher pays for a batch of ten while many readers wait: it must not grow with them.
func BenchmarkPublish(b *testing.B) {
	for _, readers := range []int{0, 100, 10_000} {
		b.Run(fmt.Sprint(readers, "_waiting"), func(b *testing.B) {
			f := newFeed(b, 0, "a")
			for range readers {
				w := f.join(b)
				defer w.Leave()
				w.Wait(0)
			}
			body := strings.Repeat("x", 200)
			b.ReportAllocs()
			for b.Loop() {
				f.publish(body, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
			}
		})
	}
}
