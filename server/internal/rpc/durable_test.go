package rpc_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/rpc"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore"
	"github.com/straw-gateway/straw/server/internal/stream"
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
	s.more = func(o *rpc.Options) {
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

// TestADyingConsumersEventsGoToTheOther: of two consumers one dies with 1,000 in flight, and the other receives those, and
// only those, again.
func TestADyingConsumersEventsGoToTheOther(t *testing.T) {
	d := newDurable(t, setup{})
	d.create(&strawv1.Subscription{Id: "billing", MaxInFlight: 2000})
	for range 2000 {
		d.append("export.ready", nil)
	}
	doomed, die := context.WithCancel(t.Context())
	dying := d.consume(doomed, &strawv1.SubscribeRequest{SubscriptionId: "billing", MaxOutstanding: 1000})
	lost := d.take(dying, 1000)
	living := d.consume(t.Context(), &strawv1.SubscribeRequest{SubscriptionId: "billing"})
	kept := d.take(living, 1000)
	if v := d.get("billing"); v.GetConsumerCount() != 2 || v.GetInFlight() != 2000 || v.GetBacklog() != 2000 {
		t.Errorf("with all in flight: %v", v)
	}
	die()
	again := d.take(living, 1000)
	want := map[string]bool{}
	for _, l := range lost {
		want[l.GetEvent().GetId()] = true
	}
	for _, a := range again {
		if !want[a.GetEvent().GetId()] || a.GetAttempt() != 2 {
			t.Fatalf("%s came with attempt %d", a.GetEvent().GetId(), a.GetAttempt())
		}
		delete(want, a.GetEvent().GetId())
	}
	d.ack("billing", ackIDs(kept...)...)
	d.ack("billing", ackIDs(again...)...)
	if v := d.get("billing"); v.GetConsumerCount() != 1 || v.GetBacklog() != 0 || v.GetOldestUnackedTime() != nil {
		t.Errorf("at the end: %v", v)
	}
	marker := d.append("export.ready", nil)
	if got := idsOf(d.take(living, 1)); got != marker+"/1" {
		t.Errorf("then came %s, want %s", got, marker)
	}
}

func TestAckResults(t *testing.T) {
	d := newDurable(t, setup{})
	for _, id := range []string{"mine", "other"} {
		d.create(&strawv1.Subscription{Id: id})
	}
	for range 4 {
		d.append("export.ready", nil)
	}
	mine := d.take(d.consume(t.Context(), &strawv1.SubscribeRequest{SubscriptionId: "mine"}), 4)
	other := d.take(d.consume(t.Context(), &strawv1.SubscribeRequest{SubscriptionId: "other"}), 4)
	first := mine[0].GetAckId()
	forged := "B" + first[1:]
	if got := d.ack("mine", first, first, other[1].GetAckId(), forged, "nonsense", ""); got != "ACKED ALREADY_ACKED INVALID INVALID INVALID INVALID" {
		t.Errorf("once, twice, another's, forged, nonsense, none: %s", got)
	}
	resp, err := d.stub.ExtendDeadline(t.Context(), &strawv1.ExtendDeadlineRequest{SubscriptionId: "other", AckIds: ackIDs(other[2], mine[2])})
	if got := d.words(ackIDs(other[2], mine[2]), resp.GetResults()); err != nil || got != "ACKED INVALID" {
		t.Errorf("extend: %s, %v", got, err)
	}
	d.clock.advance(time.Hour)
	if got := d.ack("mine", mine[1].GetAckId()); got != "ACKED" {
		t.Errorf("late: %s", got)
	}
	d.seek(&strawv1.SeekSubscriptionRequest{SubscriptionId: "mine", Start: &strawv1.SeekSubscriptionRequest_After{After: mine[1].GetEvent().GetCursor()}}, 2)
	if got := d.ack("mine", mine[2].GetAckId(), mine[0].GetAckId()); got != "STALE STALE" {
		t.Errorf("after a seek: %s", got)
	}
	if got := d.nack(&strawv1.NackRequest{SubscriptionId: "mine", AckIds: []string{mine[3].GetAckId(), "x"}}); got != "STALE INVALID" {
		t.Errorf("nack after a seek: %s", got)
	}
}

func (d *durable) seek(req *strawv1.SeekSubscriptionRequest, want int64) {
	d.t.Helper()
	resp, err := d.stub.SeekSubscription(d.t.Context(), req)
	if err != nil || resp.GetOwedCount() != want || resp.GetEstimated() {
		d.t.Fatalf("seek: %v, %v, want %d", resp, err, want)
	}
}

func TestDurableFrames(t *testing.T) {
	d := newDurable(t, setup{})
	d.create(&strawv1.Subscription{Id: "billing"})
	s := d.consume(t.Context(), &strawv1.SubscribeRequest{SubscriptionId: "billing", HeartbeatInterval: durationpb.New(time.Second)})
	if f := d.recv(s); len(f.GetDeliveries()) != 0 || f.GetHeartbeatInterval() != nil || f.GetCursor() != "" {
		t.Errorf("the heartbeat is %v", f)
	}
	id := d.append("analysis.completed", query(strings.Repeat("q", 100<<10)))
	small := d.append("export.ready", nil)
	for i, want := range []string{id, small} {
		var f *strawv1.SubscribeResponse
		for f = d.recv(s); len(f.GetDeliveries()) == 0; f = d.recv(s) {
		}
		got := f.GetDeliveries()[0]
		stored, err := d.events.GetEvent(t.Context(), &strawv1.GetEventRequest{Id: want})
		if err != nil || len(f.GetDeliveries()) != 1 || !proto.Equal(got.GetEvent(), stored) || got.GetAttempt() != 1 || got.GetAckId() == "" {
			t.Errorf("frame %d has %d deliveries, the first %.200v, want %.200v, %v", i, len(f.GetDeliveries()), got, stored, err)
		}
	}
	for range 300 {
		d.append("analysis.completed", query(strings.Repeat("q", 1000)))
	}
	for got := 0; got < 300; {
		f := d.recv(s)
		got += len(f.GetDeliveries())
		if size := proto.Size(f); size > stream.MaxFrame+64 {
			t.Errorf("a frame of %d deliveries has %d bytes", len(f.GetDeliveries()), size)
		}
	}
	few := d.consume(t.Context(), &strawv1.SubscribeRequest{SubscriptionId: "billing", MaxDeliveriesPerResponse: 3, MaxOutstanding: 10})
	for range 10 {
		d.append("export.ready", nil)
	}
	for got := 0; got == 0; {
		f := d.recv(few)
		if got = len(f.GetDeliveries()); got > 3 {
			t.Errorf("%d deliveries in a frame of at most 3", got)
		}
	}
}

func TestDurableRaw(t *testing.T) {
	d := newDurable(t, setup{})
	d.create(&strawv1.Subscription{Id: "billing"})
	id := d.append("export.ready", nil)
	plain := d.consume(t.Context(), &strawv1.SubscribeRequest{SubscriptionId: "billing"})
	got := d.take(plain, 1)
	if got[0].GetEvent().GetRaw() != nil {
		t.Errorf("raw is there unasked")
	}
	if s := d.nack(&strawv1.NackRequest{SubscriptionId: "billing", AckIds: ackIDs(got...), Action: &strawv1.NackRequest_Release{Release: true}}); s != "ACKED" {
		t.Errorf("release: %s", s)
	}
	d.take(plain, 1)
	d.seek(&strawv1.SeekSubscriptionRequest{SubscriptionId: "billing", Start: &strawv1.SeekSubscriptionRequest_StartPosition{StartPosition: strawv1.StartPosition_EARLIEST}}, 1)
	d.take(plain, 1)
	_, err := d.stub.DeleteSubscription(t.Context(), &strawv1.DeleteSubscriptionRequest{Id: "billing"})
	if err != nil {
		t.Fatal(err)
	}
	d.create(&strawv1.Subscription{Id: "billing"})
	raw := d.take(d.consume(t.Context(), &strawv1.SubscribeRequest{SubscriptionId: "billing", IncludeRaw: true}), 1)[0]
	if string(raw.GetEvent().GetRaw()) != "body of "+id || raw.GetEvent().GetCursor() == "" || raw.GetAckId() == "" || raw.GetAttempt() != 1 {
		t.Errorf("with raw it is %v", raw)
	}
}

func TestPoisonIsDeadLetteredOnceAndLaterEventsFlow(t *testing.T) {
	d := newDurable(t, setup{})
	d.create(&strawv1.Subscription{Id: "billing", MaxInFlight: 1, MaxAttempts: proto.Int32(3)})
	poison, fine := d.append("export.ready", nil), d.append("dataset.updated", nil)
	s := d.consume(t.Context(), &strawv1.SubscribeRequest{SubscriptionId: "billing"})
	for attempt := range 3 {
		got := d.take(s, 1)
		if want := fmt.Sprintf("%s/%d", poison, attempt+1); idsOf(got) != want {
			t.Fatalf("%s came, want %s", idsOf(got), want)
		}
		d.nack(&strawv1.NackRequest{SubscriptionId: "billing", AckIds: ackIDs(got...), Reason: fmt.Sprint("failure ", attempt+1)})
		d.clock.advance(time.Minute)
	}
	got := d.take(s, 1)
	if idsOf(got) != fine+"/1" {
		t.Fatalf("then came %s", idsOf(got))
	}
	d.ack("billing", ackIDs(got...)...)
	list, err := d.stub.ListDeadLetters(t.Context(), &strawv1.ListDeadLettersRequest{SubscriptionId: "billing"})
	if err != nil || len(list.GetDeadLetters()) != 1 || list.GetNextPageToken() != "" {
		t.Fatalf("dead letters: %v, %v", list, err)
	}
	letter := list.GetDeadLetters()[0]
	if letter.GetEvent().GetId() != poison || letter.GetEvent().GetCursor() == "" || letter.GetAttempts() != 3 || letter.GetReason() != "failure 3" || letter.GetDeadLetterTime() == nil {
		t.Errorf("the dead letter is %v", letter)
	}
	if v := d.get("billing"); v.GetDeadLetterCount() != 1 || v.GetBacklog() != 0 {
		t.Errorf("at the end: %v", v)
	}
}

func TestDeadLettersAreRedeliveredAndPurged(t *testing.T) {
	d := newDurable(t, setup{})
	d.create(&strawv1.Subscription{Id: "billing"})
	var all []string
	for range 5 {
		all = append(all, d.append("export.ready", nil))
	}
	s := d.consume(t.Context(), &strawv1.SubscribeRequest{SubscriptionId: "billing"})
	got := d.take(s, 5)
	d.nack(&strawv1.NackRequest{SubscriptionId: "billing", AckIds: ackIDs(got...), Action: &strawv1.NackRequest_DeadLetter{DeadLetter: true}})
	page, err := d.stub.ListDeadLetters(t.Context(), &strawv1.ListDeadLettersRequest{SubscriptionId: "billing", PageSize: 3})
	if err != nil || len(page.GetDeadLetters()) != 3 {
		t.Fatalf("a page is %v, %v", page, err)
	}
	next, err := d.stub.ListDeadLetters(t.Context(), &strawv1.ListDeadLettersRequest{SubscriptionId: "billing", PageToken: page.GetNextPageToken()})
	if err != nil || len(next.GetDeadLetters()) != 2 || next.GetDeadLetters()[0].GetEvent().GetId() != all[3] {
		t.Fatalf("the next page is %v, %v", next, err)
	}
	for _, dry := range []bool{true, false} {
		resp, err := d.stub.RedeliverDeadLetters(t.Context(), &strawv1.RedeliverDeadLettersRequest{SubscriptionId: "billing", EventIds: []string{all[1], "nothing"}, DryRun: dry})
		if err != nil || resp.GetCount() != 1 {
			t.Fatalf("redeliver: %v, %v", resp, err)
		}
	}
	again := d.take(s, 1)
	if idsOf(again) != all[1]+"/2" {
		t.Errorf("%s was redelivered", idsOf(again))
	}
	for _, dry := range []bool{true, false} {
		resp, err := d.stub.PurgeDeadLetters(t.Context(), &strawv1.PurgeDeadLettersRequest{SubscriptionId: "billing", All: true, DryRun: dry})
		if err != nil || resp.GetCount() != 4 {
			t.Fatalf("purge: %v, %v", resp, err)
		}
	}
	if v := d.get("billing"); v.GetDeadLetterCount() != 0 || v.GetInFlight() != 1 {
		t.Errorf("at the end: %v", v)
	}
	if got := d.ack("billing", got[0].GetAckId(), got[1].GetAckId()); got != "ALREADY_ACKED ACKED" {
		t.Errorf("acks of a purged and of a redelivered event: %s", got)
	}
}

func TestSeekCounts(t *testing.T) {
	d := newDurable(t, setup{})
	d.append("export.ready", nil)
	for i := range 6 {
		d.append("quota.warning", quota(float64(20*i)))
	}
	d.create(&strawv1.Subscription{Id: "all"})
	d.create(&strawv1.Subscription{Id: "some", Types: []string{"quota.*"}, Filter: "event.quota_warning.usage_percent >= 60.0"})
	earliest := &strawv1.SeekSubscriptionRequest_StartPosition{StartPosition: strawv1.StartPosition_EARLIEST}
	latest := &strawv1.SeekSubscriptionRequest_StartPosition{StartPosition: strawv1.StartPosition_LATEST}
	for _, dry := range []bool{true, false} {
		d.seek(&strawv1.SeekSubscriptionRequest{SubscriptionId: "all", Start: earliest, DryRun: dry}, 7)
		d.seek(&strawv1.SeekSubscriptionRequest{SubscriptionId: "some", Start: earliest, DryRun: dry}, 3)
		d.seek(&strawv1.SeekSubscriptionRequest{SubscriptionId: "some", Start: latest, DryRun: dry}, 0)
		if got, want := d.get("some").GetBacklog(), map[bool]int64{true: 7, false: 0}[dry]; got != want {
			t.Errorf("dry run %v: the backlog is %d, want %d", dry, got, want)
		}
	}
}

func TestDurableEnds(t *testing.T) {
	d := newDurable(t, setup{})
	d.create(&strawv1.Subscription{Id: "billing"})
	s := d.consume(t.Context(), &strawv1.SubscribeRequest{SubscriptionId: "billing"})
	if _, err := d.stub.DeleteSubscription(t.Context(), &strawv1.DeleteSubscriptionRequest{Id: "billing"}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Recv()
	wantError(t, err, codes.NotFound, strawv1.ErrorReason_SUBSCRIPTION_NOT_FOUND, map[string]string{"id": "billing"})
	d.create(&strawv1.Subscription{Id: "billing", MaxAttempts: proto.Int32(1)})
	d.append("export.ready", nil)
	s = d.consume(t.Context(), &strawv1.SubscribeRequest{SubscriptionId: "billing"})
	d.take(s, 1)
	d.streams.Drain(stream.GoingAway{RetryDelay: time.Second, Reason: "test"})
	if f := d.recv(s); f.GetGoingAway().GetReason() != "test" || f.GetCursor() != "" {
		t.Errorf("before the end comes %v", f)
	}
	_, err = s.Recv()
	wantError(t, err, codes.Unavailable, strawv1.ErrorReason_DRAINING, nil)
	eventually(t, "the stream is gone", func() bool { return d.get("billing").GetConsumerCount() == 0 })
	if v := d.get("billing"); v.GetDeadLetterCount() != 0 || v.GetInFlight() != 1 {
		t.Errorf("draining is a failure: %v", v)
	}
}

// TestAStuckConsumerHoldsOnlyItsOwn: a consumer that never reads doesn't keep the others from what it can't take.
func TestAStuckConsumerHoldsOnlyItsOwn(t *testing.T) {
	d := newDurable(t, setup{})
	d.create(&strawv1.Subscription{Id: "billing", MaxInFlight: 5000})
	stuck, err := d.events.Subscribe(t.Context(), &strawv1.SubscribeRequest{SubscriptionId: "billing", MaxOutstanding: 100})
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		d.append("analysis.completed", query(strings.Repeat("q", 5000)))
	}
	eventually(t, "the stuck one has something", func() bool { return d.get("billing").GetInFlight() > 0 })
	reading := d.consume(t.Context(), &strawv1.SubscribeRequest{SubscriptionId: "billing"})
	for {
		v := d.get("billing")
		if v.GetBacklog() <= 100 && v.GetBacklog() == v.GetInFlight() {
			break
		}
		if f := d.recv(reading); len(f.GetDeliveries()) > 0 {
			d.ack("billing", ackIDs(f.GetDeliveries()...)...)
		}
	}
	if _, err := stuck.Recv(); err != nil {
		t.Error(err)
	}
}

func TestDurableGap(t *testing.T) {
	d := newDurable(t, setup{store: pebblestore.Options{Retention: pebblestore.Retention{HardAge: time.Minute}, Now: func() time.Time { return time.Now().Add(time.Hour) }}})
	d.create(&strawv1.Subscription{Id: "billing"})
	s := d.consume(t.Context(), &strawv1.SubscribeRequest{SubscriptionId: "billing", MaxOutstanding: 1})
	d.append("export.ready", nil)
	got := d.take(s, 1)
	for range 1100 {
		d.append("export.ready", nil)
	}
	if err := d.log.Retain(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := d.recv(s)
	oldest := d.log.Identity().Cursor(d.log.Bounds().Floor)
	if f.GetGap().GetOldest() != oldest || f.GetGap().GetRequested() != "" || len(f.GetDeliveries()) != 0 {
		t.Errorf("the gap frame is %v", f)
	}
	if v := d.get("billing"); v.GetExpiredCount() != int64(d.log.Bounds().Floor) {
		t.Errorf("%d expired, want %d", v.GetExpiredCount(), d.log.Bounds().Floor)
	}
	if got := d.ack("billing", got[0].GetAckId()); got != "ALREADY_ACKED" {
		t.Errorf("ack of an event that retention removed: %s", got)
	}
	if got := d.take(s, 1)[0].GetEvent().GetCursor(); got != d.log.Identity().Cursor(d.log.Bounds().Floor+1) {
		t.Errorf("it goes on at another place than after the gap")
	}
	_, err := d.stub.SeekSubscription(t.Context(), &strawv1.SeekSubscriptionRequest{
		SubscriptionId: "billing", Start: &strawv1.SeekSubscriptionRequest_After{After: d.log.Identity().Cursor(3)},
	})
	wantError(t, err, codes.OutOfRange, strawv1.ErrorReason_CURSOR_EXPIRED, map[string]string{"oldest": oldest})
}
