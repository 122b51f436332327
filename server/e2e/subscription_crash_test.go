package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// How hard a round is for a subscription: who sends and consumes at once, how many acknowledgements must have been answered
// for the round to mean anything, and how often an event is poison, or is kept without an answer.
const (
	subSenders   = 4
	subConsumers = 3
	minAcked     = 50
	minStrict    = 5 // events that the consumer of one in flight took
	poisonEvery  = 60
	keepEvery    = 50
	maxAttempts  = 6
	reasonLost   = "the consumer's stream was lost"
)

// TestCrashSubscription kills the gateway under load from consumers that acknowledge, nack, keep and vanish, again and again,
// on one store. What was answered ACKED must never be delivered again, everything else must be, and each poison event must
// be dead-lettered, once. A consumer that vanishes fails what is on its way to it too, so with bad luck that comes to be
// dead-lettered as well, seen or unseen: for that reason and no other. Meanwhile another subscription, of one event in flight,
// must see the log in its order, and never go back to an event after a later one was seen. STRAW_CRASH_ROUNDS sets how often.
func TestCrashSubscription(t *testing.T) {
	rounds := defaultRounds
	if s := os.Getenv("STRAW_CRASH_ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatalf("STRAW_CRASH_ROUNDS: %v", err)
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	c := &subCrash{
		dir: t.TempDir(), random: rand.New(rand.NewPCG(seed, 0)),
		acked: map[string]int{}, settled: map[string]bool{}, unsure: map[string]bool{}, delivered: map[string]int{}, dead: map[string]string{},
		strict: map[string]bool{},
	}
	for round := range rounds {
		c.round(t, round)
	}
	c.check(t, rounds)
}

type subCrash struct {
	dir    string
	random *rand.Rand

	mu        sync.Mutex
	sent      int
	acked     map[string]int    // how often ACKED was answered
	settled   map[string]bool   // answered ACKED or ALREADY_ACKED: must not come again
	unsure    map[string]bool   // was acknowledged, and the answer cut off
	dead      map[string]string // was seen among the dead letters, and why
	delivered map[string]int
	cut       int             // calls that a kill cut off
	strict    map[string]bool // seen by the consumer of one event in flight
	inOrder   []string        // these, as they came
	problems  []string
}

func (c *subCrash) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *subCrash) answered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.acked)
}

// create makes the subscriptions, or finds that they are there.
func (c *subCrash) create(t *testing.T, g *gateway) strawv1.SubscriptionServiceClient {
	t.Helper()
	stub := strawv1.NewSubscriptionServiceClient(g.dial())
	for _, s := range []*strawv1.Subscription{
		{
			Id: "crash", AckDeadline: durationpb.New(5 * time.Minute), MaxInFlight: 300, MaxAttempts: proto.Int32(maxAttempts),
			RetryBackoff: &strawv1.Backoff{Min: durationpb.New(time.Millisecond), Max: durationpb.New(5 * time.Millisecond)},
		},
		{Id: "strict", MaxInFlight: 1, MaxAttempts: proto.Int32(0)},
	} {
		s.Start = &strawv1.Subscription_StartPosition{StartPosition: strawv1.StartPosition_EARLIEST}
		if _, err := stub.CreateSubscription(t.Context(), &strawv1.CreateSubscriptionRequest{Subscription: s}); err != nil {
			t.Fatalf("create %s: %v\n%s", s.GetId(), err, g.logs)
		}
	}
	return stub
}

// round starts the gateway, loads it from all sides, and kills it at a random moment.
func (c *subCrash) round(t *testing.T, round int) {
	g := startGateway(t, c.dir)
	stub := c.create(t, g)
	c.deadLetters(t, g, stub)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var load sync.WaitGroup
	for sender := range subSenders {
		load.Go(func() { c.send(ctx, g, round, sender) })
	}
	for n := range subConsumers {
		random := rand.New(rand.NewPCG(c.random.Uint64(), uint64(n)))
		events := strawv1.NewEventServiceClient(g.dial())
		load.Go(func() { c.consume(ctx, events, stub, random) })
	}
	events := strawv1.NewEventServiceClient(g.dial())
	load.Go(func() { c.consumeStrictly(ctx, events, stub) })
	c.await(t, g, c.answered()+minAcked+c.random.IntN(300))
	g.kill()
	cancel()
	load.Wait()
	if len(c.problems) > 0 {
		t.Fatalf("round %d: %s\n%s", round, strings.Join(c.problems, "\n"), g.logs)
	}
}

func (c *subCrash) await(t *testing.T, g *gateway, answered int) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); c.answered() < answered; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("only %d of %d acknowledgements were answered within a minute: too low a load to mean anything\n%s", c.answered(), answered, g.logs)
		}
	}
}

// send posts events until the gateway is gone.
func (c *subCrash) send(ctx context.Context, g *gateway, round, sender int) {
	client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	for n := 0; ctx.Err() == nil; n++ {
		kind := "fine"
		if n%poisonEvery == 7 {
			kind = "poison"
		}
		body := fmt.Sprintf(`{"id":"%s_%d_%d_%d","type":"dataset.updated","data":{"dataset_id":"d"}}`, kind, round, sender, n)
		if _, _, err := g.post(client, body); err != nil {
			return
		}
		c.mu.Lock()
		c.sent++
		c.mu.Unlock()
	}
}

// consume takes events until the gateway is gone, and now and then vanishes with what it holds.
func (c *subCrash) consume(ctx context.Context, events strawv1.EventServiceClient, stub strawv1.SubscriptionServiceClient, random *rand.Rand) {
	for ctx.Err() == nil {
		stream, cancel, err := openStream(ctx, events)
		if err != nil {
			cancel()
			return
		}
		for frames := 20 + random.IntN(60); frames > 0; frames-- {
			f, err := stream.Recv()
			if err != nil {
				cancel()
				return
			}
			if !c.handle(ctx, stub, random, f.GetDeliveries()) {
				cancel()
				return
			}
		}
		cancel()
	}
}

func openStream(ctx context.Context, events strawv1.EventServiceClient) (grpc.ServerStreamingClient[strawv1.SubscribeResponse], func(), error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := events.Subscribe(ctx, &strawv1.SubscribeRequest{SubscriptionId: "crash", MaxDeliveriesPerResponse: 20, MaxOutstanding: 100})
	return stream, cancel, err
}

// consumeStrictly takes events one by one until the gateway is gone, and looks at the next before it is told that the one
// before is settled.
func (c *subCrash) consumeStrictly(ctx context.Context, events strawv1.EventServiceClient, stub strawv1.SubscriptionServiceClient) {
	stream, err := events.Subscribe(ctx, &strawv1.SubscribeRequest{SubscriptionId: "strict"})
	if err != nil {
		return
	}
	var acking sync.WaitGroup
	defer acking.Wait()
	for {
		f, err := stream.Recv()
		if err != nil {
			return
		}
		for _, d := range f.GetDeliveries() {
			c.seeStrictly(d)
			acking.Go(func() {
				_, _ = stub.Acknowledge(ctx, &strawv1.AcknowledgeRequest{SubscriptionId: "strict", AckIds: []string{d.GetAckId()}})
			})
		}
	}
}

func (c *subCrash) seeStrictly(d *strawv1.Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := d.GetEvent().GetId()
	if !c.strict[id] {
		c.strict[id] = true
		c.inOrder = append(c.inOrder, id)
	} else if latest := c.inOrder[len(c.inOrder)-1]; id != latest {
		c.problem("%s came again, attempt %d, after %s, with one event in flight", id, d.GetAttempt(), latest)
	}
}

// handle settles deliveries: most are acknowledged, poison is nacked, and a few are kept.
func (c *subCrash) handle(ctx context.Context, stub strawv1.SubscriptionServiceClient, random *rand.Rand, deliveries []*strawv1.Delivery) bool {
	var fine, poison []*strawv1.Delivery
	c.mu.Lock()
	for _, d := range deliveries {
		id := d.GetEvent().GetId()
		c.delivered[id]++
		switch {
		case c.settled[id]:
			c.problem("%s was delivered again, attempt %d, after its ack was answered", id, d.GetAttempt())
		case c.dead[id] != "":
			c.problem("%s was delivered again, attempt %d, after it was dead-lettered", id, d.GetAttempt())
		case strings.HasPrefix(id, "poison"):
			if d.GetAttempt() > maxAttempts {
				c.problem("%s was delivered with attempt %d of %d", id, d.GetAttempt(), maxAttempts)
			}
			poison = append(poison, d)
		case random.IntN(keepEvery) > 0:
			fine = append(fine, d)
		}
	}
	c.mu.Unlock()
	return c.acknowledge(ctx, stub, fine) && c.nack(ctx, stub, poison)
}

func (c *subCrash) acknowledge(ctx context.Context, stub strawv1.SubscriptionServiceClient, deliveries []*strawv1.Delivery) bool {
	if len(deliveries) == 0 {
		return true
	}
	req := &strawv1.AcknowledgeRequest{SubscriptionId: "crash"}
	for _, d := range deliveries {
		req.AckIds = append(req.AckIds, d.GetAckId())
	}
	resp, err := stub.Acknowledge(ctx, req)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.cut++
		for _, d := range deliveries {
			c.unsure[d.GetEvent().GetId()] = true
		}
		return false
	}
	for i, r := range resp.GetResults() {
		id := deliveries[i].GetEvent().GetId()
		switch r.GetStatus() {
		case strawv1.AckResult_ACKED:
			c.acked[id]++
			c.settled[id] = true
		case strawv1.AckResult_ALREADY_ACKED:
			c.settled[id] = true
		default:
			c.problem("the ack of %s was answered %v", id, r.GetStatus())
		}
	}
	return true
}

func (c *subCrash) nack(ctx context.Context, stub strawv1.SubscriptionServiceClient, deliveries []*strawv1.Delivery) bool {
	for _, d := range deliveries {
		_, err := stub.Nack(ctx, &strawv1.NackRequest{SubscriptionId: "crash", AckIds: []string{d.GetAckId()}, Reason: "poison"})
		if err != nil {
			c.mu.Lock()
			c.cut++
			c.mu.Unlock()
			return false
		}
	}
	return true
}

// deadLetters reads the dead letters: those that were there stay, and each is there once.
func (c *subCrash) deadLetters(t *testing.T, g *gateway, stub strawv1.SubscriptionServiceClient) {
	t.Helper()
	now := map[string]string{}
	for token := ""; ; {
		page, err := stub.ListDeadLetters(t.Context(), &strawv1.ListDeadLettersRequest{SubscriptionId: "crash", PageSize: 1000, PageToken: token})
		if err != nil {
			t.Fatalf("list dead letters: %v\n%s", err, g.logs)
		}
		for _, l := range page.GetDeadLetters() {
			id := l.GetEvent().GetId()
			if now[id] != "" {
				t.Fatalf("%s is dead-lettered twice: %v", id, l)
			}
			if l.GetAttempts() < maxAttempts || l.GetReason() != reasonLost && !strings.HasPrefix(id, "poison") {
				t.Fatalf("%s must not be dead-lettered: %v", id, l)
			}
			now[id] = l.GetReason()
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	for id := range c.dead {
		if now[id] == "" {
			t.Fatalf("the dead letter of %s is gone", id)
		}
	}
	c.dead = now
}

// check starts the gateway once more, settles what is left, and compares what was delivered with the log.
func (c *subCrash) check(t *testing.T, rounds int) {
	g := startGateway(t, c.dir)
	stub := c.create(t, g)
	c.deadLetters(t, g, stub)
	c.drain(t, g, stub)
	c.deadLetters(t, g, stub)
	stored, poison := 0, 0
	for i, e := range g.everything(t.Context()) {
		if i < len(c.inOrder) && c.inOrder[i] != e.GetId() {
			t.Fatalf("with one in flight event %d was %s, the log's is %s", i, c.inOrder[i], e.GetId())
		}
		stored++
		if c.checkEvent(t, e.GetId()); strings.HasPrefix(e.GetId(), "poison") {
			poison++
		}
	}
	redelivered := 0
	for _, n := range c.delivered {
		redelivered += n - 1
	}
	if c.cut < rounds || redelivered < rounds {
		t.Errorf("only %d calls were cut off, and %d events redelivered, in %d rounds: the kills hit idle consumers", c.cut, redelivered, rounds)
	}
	if len(c.strict) < rounds*minStrict {
		t.Errorf("only %d events were taken one by one in %d rounds", len(c.strict), rounds)
	}
	t.Logf("%d rounds: %d sent, %d stored, %d acknowledged, %d taken one by one, %d poison, %d dead-lettered, %d redeliveries, %d calls cut off",
		rounds, c.sent, stored, len(c.acked), len(c.strict), poison, len(c.dead), redelivered, c.cut)
}

// checkEvent looks at what came of an event of the log.
func (c *subCrash) checkEvent(t *testing.T, id string) {
	t.Helper()
	dead := c.dead[id]
	if c.delivered[id] == 0 && dead != reasonLost {
		t.Errorf("%s was never delivered", id)
	}
	if c.settled[id] && dead != "" || !c.settled[id] && dead == "" && !c.unsure[id] {
		t.Errorf("%s: acknowledged %v, dead-lettered %q", id, c.settled[id], dead)
	}
	if strings.HasPrefix(id, "poison") && dead == "" {
		t.Errorf("%s isn't dead-lettered", id)
	}
	if c.acked[id] > 1 {
		t.Errorf("the ack of %s was answered ACKED %d times", id, c.acked[id])
	}
}

// drain consumes until nothing is owed.
func (c *subCrash) drain(t *testing.T, g *gateway, stub strawv1.SubscriptionServiceClient) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	stream, stop, err := openStream(ctx, strawv1.NewEventServiceClient(g.dial()))
	defer stop()
	if err != nil {
		t.Fatal(err)
	}
	for {
		s, err := stub.GetSubscription(ctx, &strawv1.GetSubscriptionRequest{Id: "crash"})
		if err != nil {
			t.Fatalf("at the end: %v\n%s", err, g.logs)
		}
		if s.GetBacklog() == 0 {
			return
		}
		f, err := stream.Recv()
		if err != nil {
			t.Fatalf("at the end, with %v: %v\n%s", s, err, g.logs)
		}
		var fine, poison []*strawv1.Delivery
		for _, d := range f.GetDeliveries() {
			c.delivered[d.GetEvent().GetId()]++
			if strings.HasPrefix(d.GetEvent().GetId(), "poison") {
				poison = append(poison, d)
			} else {
				fine = append(fine, d)
			}
		}
		if !c.acknowledge(ctx, stub, fine) || !c.nack(ctx, stub, poison) {
			t.Fatalf("at the end a call failed\n%s", g.logs)
		}
	}
}
