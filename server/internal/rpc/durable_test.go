package rpc_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore"
	"github.com/straw-gateway/straw/server/internal/stream"
)

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
