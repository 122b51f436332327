package main

import (
	"context"
	"fmt"
	"os"
)

// durable measures what consumers of durable subscriptions receive and acknowledge.
func (b *Bench) durable(ctx context.Context) ([]Result, error) {
	results, err := b.consumers(ctx)
	if err != nil {
		return nil, err
	}
	behind, err := b.behind(ctx)
	if err != nil {
		return nil, err
	}
	many, err := b.subscriptions(ctx)
	if err != nil {
		return nil, err
	}
	return append(append(results, behind...), many...), nil
}

// consumed runs Straw on a store and has so many consumers settle events.
func (b *Bench) consumed(ctx context.Context, dir string, config ConsumerConfig) (Sample, error) {
	t, _, err := b.startStraw(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer t.Kill()
	config.Addr = t.GRPC
	consumers, err := startRole(ctx, "consumer", config, nil)
	if err != nil {
		return nil, err
	}
	defer consumers.Kill()
	return b.replayThrough(ctx, t, consumers, 1)
}

// consumers measures one subscription, shared by more and more consumers, against a JetStream durable pull consumer.
func (b *Bench) consumers(ctx context.Context) ([]Result, error) {
	full, err := b.filled(ctx, OrderedIDs, b.scale.Consumed)
	if err != nil {
		return nil, err
	}
	var sides []Side
	for _, t := range teams {
		sides = append(sides, Side{"jetstream, " + t.name(), func(ctx context.Context) (Sample, error) {
			return b.consumeJetStream(ctx, t)
		}}, Side{"bare, " + t.name(), func(ctx context.Context) (Sample, error) {
			return b.consumeBare(ctx, t, full.events)
		}}, Side{"straw, " + t.name(), func(ctx context.Context) (Sample, error) {
			return b.consumed(ctx, full.dir, ConsumerConfig{
				Subscriptions: 1, Consumers: t.consumers, InFlight: t.inFlight, PerConn: 1, Events: full.events,
			})
		}})
	}
	m, err := b.rounds(ctx, "durable", sides...)
	if err != nil {
		return nil, err
	}
	var results []Result
	for _, t := range teams {
		r := compare("durable", "delivered and acknowledged, "+t.name(), "/s", m.figure("jetstream, "+t.name(), "per_s"),
			m.figure("straw, "+t.name(), "per_s"), atLeast(3))
		r.Limit.Name = "jetstream"
		calls := compare("durable", "against bare calls, "+t.name(), "/s", m.figure("bare, "+t.name(), "per_s"),
			m.figure("straw, "+t.name(), "per_s"), Bar{})
		calls.Limit.Name = "bare"
		results = append(results, r, calls)
	}
	return results, nil
}

// A team is a number of consumers that share a subscription, and how many events may be in flight to all of them, in Straw and
// in JetStream alike.
type team struct {
	consumers, inFlight int
}

// teams are measured, all against the same bar. The default in flight leaves each of 64 consumers 15 events, so that this line
// says what a call costs; beside it is one where each can hold a frame's worth.
var teams = []team{{1, 1000}, {8, 1000}, {64, 1000}, {64, 16_384}}

func (t team) name() string {
	return fmt.Sprintf("consumers: %d, in flight: %d", t.consumers, t.inFlight)
}

func (b *Bench) consumeJetStream(ctx context.Context, team team) (Sample, error) {
	dir, err := os.MkdirTemp(b.dir, "jetstream-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	t, err := b.startLimit(ctx, "jetstream", JetStreamConfig{Dir: dir, Events: b.scale.JetStreamConsumed, SyncAlways: true})
	if err != nil {
		return nil, err
	}
	defer t.Kill()
	config := JetStreamConsumersConfig{Addr: t.GRPC, Events: b.scale.JetStreamConsumed, Consumers: team.consumers, InFlight: team.inFlight}
	reader, err := startRole(ctx, "jetstream-consumers", config, nil)
	if err != nil {
		return nil, err
	}
	defer reader.Kill()
	return b.replayThrough(ctx, t, reader, 1)
}

// consumeBare has the same consumers settle events of a program that does nothing else than send and answer.
func (b *Bench) consumeBare(ctx context.Context, team team, events int) (Sample, error) {
	t, err := b.startLimit(ctx, "bare-settling", BareSettlingConfig{Consumers: team.consumers, InFlight: team.inFlight})
	if err != nil {
		return nil, err
	}
	defer t.Kill()
	consumers, err := startRole(ctx, "consumer", ConsumerConfig{
		Addr: t.GRPC, Subscriptions: 1, Consumers: team.consumers, InFlight: team.inFlight, PerConn: 1, Events: events,
	}, nil)
	if err != nil {
		return nil, err
	}
	defer consumers.Kill()
	return b.replayThrough(ctx, t, consumers, 1)
}

// behind measures what an event costs a subscription that has all of a large log before it, against one that soon reaches
// the head. Both settle as many.
func (b *Bench) behind(ctx context.Context) ([]Result, error) {
	small, err := b.filled(ctx, OrderedIDs, b.scale.Consumed)
	if err != nil {
		return nil, err
	}
	large, err := b.filled(ctx, OrderedIDs, b.scale.Stored)
	if err != nil {
		return nil, err
	}
	side := func(name, dir string) Side {
		return Side{name, func(ctx context.Context) (Sample, error) {
			return b.consumed(ctx, dir, ConsumerConfig{Subscriptions: 1, Consumers: 8, PerConn: 1, Events: small.events})
		}}
	}
	m, err := b.rounds(ctx, "durable, behind", side("at the head", small.dir), side("behind", large.dir))
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("server CPU per event, %s events behind", number(float64(b.scale.Stored)))
	return []Result{compare("durable", what, "µs", m.figure("at the head", "server_cpu_us"), m.figure("behind", "server_cpu_us"), atMost(1.3))}, nil
}

// subscriptions measures what an event costs each of many subscriptions on one log, against one that settles as many alone.
func (b *Bench) subscriptions(ctx context.Context) ([]Result, error) {
	const share = 10 // subscriptions to a connection
	each := max(1, b.scale.Consumed/b.scale.Subscriptions)
	small, err := b.filled(ctx, OrderedIDs, each)
	if err != nil {
		return nil, err
	}
	full, err := b.filled(ctx, OrderedIDs, b.scale.Consumed)
	if err != nil {
		return nil, err
	}
	m, err := b.rounds(ctx, "durable, subscriptions",
		Side{"one", func(ctx context.Context) (Sample, error) {
			return b.consumed(ctx, full.dir, ConsumerConfig{Subscriptions: 1, Consumers: 1, PerConn: 1, Events: full.events})
		}},
		Side{"many", func(ctx context.Context) (Sample, error) {
			return b.consumed(ctx, small.dir, ConsumerConfig{Subscriptions: b.scale.Subscriptions, Consumers: 1, PerConn: share, Events: each})
		}},
	)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("server CPU per event, %d subscriptions on one log", b.scale.Subscriptions)
	return []Result{compare("durable", what, "µs", m.figure("one", "server_cpu_us"), m.figure("many", "server_cpu_us"), Bar{})}, nil
}
