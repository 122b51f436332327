package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// A preload is a directory with a store that was filled before anything is measured.
type preload struct {
	dir    string
	events int
}

// filled returns a store of so many events whose ids have this order. It is filled through the engine, once a run, by a
// process of its own.
func (b *Bench) filled(ctx context.Context, order IDOrder, events int) (*preload, error) {
	key := fmt.Sprintf("%s-%d", order, events)
	if p := b.kept[key]; p != nil {
		return p, nil
	}
	b.progress("filling a store with %s events, %s ids", number(float64(events)), order)
	p := &preload{dir: filepath.Join(b.dir, key), events: events}
	filler, err := startRole(ctx, "fill", FillConfig{Dir: p.dir, Events: events, Order: order, Seed: b.nextSeed()}, nil)
	if err != nil {
		return nil, err
	}
	filler.Terminate(10 * time.Second)
	b.kept[key] = p
	return p, nil
}

// stored measures ingest into a full store against an empty one, for both orders of ids.
func (b *Bench) stored(ctx context.Context) ([]Result, error) {
	sides := []Side{}
	for _, order := range []IDOrder{RandomIDs, OrderedIDs} {
		full, err := b.filled(ctx, order, b.scale.Stored)
		if err != nil {
			return nil, err
		}
		sides = append(sides, b.floodFresh("empty, "+string(order), order), Side{"full, " + string(order), func(ctx context.Context) (Sample, error) {
			t, _, err := b.startStraw(ctx, full.dir)
			if err != nil {
				return nil, err
			}
			defer t.Kill()
			if err := waitIdle(ctx, t.PID()); err != nil { // what the round before left to be compacted
				return nil, err
			}
			return b.flood(ctx, t, order)
		}})
	}
	m, err := b.rounds(ctx, "stored", sides...)
	if err != nil {
		return nil, err
	}
	line := func(what, name, unit string, order IDOrder, wanted Bar) Result {
		r := compare("stored", what, unit, m.figure("empty, "+string(order), name), m.figure("full, "+string(order), name), wanted)
		r.Limit.Name = "empty"
		return r
	}
	amount := number(float64(b.scale.Stored)) + " stored, "
	return []Result{
		line(amount+"random ids", "per_s", "/s", RandomIDs, atLeast(0.80)),
		line(amount+"time-ordered ids", "per_s", "/s", OrderedIDs, atLeast(0.95)),
		line(amount+"random ids, p99", "p99_ms", "ms", RandomIDs, Bar{}),
		line(amount+"time-ordered ids, p99", "p99_ms", "ms", OrderedIDs, Bar{}),
		line(amount+"random ids, CPU per event", "cpu_us", "µs", RandomIDs, Bar{}),
	}, nil
}

// open measures how long Straw takes from exec to ready on a full store that it was killed on in the middle of writing.
func (b *Bench) open(ctx context.Context) ([]Result, error) {
	full, err := b.filled(ctx, RandomIDs, b.scale.Stored)
	if err != nil {
		return nil, err
	}
	m, err := b.rounds(ctx, "open", Side{"straw", func(ctx context.Context) (Sample, error) {
		if err := b.killUnderLoad(ctx, full.dir); err != nil {
			return nil, err
		}
		t, opened, err := b.startStraw(ctx, full.dir)
		if err != nil {
			return nil, err
		}
		t.Kill()
		return Sample{"s": opened.Seconds()}, nil
	}}, Side{"straw on a new store", func(ctx context.Context) (Sample, error) {
		dir, err := os.MkdirTemp(b.dir, "new-")
		if err != nil {
			return nil, err
		}
		t, opened, err := b.startStraw(ctx, dir)
		if err != nil {
			return nil, err
		}
		t.Kill()
		return Sample{"s": opened.Seconds()}, nil
	}})
	if err != nil {
		return nil, err
	}
	empty := m.figure("straw on a new store", "s")
	empty.Name = "new"
	what := fmt.Sprintf("%s stored, after kill -9, from exec to ready", number(float64(b.scale.Stored)))
	return []Result{absolute("open", what, "s", empty, m.figure("straw", "s"), atMost(1))}, nil
}

// killUnderLoad kills Straw with webhooks in flight.
func (b *Bench) killUnderLoad(ctx context.Context, dir string) error {
	t, _, err := b.startStraw(ctx, dir)
	if err != nil {
		return err
	}
	defer t.Kill()
	generator, err := startRole(ctx, "load", LoadConfig{
		Addr: t.Webhook, Conns: loaders, Warmup: 2 * b.scale.Warmup, Window: time.Second, Order: RandomIDs, Seed: b.nextSeed(),
	}, nil)
	if err != nil {
		return err
	}
	defer generator.Kill()
	cut := time.AfterFunc(2*b.scale.Warmup, t.signalKill)
	defer cut.Stop()
	if err := generator.call(ctx, "run", nil, nil); err == nil {
		return fmt.Errorf("straw was killed, but every webhook was answered: nothing was in flight")
	}
	return ctx.Err()
}
