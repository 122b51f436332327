package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// A SubscriptionHarness is one empty store of an engine that keeps subscriptions. Its functions end the test if they fail.
type SubscriptionHarness struct {
	// Open opens the store, and opens it again after Close or Crash.
	Open func(t TB) (store.Log, store.Subscriptions)
	// Close closes what is open, in good order.
	Close func(t TB)
	// Crash ends what is open as a power cut would: only what is durable at this moment is there when it is opened again.
	Crash func(t TB)
	// Advance lets so much time pass for deadlines and delays.
	Advance func(time.Duration)
	// Retain makes the log remove its oldest events up to through, or up to RetainStep fewer, whoever still needs them, and
	// returns the new floor. RetainSoft removes what no subscription needs.
	Retain     func(t TB, through event.Sequence) (floor event.Sequence)
	RetainSoft func(t TB) (floor event.Sequence)
	RetainStep int
	// HoldSync is as of Harness, for all that is written.
	HoldSync func() (held <-chan struct{}, release func())
	// MaxDeadLetters is how many dead letters fill a subscription.
	MaxDeadLetters int
}

type subscriptionCase struct {
	name string
	run  func(s *shop)
}

var subscriptionCases = []subscriptionCase{
	{"a subscription is created, listed, changed and deleted", testDefinitions},
	{"a subscription of the same id is refused with the one there is", testCreateExisting},
	{"a recreated id shares nothing", testRecreate},
	{"events come in order, from the start that was asked for", testDeliveryOrder},
	{"an event as large as a segment is delivered", testDeliverLarge},
	{"types and filter select, and what they skip moves the floor", testDeliverySelection},
	{"raw bodies can be had", testDeliveryRaw},
	{"consumers share what there is", testSharing},
	{"what a lost consumer held comes again, and only that", testLostConsumer},
	{"a gateway that goes away fails nothing", testLeftConsumer},
	{"no more is in flight than may be", testMaxInFlight},
	{"no more is outstanding than may be", testOutstanding},
	{"one in flight is strict order", testStrictOrder},
	{"one in flight is strict order over crashes", testStrictOrderAcross},
	{"a paused subscription sends nothing, and takes acknowledgements", testPause},
	{"each ack id has its result", testAckResults},
	{"an event that comes before it is acknowledged late is settled once", testLateAck},
	{"ack ids outlive restarts and crashes", testAckAcross},
	{"a nacked event comes again after its backoff", testNackBackoff},
	{"a nack says when, or that it is no failure", testNackVariants},
	{"only the latest attempt may be nacked or extended", testStale},
	{"a passed deadline is a failure", testDeadline},
	{"an extended deadline is a full one", testExtend},
	{"backoff goes on after a restart", testBackoffAcross},
	{"an event that fails too often is dead-lettered once, and later ones flow", testPoison},
	{"dead letters are listed in order, page by page", testDeadLetterPages},
	{"dead letters are redelivered", testRedeliver},
	{"dead letters are purged", testPurge},
	{"a dead letter outlives its event", testDeadLetterOutlives},
	{"full dead letters stop the subscription and drop nothing", testDeadLettersFull},
	{"a seek back owes everything again", testSeekBack},
	{"a seek ahead settles everything", testSeekAhead},
	{"a changed filter applies to what wasn't sent", testRefilter},
	{"a changed filter forgets nothing over a crash", testRefilterAcross},
	{"what was sent stays owed, whatever the filter becomes and however often the store is opened", testRefilterOften},
	{"what was passed over stays so, whatever the filter becomes and however often the store is opened", testPassedOver},
	{"what is acknowledged stays so over crashes, what isn't comes again", testCrash},
	{"retention keeps what is owed", testRetainOwed},
	{"retention beyond its limit leaves a gap that is told", testGap},
	{"figures say what is there", testSubscriptionFigures},
	{"a deleted or closed subscription ends its consumers", testEnd},
	{"many consumers at once lose nothing", testMany},
	{"a subscription agrees with its model", testSubscriptionModel},
}

// RunSubscriptions runs the suite for engines that keep subscriptions. fresh and excluded as of Run.
func RunSubscriptions(t *testing.T, fresh func(t *testing.T) SubscriptionHarness, excluded map[string]string) {
	for _, c := range subscriptionCases {
		if reason, ok := excluded[c.name]; ok {
			t.Logf("left out: %s: %s", c.name, reason)
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			h := fresh(t)
			s := &shop{T: t, h: h}
			s.open()
			defer func() { h.Close(t) }()
			c.run(s)
		})
	}
	for name, reason := range excluded {
		if reason == "" || !slices.ContainsFunc(subscriptionCases, func(c subscriptionCase) bool { return c.name == name }) {
			t.Errorf("case %q is left out for the reason %q: there is no such case, or no reason", name, reason)
		}
	}
}

// A shop is a store under test, with one subscription in it more often than not.
type shop struct {
	*testing.T
	h        SubscriptionHarness
	log      store.Log
	subs     store.Subscriptions
	appended int
}

const (
	theID       = "billing"
	theDeadline = 30 * time.Second
	minBackoff  = time.Second
	maxBackoff  = 8 * time.Second
)

func (s *shop) open() { s.log, s.subs = s.h.Open(s.T) }

func (s *shop) reopen() {
	s.Helper()
	s.h.Close(s.T)
	s.open()
}

func (s *shop) crash() {
	s.Helper()
	s.h.Crash(s.T)
	s.open()
}

// define is a complete definition, changed by each of the functions.
func define(id string, change ...func(*strawv1.Subscription)) *strawv1.Subscription {
	d := &strawv1.Subscription{
		Id: id, AckDeadline: durationpb.New(theDeadline), MaxInFlight: 1000, MaxAttempts: proto.Int32(3),
		RetryBackoff: &strawv1.Backoff{Min: durationpb.New(minBackoff), Max: durationpb.New(maxBackoff)},
		Ordering:     strawv1.Ordering_UNORDERED,
	}
	for _, c := range change {
		c(d)
	}
	return d
}

// create makes the subscription that most cases need, which owes everything.
func (s *shop) create(change ...func(*strawv1.Subscription)) {
	s.Helper()
	if _, err := s.subs.Create(context.Background(), define(theID, change...), s.log.Bounds().Floor); err != nil {
		s.Fatalf("create: %v", err)
	}
}

func (s *shop) update(change func(*strawv1.Subscription)) {
	s.Helper()
	_, err := s.subs.Update(context.Background(), theID, func(was store.Subscription) (*strawv1.Subscription, error) {
		d := proto.Clone(was.Definition).(*strawv1.Subscription)
		change(d)
		return d, nil
	})
	if err != nil {
		s.Fatalf("update: %v", err)
	}
}

func (s *shop) get() store.Subscription {
	s.Helper()
	v, err := s.subs.Get(context.Background(), theID)
	if err != nil {
		s.Fatalf("get: %v", err)
	}
	return v
}

// append stores n events and returns the sequence of the first.
func (s *shop) append(n int) event.Sequence {
	s.Helper()
	first := s.log.Bounds().Head + 1
	appendAll(s.T, s.log, drafts(s.appended, s.appended+n))
	s.appended += n
	return first
}

// taking is a consumer and what it has got.
type taking struct {
	*shop
	store.Consumer
}

func (s *shop) consume(outstanding int) *taking {
	s.Helper()
	c, err := s.subs.Consume(context.Background(), theID, outstanding)
	if err != nil {
		s.Fatalf("consume: %v", err)
	}
	return &taking{s, c}
}

// try takes what there is, without waiting.
func (k *taking) try() []store.Delivery {
	k.Helper()
	var all []store.Delivery
	for {
		b, err := k.Take(context.Background(), 256)
		if err != nil || b.Gap {
			k.Fatalf("take: %+v, %v", b, err)
		}
		if len(b.Deliveries) == 0 {
			return all
		}
		all = append(all, b.Deliveries...)
	}
}

// take waits for n deliveries, and for no more.
func (k *taking) take(n int) []store.Delivery {
	k.Helper()
	var all []store.Delivery
	timeout := time.After(patience)
	for {
		all = append(all, k.try()...)
		if len(all) > n {
			k.Fatalf("%d deliveries came, want %d: %v", len(all), n, seqs(all))
		}
		if len(all) == n {
			return all
		}
		select {
		case <-k.Ready():
		case <-timeout:
			k.Fatalf("%d of %d deliveries came: %v", len(all), n, seqs(all))
		}
	}
}

// expect waits for deliveries of these events in this order, each with this attempt.
func (k *taking) expect(attempt int32, want ...event.Sequence) []store.Delivery {
	k.Helper()
	got := k.take(len(want))
	diff(k.T, "deliveries", want, seqs(got))
	for _, d := range got {
		if d.Attempt != attempt {
			k.Fatalf("event %d came with attempt %d, want %d", d.Entry.Seq, d.Attempt, attempt)
		}
	}
	return got
}

// nothing makes sure that nothing comes before an event that is appended now. It settles that one.
func (k *taking) nothing() {
	k.Helper()
	marker := k.append(1)
	k.ack(k.expect(1, marker)...)
}

func seqs(deliveries []store.Delivery) []event.Sequence {
	var all []event.Sequence
	for _, d := range deliveries {
		all = append(all, d.Entry.Seq)
	}
	return all
}

// span is the sequences from and to and all between.
func span(from, to event.Sequence) []event.Sequence {
	var all []event.Sequence
	for ; from <= to; from++ {
		all = append(all, from)
	}
	return all
}

func ackIDs(deliveries []store.Delivery) []string {
	var all []string
	for _, d := range deliveries {
		all = append(all, d.AckID)
	}
	return all
}

// Statuses, for short.
const (
	acked   = strawv1.AckResult_ACKED
	already = strawv1.AckResult_ALREADY_ACKED
	stale   = strawv1.AckResult_STALE
	invalid = strawv1.AckResult_INVALID
)

// ack acknowledges deliveries that must be owed.
func (s *shop) ack(deliveries ...store.Delivery) {
	s.Helper()
	s.statuses(slices.Repeat([]strawv1.AckResult_Status{acked}, len(deliveries)), ackIDs(deliveries)...)
}

// statuses acknowledges ack ids and compares the results.
func (s *shop) statuses(want []strawv1.AckResult_Status, ids ...string) {
	s.Helper()
	got, err := s.subs.Acknowledge(context.Background(), theID, ids)
	if err != nil {
		s.Fatalf("acknowledge: %v", err)
	}
	diff(s.T, "statuses", want, got)
}

func (s *shop) nack(how store.Nack, want strawv1.AckResult_Status, deliveries ...store.Delivery) {
	s.Helper()
	got, err := s.subs.Nack(context.Background(), theID, ackIDs(deliveries), how)
	if err != nil {
		s.Fatalf("nack: %v", err)
	}
	diff(s.T, "statuses", slices.Repeat([]strawv1.AckResult_Status{want}, len(deliveries)), got)
}

func (s *shop) extend(want strawv1.AckResult_Status, deliveries ...store.Delivery) {
	s.Helper()
	got, err := s.subs.ExtendDeadline(context.Background(), theID, ackIDs(deliveries))
	if err != nil {
		s.Fatalf("extend: %v", err)
	}
	diff(s.T, "statuses", slices.Repeat([]strawv1.AckResult_Status{want}, len(deliveries)), got)
}

func (s *shop) seek(after event.Sequence) {
	s.Helper()
	if err := s.subs.Seek(context.Background(), theID, after); err != nil {
		s.Fatalf("seek: %v", err)
	}
}

// letters returns all dead letters, read in pages of two.
func (s *shop) letters() []store.DeadLetter {
	s.Helper()
	var all []store.DeadLetter
	after := event.Sequence(0)
	for {
		page, more, err := s.subs.DeadLetters(context.Background(), theID, after, 2, 1<<20)
		if err != nil {
			s.Fatalf("dead letters: %v", err)
		}
		all = append(all, page...)
		if !more {
			return all
		}
		after = page[len(page)-1].Event.Seq
	}
}

// await waits until something is so.
func (s *shop) await(what string, so func() bool) {
	s.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !so(); <-tick.C {
		if time.Now().After(deadline) {
			s.Fatalf("it never came that %s: %+v", what, s.get())
		}
	}
}

func (s *shop) wantError(what string, got, want error) {
	s.Helper()
	if !errors.Is(got, want) {
		s.Fatalf("%s: %v, want %v", what, got, want)
	}
}
