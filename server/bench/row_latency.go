package main

import (
	"context"
	"fmt"
	"time"
)

// latencyRate is the webhooks per second at which latency is measured, stalledRate that of the row with stalled streams.
const (
	latencyRate = 1000
	stalledRate = 500
)

// delays sends webhooks at a rate and returns, for every subscriber and event of the window, the time from just before the
// webhook was written to just after the event was decoded.
func (b *Bench) delays(ctx context.Context, t *Target, rate int, config SubscriberConfig) ([]time.Duration, error) {
	config.Times = int((b.scale.Warmup + b.scale.Window).Seconds() * float64(rate))
	followers, err := b.follow(ctx, t, config)
	if err != nil {
		return nil, err
	}
	defer followers.Kill()
	r, err := b.post(ctx, t, func(c *LoadConfig) { c.Rate, c.KeepTimes = rate, true })
	if err != nil {
		return nil, err
	}
	if err := awaitDeliveries(ctx, followers, r.Total*config.Streams); err != nil {
		return nil, err
	}
	var times [][]int64
	if err := followers.call(ctx, "times", nil, &times); err != nil {
		return nil, err
	}
	return match(r.Sent[:r.Total], times, int(b.scale.Warmup.Seconds()*float64(rate)))
}

// match subtracts when each webhook was sent from when each stream received its event, from one index on.
func match(sent []int64, received [][]int64, from int) ([]time.Duration, error) {
	delays := make([]time.Duration, 0, len(received)*len(sent))
	for stream, times := range received {
		for i := from; i < len(sent); i++ {
			if times[i] == 0 {
				return nil, fmt.Errorf("stream %d never received event %d", stream, i)
			}
			delays = append(delays, time.Duration(times[i]-sent[i]))
		}
	}
	return delays, nil
}

func quantiles(delays []time.Duration) Sample {
	return Sample{"p50_ms": milliseconds(percentile(delays, 0.50)), "p99_ms": milliseconds(percentile(delays, 0.99))}
}

// latency measures the way from a webhook to the event in the client, at 1,000 a second.
func (b *Bench) latency(ctx context.Context) ([]Result, error) {
	side := func(name, decode string, start func(context.Context) (*Target, error)) Side {
		return Side{name, func(ctx context.Context) (Sample, error) {
			t, err := start(ctx)
			if err != nil {
				return nil, err
			}
			defer t.Kill()
			delays, err := b.delays(ctx, t, latencyRate, SubscriberConfig{Streams: 1, Decode: decode})
			return quantiles(delays), err
		}}
	}
	m, err := b.rounds(ctx, "latency",
		side("no store", decodeGenerated, b.freshLean),
		side("straw", decodeClient, b.strawAlone),
		Side{"fdatasync", func(context.Context) (Sample, error) {
			times, err := timeSyncs(b.dir, int(b.scale.Window.Seconds()*latencyRate), latencyRate)
			return quantiles(times), err
		}},
	)
	if err != nil {
		return nil, err
	}
	allowed := Figure{Name: "3 × no store + 2 × fdatasync"}
	for i, limit := range m["no store"]["p99_ms"] {
		allowed.Values = append(allowed.Values, 3*limit+2*m["fdatasync"]["p99_ms"][i])
	}
	line := func(what, name string) Result {
		return compare("latency", what, "ms", m.figure("no store", name), m.figure("straw", name), Bar{})
	}
	return []Result{
		compare("latency", "webhook sent to event in the client, 1,000/s, p99", "ms", allowed, m.figure("straw", "p99_ms"), atMost(1)),
		line("the same, p99", "p99_ms"),
		line("the same, p50", "p50_ms"),
	}, nil
}

// onlookers is how many well-behaved subscribers there are beside the stalled ones.
const onlookers = 8

// stalled measures what a crowd of streams that never read does to the others.
func (b *Bench) stalled(ctx context.Context) ([]Result, error) {
	side := func(name string, start func(context.Context, int) (*Target, error)) Side {
		return Side{name, func(ctx context.Context) (Sample, error) { return b.besideStalled(ctx, start) }}
	}
	m, err := b.rounds(ctx, "stalled", side("batched", b.leanHolding), side("straw", b.strawHolding))
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("delivery p99 beside %d streams that never read, over p99 without them", b.scale.Stalled)
	return []Result{
		absolute("stalled", what, "×", m.figure("batched", "ratio"), m.figure("straw", "ratio"), atMost(2)),
		compare("stalled", "delivery p99 beside them", "ms", m.figure("batched", "with_p99_ms"), m.figure("straw", "with_p99_ms"), Bar{}),
	}, nil
}

func (b *Bench) leanHolding(ctx context.Context, events int) (*Target, error) {
	return b.startLimit(ctx, "lean", LeanConfig{Fill: events})
}

func (b *Bench) besideStalled(ctx context.Context, start func(context.Context, int) (*Target, error)) (Sample, error) {
	const backlog = 2000 // several times what a stream's window of 64 KiB takes
	t, err := start(ctx, backlog)
	if err != nil {
		return nil, err
	}
	defer t.Kill()
	config := SubscriberConfig{Streams: onlookers, Decode: decodeGenerated}
	alone, err := b.delays(ctx, t, stalledRate, config)
	if err != nil {
		return nil, err
	}
	stalled, err := startRole(ctx, "raw-subscriber", RawSubscriberConfig{
		Addr: t.GRPC, Streams: b.scale.Stalled, PerConn: 1, Read: readNoWindow, Earliest: true,
	}, nil)
	if err != nil {
		return nil, err
	}
	defer stalled.Kill()
	if err := waitIdle(ctx, t.PID()); err != nil {
		return nil, err
	}
	beside, err := b.delays(ctx, t, stalledRate, config)
	if err != nil {
		return nil, err
	}
	if err := stalled.call(ctx, "alive", nil, nil); err != nil {
		return nil, err
	}
	before, after := milliseconds(percentile(alone, 0.99)), milliseconds(percentile(beside, 0.99))
	return Sample{"without_p99_ms": before, "with_p99_ms": after, "ratio": after / before}, nil
}
