package straw_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// A record is what handlers saw, as `evt_1/1`: the event and its attempt.
type record struct {
	mu   sync.Mutex
	seen []string
}

func (r *record) add(d *straw.Delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, fmt.Sprintf("%s/%d", d.Event.GetId(), d.Attempt))
}

func (r *record) sorted() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.seen)
	return strings.Join(r.seen, " ")
}

// confirmations stops a consumer after so many, and counts them by status.
func confirmations(stop func(), after int) (straw.Hooks, *sync.Map) {
	var n atomic.Int32
	counts := &sync.Map{}
	return straw.Hooks{Settled: func(d *straw.Delivery, status straw.AckStatus, err error) {
		counts.Store(d.Event.GetId(), status)
		if int(n.Add(1)) == after {
			stop()
		}
	}}, counts
}

func TestConsumeHandlesEachEventOnceSeveralAtATime(t *testing.T) {
	const events, concurrency = 300, 4
	g := startReal(t)
	c := g.client(t, &straw.Subscription{})
	g.post(events)
	ctx, stop := context.WithCancel(bounded(t))
	var seen record
	var running, most atomic.Int32
	together := make(chan struct{})
	hooks, confirmed := confirmations(stop, events)
	err := c.Consume(ctx, straw.ConsumeOptions{Subscription: "billing", Concurrency: concurrency, Hooks: hooks}, func(_ context.Context, d *straw.Delivery) error {
		n := running.Add(1)
		defer running.Add(-1)
		seen.add(d)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == concurrency && len(d.Event.GetId()) == len("evt_1") {
			select {
			case <-together:
			default:
				close(together)
			}
		}
		select { // the first ones wait for each other: all may be there at once
		case <-together:
		case <-ctx.Done():
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range events {
		id := fmt.Sprintf("evt_%d", i+1)
		if n := strings.Count(seen.sorted()+" ", id+"/1 "); n != 1 {
			t.Errorf("%s was handled %d times", id, n)
		}
		if status, _ := confirmed.Load(id); status != straw.Acked {
			t.Errorf("%s was confirmed with %v", id, status)
		}
	}
	if most.Load() != concurrency {
		t.Errorf("%d handlers ran at once, want %d", most.Load(), concurrency)
	}
	if s := get(t, c); s.GetBacklog() != 0 || s.GetInFlight() != 0 {
		t.Errorf("at the end: %v", s)
	}
}

func TestFailuresAreRetriedAndThenDeadLettered(t *testing.T) {
	g := startReal(t)
	c := g.client(t, &straw.Subscription{MaxAttempts: proto.Int32(3)})
	g.post(2)
	ctx, stop := context.WithCancel(bounded(t))
	defer stop()
	var seen record
	hooks, _ := confirmations(stop, 4)
	err := c.Consume(ctx, straw.ConsumeOptions{Subscription: "billing", Hooks: hooks}, func(_ context.Context, d *straw.Delivery) error {
		seen.add(d)
		if d.Event.GetId() == "evt_1" {
			return fmt.Errorf("no luck the %d. time \xff%s", d.Attempt, strings.Repeat("x", 2000))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := seen.sorted(); got != "evt_1/1 evt_1/2 evt_1/3 evt_2/1" {
		t.Errorf("handled %s", got)
	}
	var letters []string
	for l, err := range c.EachDeadLetter(bounded(t), "billing") {
		if err != nil {
			t.Fatal(err)
		}
		letters = append(letters, fmt.Sprintf("%s %d %.20s %d", l.GetEvent().GetId(), l.GetAttempts(), l.GetReason(), len(l.GetReason())))
	}
	if got := strings.Join(letters, ","); got != "evt_1 3 no luck the 3. time  1024" {
		t.Errorf("dead letters: %s", got)
	}
}

func TestHandlersSettleByThemselves(t *testing.T) {
	g := startReal(t)
	c := g.client(t, &straw.Subscription{MaxAttempts: proto.Int32(1)})
	g.post(4)
	ctx, stop := context.WithCancel(bounded(t))
	defer stop()
	var seen record
	hooks, _ := confirmations(stop, 5)
	err := c.Consume(ctx, straw.ConsumeOptions{Subscription: "billing", Hooks: hooks}, func(ctx context.Context, d *straw.Delivery) error {
		seen.add(d)
		switch d.Event.GetId() {
		case "evt_1":
			d.DeadLetter("of no use")
		case "evt_2":
			if d.Attempt == 1 {
				d.Release() // no failure, or this would dead-letter it
			}
		case "evt_3":
			d.NackAfter(time.Hour, "later")
			d.Ack() // too late
		case "evt_4":
			d.Ack()
			if status, err := d.Wait(ctx); status != straw.Acked || err != nil {
				t.Errorf("the ack was confirmed with %v, %v", status, err)
			}
			return errors.New("too late")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := seen.sorted(); got != "evt_1/1 evt_2/1 evt_2/2 evt_3/1 evt_4/1" {
		t.Errorf("handled %s", got)
	}
	s := get(t, c)
	if s.GetDeadLetterCount() != 2 || s.GetBacklog() != 0 { // evt_1, and evt_3 whose only attempt has failed
		t.Errorf("at the end: %v", s)
	}
}

func TestDeadlinesAreExtendedWhileHandlersRun(t *testing.T) {
	g := startReal(t)
	c := g.client(t, &straw.Subscription{AckDeadline: durationpb.New(time.Second), MaxAttempts: proto.Int32(1)})
	g.post(3)
	ctx, stop := context.WithCancel(bounded(t))
	defer stop()
	var seen record
	hooks, _ := confirmations(stop, 3)
	// One by one: the third waits in the client for twice its deadline before it is begun.
	err := c.Consume(ctx, straw.ConsumeOptions{Subscription: "billing", Concurrency: 1, Hooks: hooks}, func(_ context.Context, d *straw.Delivery) error {
		seen.add(d)
		<-time.After(1500 * time.Millisecond)
		return nil
	})
	if got := seen.sorted(); err != nil || got != "evt_1/1 evt_2/1 evt_3/1" {
		t.Errorf("handled %s, %v", got, err)
	}
	if s := get(t, c); s.GetDeadLetterCount() != 0 || s.GetBacklog() != 0 {
		t.Errorf("at the end: %v", s)
	}
}

func TestConsumeEndsForWhatARetryCannotHelp(t *testing.T) {
	g := startReal(t)
	c := dial(t, g.addr)
	never := func(context.Context, *straw.Delivery) error { t.Error("handled"); return nil }
	err := c.Consume(bounded(t), straw.ConsumeOptions{Subscription: "billing"}, never)
	if straw.ReasonOf(err) != strawv1.ErrorReason_SUBSCRIPTION_NOT_FOUND {
		t.Errorf("an unknown subscription: %v", err)
	}
	if err := c.Consume(bounded(t), straw.ConsumeOptions{}, never); err == nil || !strings.Contains(err.Error(), "Subscription is empty") {
		t.Errorf("no subscription: %v", err)
	}
	create(t, c, &straw.Subscription{})
	hooks := straw.Hooks{Connected: func(*straw.Frame) {
		if _, err := c.Subscriptions().DeleteSubscription(bounded(t), &strawv1.DeleteSubscriptionRequest{Id: "billing"}); err != nil {
			t.Error(err)
		}
	}}
	for _, err = range c.Deliveries(bounded(t), straw.ConsumeOptions{Subscription: "billing", Hooks: hooks}) {
	}
	if straw.ReasonOf(err) != strawv1.ErrorReason_SUBSCRIPTION_NOT_FOUND || !errors.Is(err, &straw.Error{Code: codes.NotFound}) {
		t.Errorf("a deleted subscription: %v", err)
	}
}

// The transport is cut at any byte, within acks' answers too, again and again.
func TestConsumeSurvivesCuts(t *testing.T) {
	const events, cuts = 600, 6
	g := startReal(t)
	create(t, dial(t, g.addr), &straw.Subscription{MaxAttempts: proto.Int32(0)})
	g.post(events)
	rng := rand.New(rand.NewPCG(3, 4))
	p := newProxy(t, g.addr, func(n int) treatment {
		if n > cuts {
			return treatment{}
		}
		return treatment{cutAfter: 2000 + rng.IntN(9000)}
	})
	c := dial(t, p.addr())
	if lost := survive(t, c, events, func(int) {}); lost < cuts/2 {
		t.Errorf("only %d connections were lost", lost)
	}
}

// survive consumes until every event is confirmed, and returns how many connections that took beside one. shake is called by
// the handler of each event, with how many were handled before.
func survive(t *testing.T, c *straw.Client, events int, shake func(handled int)) (lost int) {
	t.Helper()
	ctx, stop := context.WithCancel(bounded(t))
	defer stop()
	var mu sync.Mutex
	handling, acked := map[string]bool{}, map[string]bool{}
	handled := 0
	hooks := straw.Hooks{Disconnected: func(error, time.Duration) { lost++ }, Settled: func(d *straw.Delivery, _ straw.AckStatus, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			t.Errorf("settling %s: %v", d.Event.GetId(), err)
		}
		acked[d.Event.GetId()] = true
		if len(acked) == events {
			stop()
		}
	}}
	err := c.Consume(ctx, straw.ConsumeOptions{Subscription: "billing", Concurrency: 8, Hooks: hooks}, func(_ context.Context, d *straw.Delivery) error {
		id := d.Event.GetId()
		mu.Lock()
		if handling[id] {
			t.Errorf("%s came again (attempt %d) while it was handled", id, d.Attempt)
		}
		handling[id] = true
		n := handled
		handled++
		mu.Unlock()
		shake(n)
		mu.Lock()
		delete(handling, id)
		mu.Unlock()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(acked) != events {
		t.Errorf("%d events were acknowledged, want %d", len(acked), events)
	}
	t.Logf("%d events were handled %d times over %d lost connections", events, handled, lost)
	return lost
}

// An event that a handler still has is sent again after the connection was lost. It isn't handled twice at once, and what the
// handler makes of it counts for the newest sending: a nack of an older one would be stale.
func TestSettlementCountsForTheNewestSending(t *testing.T) {
	g := startReal(t)
	create(t, dial(t, g.addr), &straw.Subscription{})
	g.post(1)
	p := newProxy(t, g.addr, func(int) treatment { return treatment{} })
	c := dial(t, p.addr(), straw.WithDialOptions(grpc.WithChainUnaryInterceptor(noExtensions)))
	ctx, stop := context.WithCancel(bounded(t))
	defer stop()
	sentAgain := make(chan struct{})
	came := false
	var statuses []straw.AckStatus
	hooks := straw.Hooks{
		Frame: func(f *straw.Frame) { // the frame before has been dealt with
			if came {
				came = false
				close(sentAgain)
			}
			for _, d := range f.GetDeliveries() {
				came = came || d.GetAttempt() == 2
			}
		},
		Settled: func(_ *straw.Delivery, status straw.AckStatus, _ error) {
			if statuses = append(statuses, status); len(statuses) == 2 {
				stop()
			}
		},
	}
	var seen record
	opts := straw.ConsumeOptions{Subscription: "billing", HeartbeatInterval: time.Second, Hooks: hooks}
	err := c.Consume(ctx, opts, func(_ context.Context, d *straw.Delivery) error {
		seen.add(d)
		if d.Attempt > 1 {
			return nil
		}
		p.cut()
		<-sentAgain
		return errors.New("no luck")
	})
	if got := seen.sorted(); err != nil || got != "evt_1/1 evt_1/3" || !slices.Equal(statuses, []straw.AckStatus{straw.Acked, straw.Acked}) {
		t.Errorf("handled %s, settled %v, %v", got, statuses, err)
	}
}

// noExtensions keeps a consumer from extending deadlines, which it asks for the subscription's first. An extension that comes
// right after the connection was lost keeps the event with its handler: then it isn't sent again.
func noExtensions(ctx context.Context, method string, req, resp any, cc *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if method == strawv1.SubscriptionService_GetSubscription_FullMethodName {
		<-ctx.Done()
		return ctx.Err()
	}
	return call(ctx, method, req, resp, cc, opts...)
}

func TestConsumeSurvivesKilledGateways(t *testing.T) {
	const events = 300
	g := startReal(t)
	c := g.client(t, &straw.Subscription{MaxAttempts: proto.Int32(0)})
	g.post(events)
	var shaking sync.Mutex
	restarts := 0
	lost := survive(t, c, events, func(handled int) {
		if handled%60 == 30 && shaking.TryLock() {
			defer shaking.Unlock()
			if restarts++; restarts <= 4 {
				g.restart()
			}
		}
	})
	if restarts == 0 || lost == 0 {
		t.Errorf("the gateway was restarted %d times, which cost %d connections", restarts, lost)
	}
	if s := get(t, c); s.GetBacklog() != 0 {
		t.Errorf("at the end: %v", s)
	}
}

// After a seek the events are owed anew: what was acknowledged with the ids of before had no effect, which is told.
func TestSeekMakesWhatIsHandledStale(t *testing.T) {
	g := startReal(t)
	c := g.client(t, &straw.Subscription{})
	g.post(1)
	ctx, stop := context.WithCancel(bounded(t))
	defer stop()
	var statuses []string
	hooks := straw.Hooks{Settled: func(d *straw.Delivery, status straw.AckStatus, err error) {
		statuses = append(statuses, fmt.Sprintf("%s/%d %s", d.Event.GetId(), d.Attempt, status))
		stale, ok := errors.AsType[*straw.SettlementError](err)
		if (status == straw.Stale) != ok || ok && (stale.Status != straw.Stale || stale.EventID != "evt_1") {
			t.Errorf("%s is told by %v", status, err)
		}
		if len(statuses) == 2 {
			stop()
		}
	}}
	sought, again := false, make(chan struct{})
	err := c.Consume(ctx, straw.ConsumeOptions{Subscription: "billing", Hooks: hooks}, func(_ context.Context, d *straw.Delivery) error {
		if sought {
			close(again)
			return nil
		}
		sought = true
		_, err := c.Subscriptions().SeekSubscription(ctx, &strawv1.SeekSubscriptionRequest{SubscriptionId: "billing",
			Start: &strawv1.SeekSubscriptionRequest_StartPosition{StartPosition: strawv1.StartPosition_EARLIEST}})
		if err != nil {
			t.Error(err)
		}
		<-again
		return nil
	})
	slices.Sort(statuses)
	if got := strings.Join(statuses, ", "); err != nil || got != "evt_1/1 ACKED, evt_1/1 STALE" {
		t.Errorf("settled %s, %v", got, err)
	}
}

// Many of the same kind in one page, and more than a page.
func TestEachSubscription(t *testing.T) {
	g := startReal(t)
	c := dial(t, g.addr)
	const n = 130
	for i := range n {
		id := fmt.Sprintf("s-%03d", i)
		if _, err := c.Subscriptions().CreateSubscription(bounded(t), &strawv1.CreateSubscriptionRequest{Subscription: &straw.Subscription{Id: id}}); err != nil {
			t.Fatal(err)
		}
	}
	i := 0
	for s, err := range c.EachSubscription(bounded(t)) {
		if want := fmt.Sprintf("s-%03d", i); err != nil || s.GetId() != want {
			t.Fatalf("got %v, %v, want %s", s, err, want)
		}
		i++
	}
	if i != n {
		t.Errorf("listed %d, want %d", i, n)
	}
	for _, err := range c.EachDeadLetter(bounded(t), "nowhere") {
		if straw.ReasonOf(err) != strawv1.ErrorReason_SUBSCRIPTION_NOT_FOUND {
			t.Errorf("dead letters of an unknown subscription: %v", err)
		}
	}
}
