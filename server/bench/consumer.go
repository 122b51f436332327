package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// ConsumerConfig is a number of durable subscriptions from the earliest event, and their consumers, from one process.
type ConsumerConfig struct {
	Addr          string
	Subscriptions int
	Consumers     int // of each subscription, a connection each
	InFlight      int // how many events of each subscription may be; zero for the default
	PerConn       int // subscriptions that share a connection; only for one consumer each
	Events        int // to be settled of each subscription
}

// ConsumeResult is what all consumers together have settled.
type ConsumeResult struct {
	ReplayResult
	Calls int // acknowledgements, of any number of events
}

// consumer is a process of consumers that acknowledge what they receive: in one call, all that has come in during the one
// before it. It uses the generated stub.
type consumer struct {
	config ConsumerConfig
	conns  []*grpc.ClientConn
	ctx    context.Context
	cancel context.CancelCauseFunc
	calls  atomic.Int64
}

func openConsumer(config ConsumerConfig) (*consumer, any, error) {
	c := &consumer{config: config}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	for range (config.Subscriptions*config.Consumers + config.PerConn - 1) / config.PerConn {
		conn, err := grpc.NewClient(config.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			c.close()
			return nil, nil, err
		}
		c.conns = append(c.conns, conn)
	}
	for i := range config.Subscriptions {
		_, err := strawv1.NewSubscriptionServiceClient(c.conns[0]).CreateSubscription(c.ctx, &strawv1.CreateSubscriptionRequest{
			Subscription: &strawv1.Subscription{
				Id:          subscriptionID(i),
				Start:       &strawv1.Subscription_StartPosition{StartPosition: strawv1.StartPosition_EARLIEST},
				MaxInFlight: int32(config.InFlight),
			},
		})
		if err != nil {
			c.close()
			return nil, nil, err
		}
	}
	return c, struct{}{}, nil
}

func subscriptionID(i int) string { return fmt.Sprintf("bench-%d", i) }

func (c *consumer) do(verb string, _ json.RawMessage) (any, error) {
	if verb != "replay" {
		return nil, errVerb(verb)
	}
	began := monotonic()
	var all sync.WaitGroup
	for i := range c.config.Subscriptions {
		all.Go(func() {
			if err := c.consume(i); err != nil {
				c.cancel(fmt.Errorf("subscription %d: %w", i, err))
			}
		})
	}
	all.Wait()
	if err := context.Cause(c.ctx); err != nil {
		return nil, err
	}
	events := c.config.Events * c.config.Subscriptions
	return &ConsumeResult{ReplayResult{Events: events, Elapsed: monotonic() - began}, int(c.calls.Load())}, nil
}

// consume runs all consumers of a subscription until so many events are settled, and deletes it.
func (c *consumer) consume(sub int) error {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	var (
		settled atomic.Int64
		running sync.WaitGroup
		failure = make(chan error, c.config.Consumers)
	)
	for i := range c.config.Consumers {
		conn := c.conns[(sub*c.config.Consumers+i)/c.config.PerConn]
		running.Go(func() {
			err := c.follow(ctx, conn, subscriptionID(sub), func(n int) {
				if settled.Add(int64(n)) >= int64(c.config.Events) {
					cancel()
				}
			})
			if ctx.Err() == nil {
				failure <- err
				cancel()
			}
		})
	}
	running.Wait()
	select {
	case err := <-failure:
		return err
	default:
	}
	_, err := strawv1.NewSubscriptionServiceClient(c.conns[0]).DeleteSubscription(c.ctx, &strawv1.DeleteSubscriptionRequest{Id: subscriptionID(sub)})
	return err
}

// follow is one consumer: it reads, and at the same time acknowledges what it has read.
func (c *consumer) follow(ctx context.Context, conn *grpc.ClientConn, id string, settled func(int)) error {
	stream, err := strawv1.NewEventServiceClient(conn).Subscribe(ctx, &strawv1.SubscribeRequest{SubscriptionId: id})
	if err != nil {
		return err
	}
	var (
		mu      sync.Mutex
		waiting []string
		more    = make(chan struct{}, 1)
		failed  = make(chan error, 2)
	)
	go func() {
		for {
			select {
			case <-more:
			case <-ctx.Done():
				failed <- ctx.Err()
				return
			}
			mu.Lock()
			ids := waiting
			waiting = nil
			mu.Unlock()
			if len(ids) == 0 {
				continue
			}
			if err := c.acknowledge(ctx, conn, id, ids); err != nil {
				failed <- err
				return
			}
			settled(len(ids))
		}
	}()
	for {
		frame, err := stream.Recv()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			select {
			case err = <-failed:
			default:
			}
			return err
		}
		mu.Lock()
		for _, d := range frame.GetDeliveries() {
			waiting = append(waiting, d.GetAckId())
		}
		mu.Unlock()
		select {
		case more <- struct{}{}:
		default:
		}
	}
}

func (c *consumer) acknowledge(ctx context.Context, conn *grpc.ClientConn, id string, ids []string) error {
	r, err := strawv1.NewSubscriptionServiceClient(conn).Acknowledge(ctx, &strawv1.AcknowledgeRequest{SubscriptionId: id, AckIds: ids})
	if err != nil {
		return err
	}
	c.calls.Add(1)
	for _, result := range r.GetResults() {
		if result.GetStatus() != strawv1.AckResult_ACKED {
			return fmt.Errorf("an acknowledgement was answered %s", result.GetStatus())
		}
	}
	return nil
}

func (c *consumer) close() {
	c.cancel(errors.New("closed"))
	for _, conn := range c.conns {
		_ = conn.Close()
	}
}
