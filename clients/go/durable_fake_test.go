package straw_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// leanDurable is a durable subscription that does the least possible: it sends its events in order, around and around if it is
// endless, holds to max_outstanding, and takes every settlement for an ack. It is what benchmarks and examples consume; what durable
// subscriptions promise is tested against the real one.
type leanDurable struct {
	strawv1.UnimplementedEventServiceServer
	strawv1.UnimplementedSubscriptionServiceServer
	events  []*straw.Event
	endless bool

	mu          sync.Mutex
	room        sync.Cond
	outstanding int
}

func newLeanDurable(events []*straw.Event, endless bool) *leanDurable {
	g := &leanDurable{events: events, endless: endless}
	g.room.L = &g.mu
	return g
}

func (g *leanDurable) register(s *grpc.Server) {
	strawv1.RegisterEventServiceServer(s, g)
	strawv1.RegisterSubscriptionServiceServer(s, g)
}

func (g *leanDurable) GetSubscription(context.Context, *strawv1.GetSubscriptionRequest) (*straw.Subscription, error) {
	return &straw.Subscription{AckDeadline: durationpb.New(30 * time.Second)}, nil
}

func (g *leanDurable) Acknowledge(_ context.Context, r *strawv1.AcknowledgeRequest) (*strawv1.AcknowledgeResponse, error) {
	g.mu.Lock()
	g.outstanding -= len(r.GetAckIds())
	g.room.Signal()
	g.mu.Unlock()
	resp := &strawv1.AcknowledgeResponse{Results: make([]*strawv1.AckResult, len(r.GetAckIds()))}
	for i, id := range r.GetAckIds() {
		resp.Results[i] = &strawv1.AckResult{AckId: id, Status: straw.Acked}
	}
	return resp, nil
}

func (g *leanDurable) Nack(_ context.Context, r *strawv1.NackRequest) (*strawv1.NackResponse, error) {
	resp, err := g.Acknowledge(context.Background(), &strawv1.AcknowledgeRequest{AckIds: r.GetAckIds()})
	return &strawv1.NackResponse{Results: resp.GetResults()}, err
}

func (g *leanDurable) Subscribe(r *strawv1.SubscribeRequest, s grpc.ServerStreamingServer[straw.Frame]) error {
	defer context.AfterFunc(s.Context(), g.room.Broadcast)()
	if err := s.Send(&straw.Frame{HeartbeatInterval: durationpb.New(15 * time.Second)}); err != nil {
		return err
	}
	g.mu.Lock()
	g.outstanding = 0
	g.mu.Unlock()
	for next := 0; ; {
		n := g.reserve(s.Context(), int(r.GetMaxOutstanding()))
		if n == 0 {
			return s.Context().Err()
		}
		f := &straw.Frame{}
		for range n {
			if next == len(g.events) && !g.endless {
				break
			}
			e := g.events[next%len(g.events)]
			f.Deliveries = append(f.Deliveries, &strawv1.Delivery{Event: e, Attempt: 1, AckId: fmt.Sprintf("%040d", next)})
			next++
		}
		if err := s.Send(f); err != nil {
			return err
		}
		if next == len(g.events) && !g.endless {
			<-s.Context().Done()
			return s.Context().Err()
		}
	}
}

// reserve waits until more may be outstanding, and returns how many: 0 when the context has ended.
func (g *leanDurable) reserve(ctx context.Context, most int) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.outstanding >= most && ctx.Err() == nil {
		g.room.Wait()
	}
	if ctx.Err() != nil {
		return 0
	}
	n := min(most-g.outstanding, 256)
	g.outstanding += n
	return n
}
