package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// replayed has a process of subscribers read a server from the earliest event to the head, so often, and measures both.
func (b *Bench) replayed(ctx context.Context, t *Target, config SubscriberConfig, passes int) (Sample, error) {
	config.Addr, config.PerConn = t.GRPC, 1
	readers, err := startRole(ctx, "subscriber", config, nil)
	if err != nil {
		return nil, err
	}
	defer readers.Kill()
	return b.replayThrough(ctx, t, readers, passes)
}

func (b *Bench) replayThrough(ctx context.Context, t *Target, readers *Process, passes int) (Sample, error) {
	before, err := cpuOf(t.Process, readers)
	if err != nil {
		return nil, err
	}
	var total ReplayResult
	for range passes {
		var r ReplayResult
		if err := readers.call(ctx, "replay", nil, &r); err != nil {
			return nil, err
		}
		total.Events, total.Bytes, total.Elapsed = total.Events+r.Events, total.Bytes+r.Bytes, total.Elapsed+r.Elapsed
	}
	after, err := cpuOf(t.Process, readers)
	if err != nil {
		return nil, err
	}
	s := Sample{
		"s": total.Elapsed.Seconds(), "events": float64(total.Events), "bytes": float64(total.Bytes),
		"server_cpu_s": (after[0] - before[0]).Seconds(), "client_cpu_s": (after[1] - before[1]).Seconds(),
	}
	if total.Events > 0 {
		s.perEvent(float64(total.Events))
	}
	return s, nil
}

func cpuOf(server, client *Process) (used [2]time.Duration, err error) {
	if used[0], err = server.CPU(); err == nil {
		used[1], err = client.CPU()
	}
	return used, err
}

// perEvent adds the figures of each of so many events.
func (s Sample) perEvent(events float64) {
	s["per_s"] = events / s["s"]
	s["server_cpu_us"], s["client_cpu_us"] = s["server_cpu_s"]*1e6/events, s["client_cpu_s"]*1e6/events
}

// leanRing bounds the events that the lean program holds for a replay of many more: it sends them over and over.
const leanRing = 100_000

// replay measures one subscriber that reads a store from its beginning.
func (b *Bench) replay(ctx context.Context) ([]Result, error) {
	full, err := b.filled(ctx, OrderedIDs, b.scale.Replayed)
	if err != nil {
		return nil, err
	}
	ring := min(leanRing, b.scale.Replayed)
	leanSide := func(name string, single bool) Side {
		return Side{name, func(ctx context.Context) (Sample, error) {
			t, err := b.startLimit(ctx, "lean", LeanConfig{Fill: ring, Repeat: b.scale.Replayed / ring, Single: single})
			if err != nil {
				return nil, err
			}
			defer t.Kill()
			return b.replayed(ctx, t, SubscriberConfig{Streams: 1, Decode: decodeGenerated}, 1)
		}}
	}
	m, err := b.rounds(ctx, "replay",
		leanSide("batched", false),
		Side{"straw", func(ctx context.Context) (Sample, error) {
			t, _, err := b.startStraw(ctx, full.dir)
			if err != nil {
				return nil, err
			}
			defer t.Kill()
			s, err := b.replayed(ctx, t, SubscriberConfig{Streams: 1, Decode: decodeClient}, 1)
			if err == nil && int(s["events"]) < full.events {
				err = fmt.Errorf("the replay gave %.0f of %d events", s["events"], full.events)
			}
			return s, err
		}},
		leanSide("single", true),
		Side{"jetstream", b.replayJetStream},
	)
	if err != nil {
		return nil, err
	}
	line := func(what, name, unit, limit string, wanted Bar) Result {
		return compare("replay", what, unit, m.figure(limit, name), m.figure("straw", name), wanted)
	}
	return []Result{
		line("one subscriber, decoded by the Go client", "per_s", "/s", "batched", atLeast(0.80)),
		line("against one event a message", "per_s", "/s", "single", Bar{}),
		line("against a JetStream ordered consumer, undecoded", "per_s", "/s", "jetstream", Bar{}),
		line("server CPU per event", "server_cpu_us", "µs", "batched", Bar{}),
		line("client CPU per event", "client_cpu_us", "µs", "batched", Bar{}),
	}, nil
}

func (b *Bench) replayJetStream(ctx context.Context) (Sample, error) {
	dir, err := os.MkdirTemp(b.dir, "jetstream-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	t, err := b.startLimit(ctx, "jetstream", JetStreamConfig{Dir: dir, Events: b.scale.JetStream})
	if err != nil {
		return nil, err
	}
	defer t.Kill()
	reader, err := startRole(ctx, "jetstream-reader", JetStreamReaderConfig{Addr: t.GRPC, Events: b.scale.JetStream}, nil)
	if err != nil {
		return nil, err
	}
	defer reader.Kill()
	return b.replayThrough(ctx, t, reader, 1)
}
