package pebblestore

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/protobuf/types/known/durationpb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/fanout"
)

// A countingClock counts how often it is looked at: whatever a subscription does begins with that.
type countingClock struct {
	manualClock
	looks atomic.Int64
}

func (c *countingClock) Now() time.Duration {
	c.looks.Add(1)
	return c.manualClock.Now()
}

// A subscription whose consumers wait at the head does nothing at all: there may be a thousand of them.
func TestWaitingConsumersCostNothing(t *testing.T) {
	hub, clock := fanout.New(0), &countingClock{}
	o := small(vfs.NewMem())
	o.Tail = hub
	log, err := Open("store", o)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	hub.Open(log.Identity(), log.Types(), log.Bounds().Head)
	subs, err := OpenSubscriptions(log, SubscriptionOptions{Hub: hub, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	defer subs.Close()
	for i := range 3 {
		mustAppend(t, log, i, false)
	}
	ctx := context.Background()
	idle := &strawv1.Subscription{
		Id: "idle", AckDeadline: durationpb.New(time.Minute), MaxInFlight: 10, MaxAttempts: new(int32(0)),
		RetryBackoff: &strawv1.Backoff{Min: durationpb.New(time.Second), Max: durationpb.New(time.Second)},
	}
	if _, err := subs.Create(ctx, idle, 0); err != nil {
		t.Fatal(err)
	}
	c, err := subs.Consume(ctx, "idle", 10)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(false)
	for taken := 0; taken < 3; {
		<-c.Ready()
		batch, err := c.Take(ctx, 10)
		if err != nil {
			t.Fatal(err)
		}
		taken += len(batch.Deliveries)
	}
	if _, err := c.Take(ctx, 10); err != nil { // it waits from here on
		t.Fatal(err)
	}

	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	last, still := clock.looks.Load(), 0
	for deadline := time.Now().Add(10 * time.Second); still < 20; {
		<-tick.C
		if now := clock.looks.Load(); now != last {
			last, still = now, 0
		} else {
			still++
		}
		if time.Now().After(deadline) {
			t.Fatalf("the subscription never rests: its clock was looked at %d times", last)
		}
	}
}
