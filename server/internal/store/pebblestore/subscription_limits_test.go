package pebblestore

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/fanout"
	"github.com/straw-gateway/straw/server/internal/store"
)

// TestDeadLetterLimits gives five events of over 1 KiB back as poison: as many become dead letters as there is room for, by
// number and by bytes, and the others stay owed.
func TestDeadLetterLimits(t *testing.T) {
	for name, c := range map[string]struct {
		options SubscriptionOptions
		want    int64
	}{
		"by number": {SubscriptionOptions{MaxDeadLetters: 3}, 3},
		"by bytes":  {SubscriptionOptions{MaxDeadBytes: 2 << 10}, 2}, // the second is the first that is over it
		"no limit":  {SubscriptionOptions{}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			o := small(vfs.NewMem())
			o.Tail = fanout.New(0)
			l := mustOpen(t, "store", o)
			defer mustClose(t, l)
			c.options.Hub = o.Tail.(*fanout.Hub)
			c.options.Hub.Open(l.Identity(), l.Types(), l.Bounds().Head)
			subs, err := OpenSubscriptions(l, c.options)
			if err != nil {
				t.Fatal(err)
			}
			defer subs.Close()
			poison(t, l, subs, 5)
			if v, err := subs.Get(context.Background(), "s"); err != nil || v.DeadLetters != c.want || v.InFlight != 5-c.want {
				t.Errorf("%d are dead letters and %d are owed (%v), want %d and %d", v.DeadLetters, v.InFlight, err, c.want, 5-c.want)
			}
		})
	}
}

// TestDeadLetterDefaults: a subscription whose limits nobody set has those that the API tells of.
func TestDeadLetterDefaults(t *testing.T) {
	l := mustOpen(t, "store", small(vfs.NewMem()))
	defer mustClose(t, l)
	subs, err := OpenSubscriptions(l, SubscriptionOptions{Hub: fanout.New(0)})
	if err != nil {
		t.Fatal(err)
	}
	defer subs.Close()
	if c := subs.configOf(&strawv1.Subscription{}); c.MaxDeadLetters != 10_000 || c.MaxDeadBytes != 256<<20 || subs.MaxSubscriptions != 10_000 {
		t.Errorf("%d subscriptions may keep %d dead letters of %d bytes each, want 10000, 10000 and 256 MiB", subs.MaxSubscriptions, c.MaxDeadLetters, c.MaxDeadBytes)
	}
}

// poison appends n events, takes them, and gives each back for good.
func poison(t *testing.T, l *Log, subs *Subscriptions, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := subs.Create(ctx, &strawv1.Subscription{
		Id: "s", MaxAttempts: proto.Int32(5), MaxInFlight: 100, AckDeadline: durationpb.New(time.Minute),
		RetryBackoff: &strawv1.Backoff{Min: durationpb.New(time.Second), Max: durationpb.New(time.Second)},
	}, 0); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		d := draft(i)
		d.Raw = []byte(strings.Repeat("x", 1<<10))
		if _, err := l.Append(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	consumer, err := subs.Consume(ctx, "s", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close(false)
	var ids []string
	for len(ids) < n {
		b, err := consumer.Take(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range b.Deliveries {
			ids = append(ids, d.AckID)
		}
		if len(b.Deliveries) > 0 {
			continue
		}
		select {
		case <-consumer.Ready():
		case <-ctx.Done():
			t.Fatalf("%d of %d events came", len(ids), n)
		}
	}
	for _, id := range ids {
		if _, err := subs.Nack(ctx, "s", []string{id}, store.Nack{DeadLetter: true}); err != nil {
			t.Fatal(err)
		}
	}
}
