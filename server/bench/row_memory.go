package main

import (
	"context"
	"fmt"
)

// cost opens streams from one process and measures what each has added to the server's memory.
func (b *Bench) cost(ctx context.Context, t *Target, config RawSubscriberConfig) (Sample, error) {
	before, err := t.settledMemory(ctx)
	if err != nil {
		return nil, err
	}
	config.Addr = t.GRPC
	streams, err := startRole(ctx, "raw-subscriber", config, nil)
	if err != nil {
		return nil, err
	}
	defer streams.Kill()
	if err := waitIdle(ctx, t.PID()); err != nil {
		return nil, err
	}
	after, err := t.settledMemory(ctx)
	if err != nil {
		return nil, err
	}
	var alive int
	if err := streams.call(ctx, "alive", nil, &alive); err != nil {
		return nil, err
	}
	if alive != config.Streams {
		return nil, fmt.Errorf("%d of %d streams were left when the memory was measured", alive, config.Streams)
	}
	return after.minus(before, config.Streams), nil
}

// costSide is a side that measures streams at a server of its own, which collects its garbage eagerly.
func (b *Bench) costSide(name string, start func(context.Context) (*Target, error), config RawSubscriberConfig) Side {
	return Side{name, func(ctx context.Context) (Sample, error) {
		t, err := start(ctx)
		if err != nil {
			return nil, err
		}
		defer t.Kill()
		return b.cost(ctx, t, config)
	}}
}

// idle measures subscribers that wait at the head.
func (b *Bench) idle(ctx context.Context) ([]Result, error) {
	lean := func(ctx context.Context) (*Target, error) { return b.startLimit(ctx, "lean", LeanConfig{}, eagerGC) }
	straw := func(ctx context.Context) (*Target, error) { return b.freshStraw(ctx, eagerGC) }
	shared := RawSubscriberConfig{Streams: b.scale.Idle, PerConn: 100, Read: readAll}
	own := RawSubscriberConfig{Streams: b.scale.Idle, PerConn: 1, Read: readAll}
	m, err := b.rounds(ctx, "idle",
		b.costSide("bare, 100 a connection", lean, shared), b.costSide("straw, 100 a connection", straw, shared),
		b.costSide("bare, 1 a connection", lean, own), b.costSide("straw, 1 a connection", straw, own),
	)
	if err != nil {
		return nil, err
	}
	line := func(topology, what, name string, wanted Bar) Result {
		r := compare("idle", fmt.Sprintf("%d subscribers, %s, %s", b.scale.Idle, topology, what), "B",
			m.figure("bare, "+topology, name), m.figure("straw, "+topology, name), wanted)
		r.Limit.Name = "bare"
		return r
	}
	return []Result{
		line("100 a connection", "heap + stack", "go_bytes", atMost(1.5)),
		line("1 a connection", "heap + stack", "go_bytes", atMost(1.5)),
		line("100 a connection", "resident", "resident_bytes", Bar{}),
		line("1 a connection", "resident", "resident_bytes", Bar{}),
	}, nil
}

// blocked measures streams that never read although there is much to read, a connection each. Straw's are on a store that
// was just opened, so that none of what they are stuck with is in its ring anyway.
func (b *Bench) blocked(ctx context.Context) ([]Result, error) {
	full, err := b.filled(ctx, OrderedIDs, b.scale.Replayed)
	if err != nil {
		return nil, err
	}
	lean := func(ctx context.Context) (*Target, error) {
		return b.startLimit(ctx, "lean", LeanConfig{Fill: min(leanRing, b.scale.Replayed)}, eagerGC)
	}
	straw := func(ctx context.Context) (*Target, error) {
		t, _, err := b.startStraw(ctx, full.dir, eagerGC)
		return t, err
	}
	config := func(read string) RawSubscriberConfig {
		return RawSubscriberConfig{Streams: b.scale.NeverReading, PerConn: 1, Read: read, Earliest: true}
	}
	m, err := b.rounds(ctx, "blocked",
		b.costSide("batched, window", lean, config(readNoWindow)), b.costSide("straw, window", straw, config(readNoWindow)),
		b.costSide("batched, socket", lean, config(readNothing)), b.costSide("straw, socket", straw, config(readNothing)),
	)
	if err != nil {
		return nil, err
	}
	line := func(what, how string) Result {
		r := absolute("blocked", what+", heap + stack", "B", m.figure("batched, "+how, "go_bytes"), m.figure("straw, "+how, "go_bytes"), atMost(256<<10))
		r.Limit.Name = "batched"
		return r
	}
	return []Result{
		line("a stream whose program never receives", "window"),
		line("a stream whose socket is never read, with the largest windows", "socket"),
	}, nil
}
