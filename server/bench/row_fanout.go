package main

import (
	"context"
	"fmt"
	"math"
	"time"
)

// readers is how many there are at once.
const readers = 64

// fanout measures readers that are released together onto a log in memory.
func (b *Bench) fanout(ctx context.Context) ([]Result, error) {
	batched, err := b.startLimit(ctx, "lean", LeanConfig{Fill: b.scale.Ring})
	if err != nil {
		return nil, err
	}
	defer batched.Kill()
	single, err := b.startLimit(ctx, "lean", LeanConfig{Fill: b.scale.Ring, Single: true})
	if err != nil {
		return nil, err
	}
	defer single.Kill()
	straw, strawErr := b.strawHolding(ctx, b.scale.Ring)
	if strawErr == nil {
		defer straw.Kill()
	}

	side := func(name string, t *Target, decode string) Side {
		return Side{name, func(ctx context.Context) (Sample, error) {
			if t == nil {
				return nil, strawErr
			}
			return b.crowdReplay(ctx, t, decode)
		}}
	}
	m, err := b.rounds(ctx, "fanout",
		side("batched", batched, decodeGenerated), side("straw", straw, decodeGenerated),
		side("straw, Go client", straw, decodeClient), side("single", single, decodeGenerated),
		side("batched, undecoded", batched, decodeNothing), side("straw, undecoded", straw, decodeNothing),
		side("single, undecoded", single, decodeNothing),
	)
	if err != nil {
		return nil, err
	}
	line := func(what, limit, side string, wanted Bar) Result {
		r := compare("fanout", what, "/s", m.figure(limit, "per_s"), m.figure(side, "per_s"), wanted)
		return r
	}
	return []Result{
		line("64 readers, decoded", "batched", "straw", atLeast(0.80)),
		line("64 readers, decoded by the Go client", "batched", "straw, Go client", atLeast(0.80)),
		line("64 readers, decoded, against one event a message", "single", "straw", Bar{}),
		line("64 readers, undecoded", "batched, undecoded", "straw, undecoded", atLeast(0.60)),
		line("64 readers, undecoded, against one event a message", "single, undecoded", "straw, undecoded", atLeast(2)),
	}, nil
}

// strawHolding runs Straw on a new store and posts so many webhooks to it, so that they are in its ring.
func (b *Bench) strawHolding(ctx context.Context, events int) (*Target, error) {
	t, err := b.freshStraw(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.postExactly(ctx, t, events); err != nil {
		t.Kill()
		return nil, err
	}
	return t, nil
}

// postExactly posts so many webhooks as fast as they are taken.
func (b *Bench) postExactly(ctx context.Context, t *Target, events int) error {
	r, err := b.post(ctx, t, func(c *LoadConfig) { c.Warmup, c.Window, c.Most = 0, time.Minute, events })
	if err == nil && r.Total != events {
		err = fmt.Errorf("posted %d of %d webhooks within a minute", r.Total, events)
	}
	return err
}

// crowdReplay has 64 readers, a connection each, read a log of Ring events.
func (b *Bench) crowdReplay(ctx context.Context, t *Target, decode string) (Sample, error) {
	config := SubscriberConfig{Streams: readers, Decode: decode}
	want := float64(readers * b.scale.Ring * b.scale.RingPasses)
	if decode != decodeNothing {
		s, err := b.replayed(ctx, t, config, b.scale.RingPasses)
		if err == nil && s["events"] != want {
			err = fmt.Errorf("%d readers got %.0f events instead of %.0f", readers, s["events"], want)
		}
		return s, err
	}
	// Readers that decode nothing can't tell how much they got; one that counts can.
	one, err := b.replayed(ctx, t, SubscriberConfig{Streams: 1, Decode: decodeCounting}, 1)
	if err != nil {
		return nil, err
	}
	s, err := b.replayed(ctx, t, config, b.scale.RingPasses)
	if err != nil {
		return nil, err
	}
	if one["events"] != float64(b.scale.Ring) {
		return nil, fmt.Errorf("a reader got %.0f of %d events", one["events"], b.scale.Ring)
	}
	if share := s["bytes"] / (one["bytes"] * want / one["events"]); math.Abs(share-1) > 0.02 {
		return nil, fmt.Errorf("%d readers got %.3f times the bytes of as many readers that count their events", readers, share)
	}
	s.perEvent(want)
	return s, nil
}
