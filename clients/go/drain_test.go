package straw_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// What is being handled is ended and acknowledged; what was not begun goes to whoever consumes next, handled by nobody yet.
func TestDrainEndsWhatWasBegunAndGivesBackTheRest(t *testing.T) {
	const events = 20
	g := startReal(t)
	c := g.client(t, &straw.Subscription{})
	g.post(events)
	ctx, stop := context.WithCancel(bounded(t))
	var first, second record
	var begun sync.WaitGroup
	begun.Add(2)
	hooks, confirmed := confirmations(func() {}, 0)
	err := c.Consume(ctx, straw.ConsumeOptions{Subscription: "billing", Concurrency: 2, Hooks: hooks}, func(handling context.Context, d *straw.Delivery) error {
		first.add(d)
		begun.Done()
		begun.Wait()
		stop()
		<-time.After(20 * time.Millisecond) // the drain has begun
		if err := handling.Err(); err != nil {
			t.Errorf("a handler's context ended with the drain: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := first.sorted(); got != "evt_1/1 evt_2/1" {
		t.Errorf("the first consumer handled %s", got)
	}
	for _, id := range []string{"evt_1", "evt_2"} {
		if status, _ := confirmed.Load(id); status != straw.Acked {
			t.Errorf("%s was confirmed with %v", id, status)
		}
	}
	ctx, stop = context.WithCancel(bounded(t))
	hooks, _ = confirmations(stop, events-2)
	err = c.Consume(ctx, straw.ConsumeOptions{Subscription: "billing", Hooks: hooks}, func(_ context.Context, d *straw.Delivery) error {
		second.add(d)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := 3; i <= events; i++ {
		if n := strings.Count(second.sorted(), fmt.Sprintf("evt_%d/", i)); n != 1 {
			t.Errorf("evt_%d was handled %d times", i, n)
		}
	}
	if s := get(t, c); s.GetBacklog() != 0 {
		t.Errorf("at the end: %v", s)
	}
}

func TestDrainIsBounded(t *testing.T) {
	g := startReal(t)
	c := g.client(t, &straw.Subscription{})
	g.post(1)
	ctx, stop := context.WithCancel(bounded(t))
	ended := make(chan struct{})
	var late *straw.Delivery
	err := c.Consume(ctx, straw.ConsumeOptions{Subscription: "billing", DrainTimeout: 50 * time.Millisecond}, func(handling context.Context, d *straw.Delivery) error {
		defer close(ended)
		stop()
		<-handling.Done()
		late = d
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "had not ended with 1 deliveries 50ms after") {
		t.Errorf("ended with %v", err)
	}
	<-ended
	if status, err := late.Wait(bounded(t)); status != straw.Acked || err != nil {
		t.Errorf("the event was not given back: %v, %v", status, err)
	}
	if s := get(t, c); s.GetBacklog() != 1 {
		t.Errorf("the event is not owed: %v", s)
	}
}

func TestCloseDrains(t *testing.T) {
	g := startReal(t)
	c := g.client(t, &straw.Subscription{})
	g.post(1)
	hooks, confirmed := confirmations(func() {}, 0)
	err := c.Consume(bounded(t), straw.ConsumeOptions{Subscription: "billing", Hooks: hooks}, func(context.Context, *straw.Delivery) error {
		return c.Close()
	})
	if status, _ := confirmed.Load("evt_1"); !errors.Is(err, straw.ErrClosed) || status != straw.Acked {
		t.Errorf("ended with %v, evt_1 was confirmed with %v", err, status)
	}
	if err := c.Consume(bounded(t), straw.ConsumeOptions{Subscription: "billing"}, nil); !errors.Is(err, straw.ErrClosed) {
		t.Errorf("a closed client consumes: %v", err)
	}
}

// What can't be confirmed, because the gateway is gone for good, is told.
func TestDrainWithoutAGateway(t *testing.T) {
	g := startReal(t)
	c := g.client(t, &straw.Subscription{})
	g.post(1)
	ctx, stop := context.WithCancel(bounded(t))
	var told error
	hooks := straw.Hooks{Settled: func(_ *straw.Delivery, _ straw.AckStatus, err error) { told = err }}
	err := c.Consume(ctx, straw.ConsumeOptions{Subscription: "billing", Hooks: hooks, DrainTimeout: 300 * time.Millisecond}, func(context.Context, *straw.Delivery) error {
		g.kill()
		stop()
		return nil
	})
	if !errors.Is(err, straw.ErrUnconfirmed) || !errors.Is(told, straw.ErrUnconfirmed) {
		t.Errorf("ended with %v; the settlement with %v", err, told)
	}
}

// A handler's panic is the program's, after the other events are in safety.
func TestPanicsAreThePrograms(t *testing.T) {
	for name, tc := range map[string]struct {
		bug    func()
		reason string
	}{
		"panic":  {func() { panic(errors.New("a bug")) }, "the handler panicked: a bug"},
		"goexit": {runtime.Goexit, "the handler panicked: <nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			g := startReal(t)
			c := g.client(t, &straw.Subscription{MaxAttempts: proto.Int32(1)})
			g.post(2)
			buggy, other := make(chan struct{}), make(chan struct{})
			func() {
				defer func() {
					p, ok := recover().(*straw.PanicError)
					if !ok || name == "panic" && (p.Unwrap() == nil || !strings.Contains(p.Error(), "drain_test.go")) {
						t.Errorf("Consume panicked with %v", p)
					}
				}()
				err := c.Consume(bounded(t), straw.ConsumeOptions{Subscription: "billing"}, func(_ context.Context, d *straw.Delivery) error {
					if d.Event.GetId() == "evt_1" {
						<-other
						defer close(buggy)
						tc.bug()
					}
					close(other)
					<-buggy
					return nil
				})
				t.Errorf("Consume returned %v", err)
			}()
			for l, err := range c.EachDeadLetter(bounded(t), "billing") {
				if err != nil || l.GetEvent().GetId() != "evt_1" || l.GetReason() != tc.reason {
					t.Errorf("a dead letter: %v, %v", l, err)
				}
			}
			if s := get(t, c); s.GetDeadLetterCount() != 1 || s.GetBacklog() != 0 {
				t.Errorf("at the end: %v", s)
			}
		})
	}
}

func TestDeliveries(t *testing.T) {
	const events = 50
	g := startReal(t)
	c := g.client(t, &straw.Subscription{})
	g.post(events)
	ctx, stop := context.WithCancel(bounded(t))
	defer stop()
	i := 0
	for d, err := range c.Deliveries(ctx, straw.ConsumeOptions{Subscription: "billing"}) {
		if err != nil {
			t.Fatal(err)
		}
		if i++; d.Event.GetId() != fmt.Sprintf("evt_%d", i) || d.Attempt != 1 {
			t.Errorf("the %d. delivery is %v", i, d.Event)
		}
		d.Ack()
		if i == events {
			stop()
		}
	}
	if s := get(t, c); i != events || s.GetBacklog() != 0 {
		t.Errorf("after %d events: %v", i, s)
	}
}

// A loop may gather deliveries, up to its concurrency, and settle them elsewhere. They are waited for at the end.
func TestDeliveriesAreSettledElsewhere(t *testing.T) {
	const events, batch = 40, 8
	g := startReal(t)
	c := g.client(t, &straw.Subscription{})
	g.post(events)
	ctx, stop := context.WithCancel(bounded(t))
	defer stop()
	batches := make(chan []*straw.Delivery)
	var storing sync.WaitGroup
	storing.Go(func() {
		for b := range batches {
			<-time.After(5 * time.Millisecond)
			for _, d := range b {
				d.Ack()
			}
		}
	})
	var gathered []*straw.Delivery
	total := 0
	for d, err := range c.Deliveries(ctx, straw.ConsumeOptions{Subscription: "billing", Concurrency: batch}) {
		if err != nil {
			t.Fatal(err)
		}
		if gathered = append(gathered, d); len(gathered) == batch {
			batches <- gathered
			total += batch
			gathered = nil
		}
		if total == events {
			stop()
		}
	}
	close(batches)
	storing.Wait()
	if s := get(t, c); s.GetBacklog() != 0 {
		t.Errorf("at the end: %v", s)
	}
}

// Leaving the loop gives back the delivery that wasn't settled; only a panic makes that a failure.
func TestLeavingTheLoop(t *testing.T) {
	g := startReal(t)
	c := g.client(t, &straw.Subscription{MaxInFlight: 1})
	g.post(2)
	opts := straw.ConsumeOptions{Subscription: "billing", Concurrency: 1}
	first := func() *straw.Delivery {
		for d, err := range c.Deliveries(bounded(t), opts) {
			if err != nil {
				t.Fatal(err)
			}
			if d.Event.GetId() == "evt_1" {
				d.Ack()
			}
			return d
		}
		return nil
	}
	for i, want := range []string{"evt_1", "evt_2", "evt_2"} {
		d := first()
		if status, err := d.Wait(bounded(t)); d.Event.GetId() != want || status != straw.Acked || err != nil {
			t.Errorf("loop %d was left with %s, %v, %v", i+1, d.Event.GetId(), status, err)
		}
	}
	if s := get(t, c); s.GetDeadLetterCount() != 0 || s.GetBacklog() != 1 {
		t.Errorf("after the breaks: %v", s)
	}
	oneAttempt := &strawv1.UpdateSubscriptionRequest{Subscription: &straw.Subscription{Id: "billing", MaxAttempts: proto.Int32(1)},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"max_attempts"}}}
	if _, err := c.Subscriptions().UpdateSubscription(bounded(t), oneAttempt); err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() != "a bug with evt_2, <nil>" {
				t.Error("the panic didn't go on")
			}
		}()
		for d, err := range c.Deliveries(bounded(t), opts) {
			panic(fmt.Sprintf("a bug with %s, %v", d.Event.GetId(), err))
		}
	}()
	for l, err := range c.EachDeadLetter(bounded(t), "billing") {
		if err != nil || l.GetEvent().GetId() != "evt_2" || l.GetReason() != "the program panicked" {
			t.Errorf("a dead letter: %v, %v", l, err)
		}
	}
	if s := get(t, c); s.GetDeadLetterCount() != 1 || s.GetBacklog() != 0 {
		t.Errorf("after the panic: %v", s)
	}
}

func TestDurableGap(t *testing.T) {
	gap := &straw.Gap{Oldest: "c8"}
	g := newGateway(10)
	g.script = func(_ int, r *strawv1.SubscribeRequest, s grpc.ServerStreamingServer[straw.Frame]) error {
		if r.GetSubscriptionId() != "billing" || r.GetMaxOutstanding() != 6 || !r.GetIncludeRaw() || r.GetHeartbeatInterval().AsDuration() != 7*time.Second {
			t.Errorf("the request is %v", r)
		}
		if err := s.Send(&straw.Frame{Gap: gap}); err != nil {
			return err
		}
		return silent(1, r, s)
	}
	c := g.start(t)
	var told *straw.Gap
	opts := straw.ConsumeOptions{Subscription: "billing", Concurrency: 3, IncludeRaw: true, HeartbeatInterval: 7 * time.Second,
		Hooks: straw.Hooks{Gap: func(g *straw.Gap) { told = g }}}
	for d, err := range c.Deliveries(bounded(t), opts) {
		lost, ok := errors.AsType[*straw.GapError](err)
		if !ok || d != nil || !proto.Equal(lost.Gap, gap) || !strings.Contains(lost.Error(), "still owed") {
			t.Errorf("got %v, %v", d, err)
		}
		break
	}
	if !proto.Equal(told, gap) {
		t.Errorf("the hook was told of %v", told)
	}
}
