package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// JetStreamConsumersConfig is the server to consume from, how many events it holds, with how many consumers, and how many events
// may be in flight.
type JetStreamConsumersConfig struct {
	Addr      string
	Events    int
	Consumers int
	InFlight  int
}

// doubleAcks is how many acknowledgements each consumer has under way at once: enough that none waits for another's answer.
const doubleAcks = 256

// jetStreamConsumers share one durable pull consumer, a connection each, and have every acknowledgement confirmed.
type jetStreamConsumers struct {
	config JetStreamConsumersConfig
	conns  []*nats.Conn
}

func openJetStreamConsumers(config JetStreamConsumersConfig) (*jetStreamConsumers, any, error) {
	j := &jetStreamConsumers{config: config}
	for range config.Consumers {
		conn, err := nats.Connect("nats://" + config.Addr)
		if err != nil {
			j.close()
			return nil, nil, err
		}
		j.conns = append(j.conns, conn)
	}
	return j, struct{}{}, nil
}

func (j *jetStreamConsumers) do(verb string, _ json.RawMessage) (any, error) {
	if verb != "replay" {
		return nil, errVerb(verb)
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), 3*time.Minute,
		fmt.Errorf("%d consumers had not settled %d events within three minutes", j.config.Consumers, j.config.Events))
	defer cancel()
	run := &doubleAcking{limit: int64(j.config.Events), done: make(chan struct{})}
	began := monotonic()
	for i, conn := range j.conns {
		stop, err := run.consume(ctx, conn, j.config.InFlight, i == 0)
		if err != nil {
			return nil, err
		}
		defer stop()
	}
	select {
	case <-run.done:
		return &ConsumeResult{ReplayResult{Events: j.config.Events, Elapsed: monotonic() - began}, j.config.Events}, run.failure()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// doubleAcking counts what all consumers have had confirmed.
type doubleAcking struct {
	limit   int64
	settled atomic.Int64
	done    chan struct{}
	finish  sync.Once
	err     atomic.Pointer[error]
}

func (d *doubleAcking) failure() error {
	if err := d.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (d *doubleAcking) consume(ctx context.Context, conn *nats.Conn, inFlight int, first bool) (stop func(), err error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	config := jetstream.ConsumerConfig{Durable: "bench", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: inFlight}
	var consumer jetstream.Consumer
	if first {
		consumer, err = js.CreateConsumer(ctx, streamName, config)
	} else {
		consumer, err = js.Consumer(ctx, streamName, config.Durable)
	}
	if err != nil {
		return nil, err
	}
	free := make(chan struct{}, doubleAcks)
	consuming, err := consumer.Consume(func(m jetstream.Msg) {
		free <- struct{}{}
		go func() {
			defer func() { <-free }()
			d.settle(m.DoubleAck(ctx))
		}()
	}, jetstream.PullMaxMessages(1000))
	if err != nil {
		return nil, err
	}
	return consuming.Stop, nil
}

func (d *doubleAcking) settle(err error) {
	if err != nil {
		d.err.CompareAndSwap(nil, &err)
	}
	if err != nil || d.settled.Add(1) == d.limit {
		d.finish.Do(func() { close(d.done) })
	}
}

func (j *jetStreamConsumers) close() {
	for _, conn := range j.conns {
		conn.Close()
	}
}
