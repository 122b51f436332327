package main

import (
	"context"
	"fmt"
	"os"
)

// loaders is how many keep-alive connections webhooks come in on.
const loaders = 64

// post sends webhooks to a server and returns what came of it. It fails if any was refused.
func (b *Bench) post(ctx context.Context, t *Target, change func(*LoadConfig)) (*LoadResult, error) {
	config := LoadConfig{
		Addr: t.Webhook, Conns: loaders, Warmup: b.scale.Warmup, Window: b.scale.Window,
		Order: RandomIDs, Seed: b.nextSeed(), ServerPID: t.PID(),
	}
	change(&config)
	generator, err := startRole(ctx, "load", config, nil)
	if err != nil {
		return nil, err
	}
	defer generator.Kill()
	var result LoadResult
	if err := generator.call(ctx, "run", nil, &result); err != nil {
		return nil, err
	}
	if result.Refused > 0 {
		return nil, fmt.Errorf("%s refused %d webhooks; the first answer: %q", t.Name, result.Refused, result.Refusal)
	}
	if want := int(float64(config.Rate) * result.Elapsed.Seconds() * b.scale.KeepUp); result.Answered < want {
		return nil, fmt.Errorf("%s answered %d webhooks instead of %d: it didn't keep up", t.Name, result.Answered, want)
	}
	return &result, nil
}

// flood measures how many webhooks a server takes.
func (b *Bench) flood(ctx context.Context, t *Target, order IDOrder) (Sample, error) {
	r, err := b.post(ctx, t, func(c *LoadConfig) { c.Order = order })
	if err != nil {
		return nil, err
	}
	return Sample{
		"per_s":  r.PerSecond(),
		"cpu_us": microseconds(r.ServerCPU) / float64(r.Answered), "load_cpu_us": microseconds(r.LoadCPU) / float64(r.Answered),
		"p50_ms": milliseconds(r.P50), "p99_ms": milliseconds(r.P99),
	}, nil
}

// floodLimit is a side that floods a fresh ingest limit.
func (b *Bench) floodLimit(store string) Side {
	return Side{store, func(ctx context.Context) (Sample, error) {
		dir, err := os.MkdirTemp(b.dir, store+"-")
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		t, err := b.startLimit(ctx, "ingest", IngestConfig{store, dir})
		if err != nil {
			return nil, err
		}
		defer t.Kill()
		return b.flood(ctx, t, RandomIDs)
	}}
}

// floodFresh is a side that floods Straw on a new store.
func (b *Bench) floodFresh(name string, order IDOrder) Side {
	return Side{name, func(ctx context.Context) (Sample, error) {
		t, err := b.freshStraw(ctx)
		if err != nil {
			return nil, err
		}
		defer t.Kill()
		return b.flood(ctx, t, order)
	}}
}

// ingest measures durable ingest over 64 connections: each side verifies and converts; they differ in what they store.
func (b *Bench) ingest(ctx context.Context) ([]Result, error) {
	m, err := b.rounds(ctx, "ingest", b.floodLimit(storePebble), b.floodFresh("straw", RandomIDs), b.floodLimit(storeNothing), b.floodLimit(storeJetStream))
	if err != nil {
		return nil, err
	}
	line := func(what, name, unit, limit string, wanted Bar) Result {
		return compare("ingest", what, unit, m.figure(limit, name), m.figure("straw", name), wanted)
	}
	return []Result{
		line("durable, against one synced Set per event", "per_s", "/s", storePebble, atLeast(0.90)),
		line("against JetStream sync_always", "per_s", "/s", storeJetStream, atLeast(3)),
		line("against a handler that stores nothing", "per_s", "/s", storeNothing, atLeast(0.65)),
		line("CPU per event", "cpu_us", "µs", storePebble, Bar{}),
		line("p99 of an answer", "p99_ms", "ms", storePebble, Bar{}),
	}, nil
}
