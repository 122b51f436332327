package rpc_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/rpc"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore"
)

// A durable is an api with durable subscriptions, whose deadlines run on a clock that is moved by hand.
type durable struct {
	*api
	clock *manualClock
	stub  strawv1.SubscriptionServiceClient
}

func newDurable(t testing.TB, s setup) *durable {
	t.Helper()
	d := &durable{clock: &manualClock{}}
	var subs *pebblestore.Subscriptions
	more := s.more
	s.more = func(o *rpc.Options) {
		if more != nil {
			more(o)
		}
		var err error
		subs, err = pebblestore.OpenSubscriptions(o.Log.(*pebblestore.Log), pebblestore.SubscriptionOptions{Hub: o.Hub, Clock: d.clock})
		if err != nil {
			t.Fatal(err)
		}
		o.Subscriptions = subs
	}
	d.api = newAPI(t, s)
	d.stub = strawv1.NewSubscriptionServiceClient(d.conn)
	t.Cleanup(func() {
		if err := subs.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

type manualClock struct {
	mu      sync.Mutex
	now     time.Duration
	waiting map[chan time.Time]time.Duration
}

func (m *manualClock) Now() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

func (m *manualClock) After(d time.Duration) <-chan time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := make(chan time.Time, 1)
	if m.waiting == nil {
		m.waiting = map[chan time.Time]time.Duration{}
	}
	m.waiting[c] = m.now + d
	m.ring()
	return c
}

func (m *manualClock) advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now += d
	m.ring()
}

func (m *manualClock) ring() {
	for c, at := range m.waiting {
		if at <= m.now {
			c <- time.Time{}
			delete(m.waiting, c)
		}
	}
}

// create makes a subscription that owes everything.
func (d *durable) create(s *strawv1.Subscription) *strawv1.Subscription {
	d.t.Helper()
	if s.Start == nil {
		s.Start = &strawv1.Subscription_StartPosition{StartPosition: strawv1.StartPosition_EARLIEST}
	}
	created, err := d.stub.CreateSubscription(d.t.Context(), &strawv1.CreateSubscriptionRequest{Subscription: s})
	if err != nil {
		d.t.Fatal(err)
	}
	return created
}

func (d *durable) get(id string) *strawv1.Subscription {
	d.t.Helper()
	s, err := d.stub.GetSubscription(d.t.Context(), &strawv1.GetSubscriptionRequest{Id: id})
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

type frames = grpc.ServerStreamingClient[strawv1.SubscribeResponse]

// consume subscribes and takes the first frame.
func (d *durable) consume(ctx context.Context, req *strawv1.SubscribeRequest) frames {
	d.t.Helper()
	s, err := d.events.Subscribe(ctx, req)
	if err != nil {
		d.t.Fatal(err)
	}
	first := d.recv(s)
	if first.GetHeartbeatInterval() == nil || first.GetCursor() != "" || len(first.GetDeliveries()) > 0 {
		d.t.Fatalf("the first frame is %v", first)
	}
	return s
}

// take receives n deliveries, heartbeats aside.
func (d *durable) take(s frames, n int) []*strawv1.Delivery {
	d.t.Helper()
	var got []*strawv1.Delivery
	for len(got) < n {
		f := d.recv(s)
		if f.GetCursor() != "" || f.GetGap() != nil || f.GetGoingAway() != nil {
			d.t.Fatalf("a frame is %v", f)
		}
		got = append(got, f.GetDeliveries()...)
	}
	if len(got) > n {
		d.t.Fatalf("%d deliveries came, want %d", len(got), n)
	}
	return got
}

func idsOf(deliveries []*strawv1.Delivery) string {
	var all []string
	for _, d := range deliveries {
		all = append(all, fmt.Sprintf("%s/%d", d.GetEvent().GetId(), d.GetAttempt()))
	}
	return strings.Join(all, " ")
}

func ackIDs(deliveries ...*strawv1.Delivery) []string {
	var all []string
	for _, d := range deliveries {
		all = append(all, d.GetAckId())
	}
	return all
}

// ack acknowledges and returns the statuses as words.
func (d *durable) ack(id string, ackIDs ...string) string {
	d.t.Helper()
	resp, err := d.stub.Acknowledge(d.t.Context(), &strawv1.AcknowledgeRequest{SubscriptionId: id, AckIds: ackIDs})
	if err != nil {
		d.t.Fatal(err)
	}
	return d.words(ackIDs, resp.GetResults())
}

func (d *durable) words(ackIDs []string, results []*strawv1.AckResult) string {
	d.t.Helper()
	var words []string
	for i, r := range results {
		if r.GetAckId() != ackIDs[i] {
			d.t.Fatalf("result %d is of another id", i)
		}
		words = append(words, r.GetStatus().String())
	}
	return strings.Join(words, " ")
}

func (d *durable) nack(req *strawv1.NackRequest) string {
	d.t.Helper()
	resp, err := d.stub.Nack(d.t.Context(), req)
	if err != nil {
		d.t.Fatal(err)
	}
	return d.words(req.GetAckIds(), resp.GetResults())
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !so(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("it never came that %s", what)
		}
	}
}

func (d *durable) seek(req *strawv1.SeekSubscriptionRequest, want int64) {
	d.t.Helper()
	resp, err := d.stub.SeekSubscription(d.t.Context(), req)
	if err != nil || resp.GetOwedCount() != want || resp.GetEstimated() {
		d.t.Fatalf("seek: %v, %v, want %d", resp, err, want)
	}
}
