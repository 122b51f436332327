package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// A durableReader is a subscription that stays, its consumers, and what came of each of its events.
type durableReader struct {
	s       *soak
	id      string
	types   []string
	filter  string
	matches func(*strawv1.Event) bool

	mu     sync.Mutex
	acked  map[string]int  // how often ACKED was answered
	unsure map[string]bool // settled by a call that wasn't answered
	came   map[string]bool
}

// createSubscriptions makes those that stay.
func (s *soak) createSubscriptions() {
	s.durable = []*durableReader{
		{id: "stays-all", matches: func(*strawv1.Event) bool { return true }},
		{
			id: "stays-picky", types: []string{"analysis.*", "search.alert"}, filter: `event.id.contains("3")`,
			matches: func(e *strawv1.Event) bool {
				return (strings.HasPrefix(e.GetType(), "analysis.") || e.GetType() == "search.alert") && strings.Contains(e.GetId(), "3")
			},
		},
	}
	conn := s.dialSoak()
	defer conn.Close()
	for _, d := range s.durable {
		d.s, d.acked, d.unsure, d.came = s, map[string]int{}, map[string]bool{}, map[string]bool{}
		_, err := strawv1.NewSubscriptionServiceClient(conn).CreateSubscription(s.t.Context(), &strawv1.CreateSubscriptionRequest{Subscription: &strawv1.Subscription{
			Id: d.id, Types: d.types, Filter: d.filter, AckDeadline: durationpb.New(5 * time.Minute), MaxInFlight: 500, MaxAttempts: proto.Int32(maxAttempts),
			RetryBackoff: &strawv1.Backoff{Min: durationpb.New(time.Millisecond), Max: durationpb.New(50 * time.Millisecond)},
		}})
		if err != nil {
			s.t.Fatalf("create %s: %v\n%s", d.id, err, s.g.logs)
		}
	}
}

// consumeGRPC is one visit of a consumer: it takes events and settles them, and vanishes with what is on its way.
func (d *durableReader) consumeGRPC(ctx context.Context, random *rand.Rand) {
	d.consume(ctx, random, between(random, 2*time.Second, 8*time.Second))
}

// consume leaves after a time, between frames: a consumer that settles what its stream has lost can't tell whether another has
// it by now. So that there is a frame to leave after, one comes each second at least.
func (d *durableReader) consume(ctx context.Context, random *rand.Rand, leave time.Duration) {
	conn := d.s.dialSoak()
	defer conn.Close()
	calls := grpcCalls{strawv1.NewSubscriptionServiceClient(conn)}
	visit, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	began := time.Now()
	stream, err := strawv1.NewEventServiceClient(conn).Subscribe(visit, &strawv1.SubscribeRequest{
		SubscriptionId: d.id, MaxDeliveriesPerResponse: 50, MaxOutstanding: 200, HeartbeatInterval: durationpb.New(time.Second),
	})
	for err == nil && ctx.Err() == nil && time.Since(began) < leave {
		var f *strawv1.SubscribeResponse
		if f, err = stream.Recv(); err == nil {
			d.handle(calls, random, f.GetDeliveries())
		}
	}
	d.s.fine(visit, "the stream of "+d.id, err)
}

// errLeft ends a visit whose time is over.
var errLeft = errors.New("the client left")

// consumeREST is consume over REST.
func (d *durableReader) consumeREST(ctx context.Context, random *rand.Rand) {
	leave, began := between(random, 2*time.Second, 8*time.Second), time.Now()
	client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	calls := restCalls{d.s, client}
	body := fmt.Sprintf(`{"subscriptionId":%q,"maxDeliveriesPerResponse":50,"maxOutstanding":100,"heartbeatInterval":"1s"}`, d.id)
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, d.s.g.http+"/v1/events:subscribe", strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	err = d.s.lines(req, func(line string) error {
		frame, isFrame := strings.CutPrefix(line, `{"result":`)
		if !isFrame {
			return errors.New(line)
		}
		f := &strawv1.SubscribeResponse{}
		if err := protojson.Unmarshal([]byte(strings.TrimSuffix(frame, "}")), f); err != nil {
			return fmt.Errorf("%w in %.300s", err, frame)
		}
		d.handle(calls, random, f.GetDeliveries())
		if ctx.Err() != nil || time.Since(began) > leave {
			return errLeft
		}
		return nil
	})
	if err == errLeft {
		err = nil
	}
	d.s.fine(ctx, "the REST stream of "+d.id, err)
}

// calls settle deliveries, over one transport or the other.
type calls interface {
	acknowledge(ctx context.Context, subscription string, ackIDs []string) ([]*strawv1.AckResult, error)
	nack(ctx context.Context, req *strawv1.NackRequest) ([]*strawv1.AckResult, error)
	extend(ctx context.Context, subscription string, ackIDs []string) ([]*strawv1.AckResult, error)
}

// handle settles a frame: most events are acknowledged, some after an extension, poison is nacked, a few are released or kept
// without an answer. It is done before the consumer looks at whether it should leave.
func (d *durableReader) handle(calls calls, random *rand.Rand, deliveries []*strawv1.Delivery) {
	var fine, poison, released, extended []*strawv1.Delivery
	d.mu.Lock()
	for _, v := range deliveries {
		id := v.GetEvent().GetId()
		d.came[id] = true
		switch roll := random.IntN(100); {
		case d.acked[id] > 0:
			d.s.problem(problemDurable, "%s: %s was delivered again, attempt %d, after its ack was answered", d.id, id, v.GetAttempt())
		case strings.HasPrefix(id, "poison"):
			poison = append(poison, v)
		case roll == 0: // kept
		case roll == 1:
			released = append(released, v)
		case roll < 5:
			extended = append(extended, v)
			fine = append(fine, v)
		default:
			fine = append(fine, v)
		}
	}
	d.mu.Unlock()
	ctx := context.WithoutCancel(d.s.t.Context())
	if len(extended) > 0 {
		results, err := calls.extend(ctx, d.id, ackIDs(extended))
		d.settled("extend", extended, results, err)
		d.s.count(didExtend)
	}
	d.acknowledge(ctx, calls, fine)
	if len(released) > 0 {
		results, err := calls.nack(ctx, &strawv1.NackRequest{SubscriptionId: d.id, AckIds: ackIDs(released), Action: &strawv1.NackRequest_Release{Release: true}})
		d.settled("release", released, results, err)
	}
	if len(poison) > 0 {
		req := &strawv1.NackRequest{SubscriptionId: d.id, AckIds: ackIDs(poison), Reason: "poison"}
		if random.IntN(3) == 0 {
			req.Action = &strawv1.NackRequest_DeadLetter{DeadLetter: true}
		}
		results, err := calls.nack(ctx, req)
		d.settled("nack", poison, results, err)
		d.s.count(didNack)
	}
}

// acknowledge asks until it has an answer.
func (d *durableReader) acknowledge(ctx context.Context, calls calls, deliveries []*strawv1.Delivery) {
	if len(deliveries) == 0 {
		return
	}
	for {
		results, err := calls.acknowledge(ctx, d.id, ackIDs(deliveries))
		if d.settled("acknowledge", deliveries, results, err) {
			return
		}
	}
}

// settled notes the results of a call and reports whether it was answered.
func (d *durableReader) settled(what string, deliveries []*strawv1.Delivery, results []*strawv1.AckResult, err error) bool {
	ok := d.s.fine(d.s.t.Context(), what+" for "+d.id, err)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !ok {
		for _, v := range deliveries {
			d.unsure[v.GetEvent().GetId()] = true
		}
		return d.s.t.Context().Err() != nil
	}
	for i, r := range results {
		id := deliveries[i].GetEvent().GetId()
		switch {
		case r.GetStatus() == strawv1.AckResult_ACKED && what == "acknowledge":
			d.acked[id]++
			d.s.count(didAck)
		case r.GetStatus() == strawv1.AckResult_ACKED:
		case r.GetStatus() == strawv1.AckResult_ALREADY_ACKED && d.unsure[id]:
		default:
			d.s.problem(problemDurable, "%s: %s of %s, attempt %d: %v", d.id, what, id, deliveries[i].GetAttempt(), r.GetStatus())
		}
	}
	if len(results) != len(deliveries) {
		d.s.problem(problemDurable, "%s: %s of %d events has %d results", d.id, what, len(deliveries), len(results))
	}
	return true
}

func ackIDs(deliveries []*strawv1.Delivery) (ids []string) {
	for _, d := range deliveries {
		ids = append(ids, d.GetAckId())
	}
	return ids
}

type grpcCalls struct {
	stub strawv1.SubscriptionServiceClient
}

func (c grpcCalls) acknowledge(ctx context.Context, subscription string, ackIDs []string) ([]*strawv1.AckResult, error) {
	resp, err := c.stub.Acknowledge(ctx, &strawv1.AcknowledgeRequest{SubscriptionId: subscription, AckIds: ackIDs})
	return resp.GetResults(), err
}

func (c grpcCalls) nack(ctx context.Context, req *strawv1.NackRequest) ([]*strawv1.AckResult, error) {
	resp, err := c.stub.Nack(ctx, req)
	return resp.GetResults(), err
}

func (c grpcCalls) extend(ctx context.Context, subscription string, ackIDs []string) ([]*strawv1.AckResult, error) {
	resp, err := c.stub.ExtendDeadline(ctx, &strawv1.ExtendDeadlineRequest{SubscriptionId: subscription, AckIds: ackIDs})
	return resp.GetResults(), err
}

type restCalls struct {
	s      *soak
	client *http.Client
}

func (c restCalls) acknowledge(ctx context.Context, subscription string, ackIDs []string) ([]*strawv1.AckResult, error) {
	c.s.count(didAckREST)
	return c.call(ctx, subscription, "acknowledge", map[string]any{"ackIds": ackIDs})
}

func (c restCalls) nack(ctx context.Context, req *strawv1.NackRequest) ([]*strawv1.AckResult, error) {
	body := map[string]any{"ackIds": req.GetAckIds(), "reason": req.GetReason()}
	if req.GetRelease() {
		body["release"] = true
	}
	if req.GetDeadLetter() {
		body["deadLetter"] = true
	}
	return c.call(ctx, req.GetSubscriptionId(), "nack", body)
}

func (c restCalls) extend(ctx context.Context, subscription string, ackIDs []string) ([]*strawv1.AckResult, error) {
	return c.call(ctx, subscription, "extendDeadline", map[string]any{"ackIds": ackIDs})
}

func (c restCalls) call(ctx context.Context, subscription, method string, body any) ([]*strawv1.AckResult, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.s.g.http+"/v1/subscriptions/"+subscription+":"+method, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, answered(resp)
	}
	var answer struct {
		Results []struct{ AckID, Status string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	var results []*strawv1.AckResult
	for _, r := range answer.Results {
		results = append(results, &strawv1.AckResult{AckId: r.AckID, Status: strawv1.AckResult_Status(strawv1.AckResult_Status_value[r.Status])})
	}
	return results, nil
}

// checkSubscriptions consumes what is left and compares what came with the log.
func (s *soak) checkSubscriptions() {
	conn := s.dialSoak()
	defer conn.Close()
	stub := strawv1.NewSubscriptionServiceClient(conn)
	log := s.listAll()
	for _, d := range s.durable {
		dead := d.drain(stub)
		for _, e := range log {
			if d.matches(e) && !strings.HasPrefix(e.GetId(), "fill-") {
				d.checkEvent(e.GetId(), dead[e.GetId()])
			}
		}
		for id := range d.came {
			if strings.HasPrefix(id, "forged") {
				s.problem(problemForged, "%s came to %s", id, d.id)
			}
		}
		s.t.Logf("%s: %d events came, %d are dead-lettered", d.id, len(d.came), len(dead))
	}
}

// drain consumes until nothing is owed, and returns why what is dead-lettered is so.
func (d *durableReader) drain(stub strawv1.SubscriptionServiceClient) map[string]string {
	ctx := d.s.t.Context()
	random := rand.New(rand.NewPCG(2, 2))
	poll(2*time.Minute, func() bool {
		d.consume(ctx, random, time.Second)
		sub, err := stub.GetSubscription(ctx, &strawv1.GetSubscriptionRequest{Id: d.id})
		return err == nil && sub.GetBacklog() == 0
	})
	if sub, err := stub.GetSubscription(ctx, &strawv1.GetSubscriptionRequest{Id: d.id}); err != nil || sub.GetBacklog() > 0 {
		d.s.problem(problemDurable, "%s is still owed events: %v, %v", d.id, sub, err)
	}
	dead := map[string]string{}
	for token := ""; ; {
		page, err := stub.ListDeadLetters(ctx, &strawv1.ListDeadLettersRequest{SubscriptionId: d.id, PageSize: 1000, PageToken: token})
		if err != nil {
			d.s.t.Fatalf("list dead letters: %v\n%s", err, d.s.g.logs)
		}
		for _, l := range page.GetDeadLetters() {
			id := l.GetEvent().GetId()
			if dead[id] != "" {
				d.s.problem(problemDurable, "%s: %s is dead-lettered twice", d.id, id)
			}
			dead[id] = l.GetReason()
		}
		if token = page.GetNextPageToken(); token == "" {
			return dead
		}
	}
}

// checkEvent looks at what came of an event that the subscription wants.
func (d *durableReader) checkEvent(id, dead string) {
	acked := d.acked[id]
	switch {
	case acked > 1:
		d.s.problem(problemDurable, "%s: the ack of %s was answered ACKED %d times", d.id, id, acked)
	case acked == 1 && dead != "":
		d.s.problem(problemDurable, "%s: %s was acknowledged, and is dead-lettered: %s", d.id, id, dead)
	case acked == 0 && dead == "" && !d.unsure[id]:
		d.s.problem(problemDurable, "%s: %s was neither acknowledged nor dead-lettered; it came: %v", d.id, id, d.came[id])
	case dead != "" && dead != reasonLost && !strings.HasPrefix(id, "poison"):
		d.s.problem(problemDurable, "%s: %s is dead-lettered: %s", d.id, id, dead)
	}
}

// passingSubscription is one visit of a client that creates a subscription with a filter of its own, uses every call of it, and
// deletes it, now and then under its consumer's feet.
func (s *soak) passingSubscription(ctx context.Context, random *rand.Rand) {
	conn := s.dialSoak()
	defer conn.Close()
	stub, events := strawv1.NewSubscriptionServiceClient(conn), strawv1.NewEventServiceClient(conn)
	id := fmt.Sprintf("passing-%d", random.Uint64())
	after := s.reader.somewhere(random)
	if after == "" {
		_ = pause(ctx, 100*time.Millisecond)
		return
	}
	calling := context.WithoutCancel(ctx) // it always deletes what it created
	_, err := stub.CreateSubscription(calling, &strawv1.CreateSubscriptionRequest{Subscription: &strawv1.Subscription{
		Id: id, Filter: ownFilter(random), AckDeadline: durationpb.New(time.Second), MaxInFlight: 100, MaxAttempts: proto.Int32(2),
		Start: &strawv1.Subscription_After{After: after}, Labels: map[string]string{"visit": id},
	}})
	if !s.fine(ctx, "create", err) {
		return
	}
	visit, cancel := leaving(ctx, between(random, time.Second, 3*time.Second))
	defer cancel()
	stream, err := events.Subscribe(visit, &strawv1.SubscribeRequest{SubscriptionId: id, MaxDeliveriesPerResponse: 10})
	for n := 0; err == nil; n++ {
		var f *strawv1.SubscribeResponse
		if f, err = stream.Recv(); err != nil || len(f.GetDeliveries()) == 0 {
			continue
		}
		// Each call is made to its end: a seek counts what it would owe, which takes its time.
		err = s.useUp(calling, stub, random, id, n, ackIDs(f.GetDeliveries()))
	}
	s.fine(visit, "the stream of a passing subscription", err)
	s.handleDeadLetters(calling, stub, id)
	for {
		_, err := stub.DeleteSubscription(calling, &strawv1.DeleteSubscriptionRequest{Id: id})
		if err == nil || status.Code(err) == codes.NotFound {
			return
		}
		s.fine(calling, "delete", err)
	}
}

// useUp does one thing or another with a frame.
func (s *soak) useUp(ctx context.Context, stub strawv1.SubscriptionServiceClient, random *rand.Rand, id string, n int, acks []string) (err error) {
	half := (len(acks) + 1) / 2
	switch n % 6 {
	case 0, 5:
		_, err = stub.Acknowledge(ctx, &strawv1.AcknowledgeRequest{SubscriptionId: id, AckIds: append(slices.Clone(acks), "forged", acks[0])})
	case 1:
		_, err = stub.Nack(ctx, &strawv1.NackRequest{SubscriptionId: id, AckIds: acks[:half], Action: &strawv1.NackRequest_DeadLetter{DeadLetter: true}, Reason: "I don't want it"})
	case 3:
		_, err = stub.Nack(ctx, &strawv1.NackRequest{SubscriptionId: id, AckIds: acks[:half], Action: &strawv1.NackRequest_RetryDelay{RetryDelay: durationpb.New(10 * time.Millisecond)}})
	case 4:
		for _, paused := range []bool{true, false} {
			if _, err = stub.UpdateSubscription(ctx, &strawv1.UpdateSubscriptionRequest{
				Subscription: &strawv1.Subscription{Id: id, Paused: paused, Filter: ownFilter(random)},
				UpdateMask:   &fieldmaskpb.FieldMask{Paths: []string{"paused", "filter"}},
			}); err != nil {
				return err
			}
		}
	case 2:
		if after := s.reader.somewhere(random); after != "" {
			req := &strawv1.SeekSubscriptionRequest{SubscriptionId: id, Start: &strawv1.SeekSubscriptionRequest_After{After: after}, DryRun: random.IntN(2) == 0}
			if _, err = stub.SeekSubscription(ctx, req); err != nil {
				return err
			}
			if !req.GetDryRun() {
				s.count(didSeek)
				return nil
			}
			req.DryRun = false
			if _, err = stub.SeekSubscription(ctx, req); err == nil {
				s.count(didSeek)
			}
		}
	}
	return err
}

func (s *soak) handleDeadLetters(ctx context.Context, stub strawv1.SubscriptionServiceClient, id string) {
	page, err := stub.ListDeadLetters(ctx, &strawv1.ListDeadLettersRequest{SubscriptionId: id})
	if !s.fine(ctx, "list dead letters", err) || len(page.GetDeadLetters()) == 0 {
		return
	}
	_, err = stub.RedeliverDeadLetters(ctx, &strawv1.RedeliverDeadLettersRequest{SubscriptionId: id, EventIds: []string{page.GetDeadLetters()[0].GetEvent().GetId()}})
	if s.fine(ctx, "redeliver", err) {
		s.count(didDeadLetters)
	}
	_, err = stub.PurgeDeadLetters(ctx, &strawv1.PurgeDeadLettersRequest{SubscriptionId: id, All: true})
	if s.fine(ctx, "purge", err) {
		s.count(didDeadLetters)
	}
}
