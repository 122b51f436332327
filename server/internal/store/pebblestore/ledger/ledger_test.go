package ledger

import (
	"flag"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
)

// TestMain: what happens once in a thousand runs of the model is worth finding, and a run takes a millisecond.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "2000"); err != nil {
		panic(err)
	}
	m.Run()
}

func config() Config {
	return Config{AckDeadline: 30, MinBackoff: 4, MaxBackoff: 20, MaxInFlight: 1000, MaxAttempts: 3, MaxDeadLetters: 8, MaxDeadBytes: 1 << 20}
}

func matches(from, to event.Sequence) []Match {
	var all []Match
	for seq := from; seq <= to; seq++ {
		all = append(all, Match{Entry: event.Entry{Seq: seq}})
	}
	return all
}

// collect takes all that was picked for a consumer.
func collect(c *Consumer) []event.Sequence {
	var all []event.Sequence
	for _, p := range c.Picked() {
		all = append(all, p.Entry.Seq)
	}
	c.Collect(len(all))
	return all
}

func TestWhatThereIsIsSharedOutEvenly(t *testing.T) {
	l := New(config(), Position{})
	var waiting []*Consumer
	for range 4 {
		c := l.Join(0, nil)
		c.Take(256)
		waiting = append(waiting, c)
	}
	l.Scanned(10, matches(1, 10))
	if woken := l.Dispatch(0); len(woken) != 4 {
		t.Fatalf("%d consumers were woken", len(woken))
	}
	next := event.Sequence(1)
	for i, want := range []int{3, 3, 2, 2} {
		got := collect(waiting[i])
		if len(got) != want || got[0] != next {
			t.Errorf("consumer %d got %v, want %d from %d", i, got, want, next)
		}
		next += event.Sequence(want)
	}
}

// TestThoseThatHoldLeastComeFirst: what one consumer gives back comes back to it, all at once, while the others hold as much; a
// slow one gets nothing on top, and one that holds nothing at all is filled up first.
func TestThoseThatHoldLeastComeFirst(t *testing.T) {
	limits := config()
	limits.MaxInFlight = 40
	l := New(limits, Position{})
	a, b := l.Join(0, nil), l.Join(0, nil)
	held := map[*Consumer][]event.Sequence{}
	dispatch := func(waiting ...*Consumer) {
		for _, c := range waiting {
			c.Take(256)
		}
		for _, c := range l.Dispatch(0) {
			held[c] = append(held[c], collect(c)...)
		}
	}
	ack := func(c *Consumer, n int) {
		for _, seq := range held[c][:n] {
			if s := l.Ack(ID{Seq: seq, Attempt: 1}); s != strawv1.AckResult_ACKED {
				t.Fatalf("ack of %d: %v", seq, s)
			}
		}
		held[c] = held[c][n:]
	}
	l.Scanned(200, matches(1, 200))
	newcomer := l.Join(0, nil)
	for _, step := range []struct {
		what     string
		acked    map[*Consumer]int
		newcomer bool
		want     []int
	}{
		{what: "at first", want: []int{20, 20, 0}},
		{what: "the second gave 15 back", acked: map[*Consumer]int{b: 15}, want: []int{20, 20, 0}},
		{what: "both gave back", acked: map[*Consumer]int{a: 10, b: 4}, want: []int{20, 20, 0}},
		{what: "a newcomer", acked: map[*Consumer]int{a: 9}, newcomer: true, want: []int{11, 20, 9}},
		{what: "the first gave all back", acked: map[*Consumer]int{a: 11}, newcomer: true, want: []int{10, 20, 10}},
	} {
		for c, n := range step.acked {
			ack(c, n)
		}
		if step.newcomer {
			dispatch(a, b, newcomer)
		} else {
			dispatch(a, b)
		}
		if d := cmp.Diff(step.want, []int{len(held[a]), len(held[b]), len(held[newcomer])}); d != "" {
			t.Fatalf("%s: they hold (-want +got)\n%s", step.what, d)
		}
	}
}

// TestWhatComesBitByBitTravelsTogether: until a consumer has collected, what it is sent grows, up to what it wants; it is told once.
func TestWhatComesBitByBitTravelsTogether(t *testing.T) {
	l := New(config(), Position{})
	c := l.Join(0, nil)
	c.Take(6)
	for i, want := range []int{1, 0, 0, 0} {
		last := event.Sequence(2 * (i + 1))
		l.Scanned(last, matches(last-1, last))
		if woken := l.Dispatch(0); len(woken) != want {
			t.Errorf("after %d events %d consumers were told, want %d", last, len(woken), want)
		}
	}
	if d := cmp.Diff([]event.Sequence{1, 2, 3, 4, 5, 6}, collect(c)); d != "" {
		t.Errorf("collected (-want +got)\n%s", d)
	}
	if woken := l.Dispatch(0); len(woken) != 0 || len(c.Picked()) != 0 {
		t.Errorf("a consumer that doesn't wait was sent %d more", len(c.Picked()))
	}
}

// TestOneFullConsumerDoesNotKeepTheRest: what a consumer that holds all there may be gives back goes to those that have waited.
func TestOneFullConsumerDoesNotKeepTheRest(t *testing.T) {
	c := config()
	c.MaxInFlight = 4
	l := New(c, Position{})
	full, starved := l.Join(0, nil), l.Join(0, nil)
	full.Take(256)
	l.Scanned(100, matches(1, 100))
	l.Dispatch(0)
	if got := collect(full); len(got) != 4 {
		t.Fatalf("the first consumer got %v", got)
	}
	starved.Take(256)
	full.Take(256)
	counts := map[*Consumer]int{}
	for seq := event.Sequence(1); seq <= 40; seq++ {
		if s := l.Ack(ID{Seq: seq, Attempt: 1}); s != strawv1.AckResult_ACKED {
			t.Fatalf("ack of %d: %v", seq, s)
		}
		for _, c := range l.Dispatch(0) {
			counts[c] += len(collect(c))
			c.Take(256)
		}
	}
	if counts[full] != 20 || counts[starved] != 20 {
		t.Errorf("of 40 events %d went to one and %d to the other", counts[full], counts[starved])
	}
}

// TestRedeliveriesAndNewEventsTakeTurns: events that come back at once, again and again, don't keep new ones waiting.
func TestRedeliveriesAndNewEventsTakeTurns(t *testing.T) {
	l := New(config(), Position{})
	c := l.Join(0, nil)
	l.Scanned(100, matches(1, 100))
	c.Take(10)
	l.Dispatch(0)
	for _, seq := range collect(c) {
		l.Nack(ID{Seq: seq, Attempt: 1}, Nack{Release: true}, 0)
	}
	c.Take(10)
	l.Dispatch(0)
	fresh := 0
	for _, seq := range collect(c) {
		if seq > 10 {
			fresh++
		}
	}
	if fresh != 5 {
		t.Errorf("%d of 10 were new, want 5", fresh)
	}
}

func TestWhatWasPickedAndNeverCollectedWasNeverSent(t *testing.T) {
	l := New(config(), Position{})
	gone, next := l.Join(0, nil), l.Join(0, nil)
	gone.Take(3)
	l.Scanned(3, matches(1, 3))
	l.Dispatch(0)
	gone.Collect(1)
	gone.Leave(true, 0)
	next.Take(3)
	l.Dispatch(0)
	want := []struct {
		seq     event.Sequence
		attempt int32
	}{{2, 1}, {3, 1}, {1, 2}}
	for i, p := range next.Picked() {
		if p.Entry.Seq != want[i].seq || p.Attempt != want[i].attempt {
			t.Errorf("delivery %d is %d, attempt %d; want %v", i, p.Entry.Seq, p.Attempt, want[i])
		}
	}
	if l.Delivered != 4 || l.Redelivered != 1 {
		t.Errorf("%d deliveries and %d redeliveries are counted, want 4 and 1", l.Delivered, l.Redelivered)
	}
}

// TestWhatABusyConsumerNeverSawDoesNotFail: it goes to another one when its deadline passes.
func TestWhatABusyConsumerNeverSawDoesNotFail(t *testing.T) {
	l := New(config(), Position{})
	busy, idle := l.Join(0, nil), l.Join(0, nil)
	busy.Take(2)
	l.Scanned(2, matches(1, 2))
	l.Dispatch(0)
	busy.Picked()
	busy.Collect(1)
	l.Tick(30)
	idle.Take(2)
	l.Dispatch(30)
	if got := idle.Picked(); len(got) != 1 || got[0].Entry.Seq != 2 || got[0].Attempt != 1 {
		t.Errorf("the other one gets %+v", got)
	}
	if got := busy.Picked(); len(got) != 0 {
		t.Errorf("the busy one keeps %+v", got)
	}
	if s := l.Nack(ID{Seq: 2, Attempt: 1}, Nack{}, 30); s != strawv1.AckResult_ACKED || l.entries[2].failures != 1 {
		t.Errorf("its first failure is its %d., %v", l.entries[2].failures, s)
	}
}

// TestOnlyADeadlineThatAConsumerLeftBehindIsNoFailure: the gateway went away from a consumer, which goes on with what it holds. If
// that gives a delivery back and is then granted a deadline of its own, this one counts.
func TestOnlyADeadlineThatAConsumerLeftBehindIsNoFailure(t *testing.T) {
	for name, c := range map[string]struct {
		again    func(*Ledger, ID)
		failures int32
	}{
		"left behind": {func(*Ledger, ID) {}, 0},
		"extended":    {func(l *Ledger, id ID) { l.Extend(id, 0) }, 0},
		"given back and extended": {func(l *Ledger, id ID) {
			l.Nack(id, Nack{Release: true}, 0)
			l.Extend(id, 0)
		}, 1},
	} {
		l := New(config(), Position{})
		leaving := l.Join(0, nil)
		leaving.Take(1)
		l.Scanned(1, matches(1, 1))
		l.Dispatch(0)
		collect(leaving)
		leaving.Leave(false, 0)
		c.again(l, ID{Seq: 1, Attempt: 1})
		l.Tick(30)
		if got := l.entries[1].failures; got != c.failures {
			t.Errorf("%s: %d failures, want %d", name, got, c.failures)
		}
	}
}

// TestWhatALostConsumerHeldComesInLogOrder: whichever deadline ends first.
func TestWhatALostConsumerHeldComesInLogOrder(t *testing.T) {
	l := New(config(), Position{})
	lost, other := l.Join(0, nil), l.Join(0, nil)
	lost.Take(6)
	l.Scanned(6, matches(1, 6))
	l.Dispatch(0)
	collect(lost)
	for _, seq := range []event.Sequence{4, 1} {
		if s := l.Extend(ID{Seq: seq, Attempt: 1}, 10); s != strawv1.AckResult_ACKED {
			t.Fatalf("extend %d: %v", seq, s)
		}
	}
	lost.Leave(true, 11)
	other.Take(6)
	l.Dispatch(11)
	if diff := cmp.Diff([]event.Sequence{1, 2, 3, 4, 5, 6}, collect(other)); diff != "" {
		t.Errorf("what comes again (-want +got):\n%s", diff)
	}
}

func TestAGapIsToldOnceToEachConsumer(t *testing.T) {
	l := New(config(), Position{})
	if n := l.Expire(5); n != 5 || l.Position().Expired != 5 {
		t.Fatalf("%d expired", n)
	}
	first := l.Join(0, nil)
	if !first.Gap() || first.Gap() {
		t.Error("the first consumer after a gap wasn't told once")
	}
	second := l.Join(0, nil)
	if second.Gap() {
		t.Error("a later one was told too")
	}
	l.Expire(6)
	if !first.Gap() || !second.Gap() || second.Gap() {
		t.Error("a gap wasn't told to all who were there")
	}
	if n := l.Expire(6); n != 0 {
		t.Errorf("the same again: %d expired", n)
	}
}

func TestNextIsTheEarliestDeadline(t *testing.T) {
	l := New(config(), Position{})
	if _, ok := l.Next(); ok {
		t.Error("there is something to wait for")
	}
	c := l.Join(0, nil)
	l.Scanned(3, matches(1, 3))
	c.Take(2)
	l.Dispatch(10)
	if at, _ := l.Next(); at != 40 {
		t.Errorf("next is %d, want the ack deadline at 40", at)
	}
	shorter := config()
	shorter.AckDeadline = 5
	l.Configure(shorter, false)
	collect(c)
	c.Take(1)
	l.Dispatch(11)
	if at, _ := l.Next(); at != 16 {
		t.Errorf("next is %d, want the shorter deadline at 16", at)
	}
	l.Nack(ID{Seq: 1, Attempt: 1}, Nack{}, 11)
	if at, _ := l.Next(); at != 15 {
		t.Errorf("next is %d, want the backoff's end at 15", at)
	}
}

func TestBackoffDoublesUpToItsLimit(t *testing.T) {
	l := New(config(), Position{})
	for failures, want := range map[int32]int64{1: 4, 2: 8, 3: 16, 4: 20, 5: 20, 100: 20} {
		if got := l.backoff(failures); int64(got) != want {
			t.Errorf("after %d failures it is %d, want %d", failures, got, want)
		}
	}
}

func TestOldest(t *testing.T) {
	l := New(config(), Position{Floor: 10})
	if _, ok := l.Oldest(10); ok {
		t.Error("nothing is owed, and something is the oldest")
	}
	if seq, ok := l.Oldest(11); !ok || seq != 11 {
		t.Errorf("the oldest is %d", seq)
	}
	l.Revive(4, 1, 0)
	if seq, _ := l.Oldest(11); seq != 4 {
		t.Errorf("the oldest is %d, want the revived 4", seq)
	}
}

// TestWhatCameBackBeforeItWasScannedAgain: after a crash the ids of what was sent just before it count, and what they did
// outlives another crash, even if a new filter hides the events.
func TestWhatCameBackBeforeItWasScannedAgain(t *testing.T) {
	l := New(config(), Position{Floor: 10})
	if s := l.Extend(ID{Seq: 15, Attempt: 2}, 0); s != strawv1.AckResult_ACKED {
		t.Fatalf("extend: %v", s)
	}
	if s := l.Ack(ID{Seq: 16, Attempt: 1}); s != strawv1.AckResult_ACKED {
		t.Fatalf("ack: %v", s)
	}
	l.Revive(17, 3, 0)
	m := l.Drain()
	l = New(config(), *m.Position)
	if err := l.Restore(m.Blocks, m.Records); err != nil {
		t.Fatal(err)
	}
	c := l.Join(0, nil)
	l.Scanned(20, nil)
	c.Take(10)
	l.Dispatch(0)
	picked := map[event.Sequence]int32{}
	for _, p := range c.Picked() {
		picked[p.Entry.Seq] = p.Attempt
	}
	if diff := cmp.Diff(map[event.Sequence]int32{15: 3, 17: 4}, picked); diff != "" {
		t.Errorf("what comes, with its attempt (-want +got):\n%s", diff)
	}
	if p := l.Position(); p.Floor != 14 || p.Scan != 20 {
		t.Errorf("it stands at %+v", p)
	}
}

// TestAMillionBehindCostsNoMemory acknowledges the newest of a million events while the oldest stays in flight.
func TestAMillionBehindCostsNoMemory(t *testing.T) {
	const n = 1_000_000
	l := New(config(), Position{})
	c := l.Join(0, nil)
	before := heapInUse()
	var got []event.Sequence
	for from := event.Sequence(1); from < n; from += 1000 {
		l.Scanned(from+999, matches(from, from+999))
		for {
			c.Take(256)
			l.Dispatch(0)
			if got = collect(c); len(got) == 0 {
				break
			}
			for _, seq := range got {
				if seq > 1 {
					l.Ack(ID{Seq: seq, Attempt: 1})
				}
			}
		}
	}
	if after := heapInUse(); after > before+256<<10 {
		t.Errorf("it takes %d KiB", (after-before)>>10)
	}
	var size int
	for _, b := range l.Drain().Blocks {
		size += len(b.Value)
	}
	if l.Position().Scan != n || l.InFlight() != 1 || size > 2<<10 {
		t.Errorf("scanned to %d, %d in flight, %d bytes to write", l.Position().Scan, l.InFlight(), size)
	}
	l.Ack(ID{Seq: 1, Attempt: 1})
	if p := l.Position(); p.Floor != n || len(l.settled.blocks) > 1 {
		t.Errorf("at the end the floor is %d and %d blocks are left", p.Floor, len(l.settled.blocks))
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkDeliverAndAck(b *testing.B) {
	l := New(config(), Position{})
	c := l.Join(0, nil)
	b.ReportAllocs()
	through := event.Sequence(0)
	var found []Match
	for done := 0; done < b.N; {
		if len(l.ready) < lowReady {
			found = append(found[:0], matches(through+1, through+200)...)
			through += 200
			l.Scanned(through, found)
		}
		c.Take(256)
		l.Dispatch(0)
		for _, p := range c.Picked() {
			l.Ack(ID{Seq: p.Entry.Seq, Attempt: 1})
			done++
		}
		c.Collect(len(c.Picked()))
		if done%1000 < 256 {
			l.Drain()
		}
	}
}
