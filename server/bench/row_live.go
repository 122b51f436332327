package main

import (
	"context"
	"fmt"
	"math"
	"time"
)

// liveRate is the webhooks per second that 64 live subscribers are sent.
const liveRate = 2000

// broadcast sends webhooks at a rate to live subscribers, a connection each, who count what they get without decoding it.
// It returns the server's CPU time per second and the deliveries per second.
func (b *Bench) broadcast(ctx context.Context, t *Target, streams, rate int) (cpu time.Duration, deliveries float64, err error) {
	followers, err := b.follow(ctx, t, SubscriberConfig{Streams: streams, Decode: decodeCounting})
	if err != nil {
		return 0, 0, err
	}
	defer followers.Kill()
	r, err := b.post(ctx, t, func(c *LoadConfig) { c.Rate = rate })
	if err != nil {
		return 0, 0, err
	}
	if err := awaitDeliveries(ctx, followers, r.Total*streams); err != nil {
		return 0, 0, err
	}
	seconds := r.Elapsed.Seconds()
	return time.Duration(float64(r.ServerCPU) / seconds), float64(r.Answered*streams) / seconds, nil
}

// follow starts a process of live subscribers.
func (b *Bench) follow(ctx context.Context, t *Target, config SubscriberConfig) (*Process, error) {
	config.Addr, config.PerConn = t.GRPC, 1
	followers, err := startRole(ctx, "subscriber", config, nil)
	if err != nil {
		return nil, err
	}
	if err := followers.call(ctx, "follow", nil, nil); err != nil {
		followers.Kill()
		return nil, err
	}
	return followers, nil
}

// awaitDeliveries waits until subscribers have received exactly so many events altogether.
func awaitDeliveries(ctx context.Context, followers *Process, want int) error {
	var count ReplayResult
	err := eventually(20*time.Second, func() (bool, error) {
		err := followers.call(ctx, "count", nil, &count)
		return count.Events >= want, err
	})
	if err == nil && count.Events > want {
		err = fmt.Errorf("some were delivered twice")
	}
	if err != nil {
		return fmt.Errorf("%d of %d deliveries arrived: %w", count.Events, want, err)
	}
	return nil
}

// live measures what a delivery costs the server while 2,000 webhooks a second go to 64 subscribers, ingest included.
func (b *Bench) live(ctx context.Context) ([]Result, error) {
	side := func(name string, start func(context.Context) (*Target, error)) Side {
		return Side{name, func(ctx context.Context) (Sample, error) {
			t, err := start(ctx)
			if err != nil {
				return nil, err
			}
			defer t.Kill()
			cpu, deliveries, err := b.broadcast(ctx, t, readers, liveRate)
			return Sample{"cpu_us": microseconds(cpu) / deliveries}, err
		}}
	}
	m, err := b.rounds(ctx, "live", side("batched", b.freshLean), side("straw", b.strawAlone))
	if err != nil {
		return nil, err
	}
	return []Result{
		compare("live", "2,000 webhooks/s to 64 subscribers, server CPU per delivery", "µs", m.figure("batched", "cpu_us"), m.figure("straw", "cpu_us"), atMost(1.5)),
	}, nil
}

func (b *Bench) freshLean(ctx context.Context) (*Target, error) {
	return b.startLimit(ctx, "lean", LeanConfig{})
}

func (b *Bench) strawAlone(ctx context.Context) (*Target, error) { return b.freshStraw(ctx) }

// crowd measures what a delivery costs the server beyond ingest, for few and for many subscribers.
func (b *Bench) crowd(ctx context.Context) ([]Result, error) {
	side := func(name string, start func(context.Context) (*Target, error)) Side {
		return Side{name, func(ctx context.Context) (Sample, error) { return b.crowdCosts(ctx, start) }}
	}
	m, err := b.rounds(ctx, "crowd", side("batched", b.freshLean), side("straw", b.strawAlone))
	if err != nil {
		return nil, err
	}
	few, many := b.scale.Crowds[0], b.scale.Crowds[len(b.scale.Crowds)-1]
	limit, straw := b.medianCosts(m, "batched"), b.medianCosts(m, "straw")
	line := func(what string, wanted Bar, of func(Series) Series) Result {
		return absolute("crowd", fmt.Sprintf("CPU per delivery, %d to %d subscribers, %s", few, many, what), "×",
			Figure{"batched", of(limit)}, Figure{"straw", of(straw)}, wanted)
	}
	results := []Result{line("growth", atMost(1.3), growth), line("dearest over cheapest", Bar{}, spread)}
	for _, n := range b.scale.Crowds {
		name := costName(n)
		results = append(results, compare("crowd", fmt.Sprintf("CPU per delivery, %d subscribers", n), "µs", m.figure("batched", name), m.figure("straw", name), Bar{}))
	}
	return results, nil
}

func costName(subscribers int) string { return fmt.Sprintf("cpu_us_%d", subscribers) }

// crowdDeliveries is how many deliveries a second a crowd gets: what the machine can do besides receiving them. Few
// subscribers get up to 1,000 webhooks a second, for at fewer the cost of a delivery is lost in that of ingest.
const crowdDeliveries = 50_000

// crowdCosts measures a fresh server with no subscriber and then with each number of them, at the same rate.
func (b *Bench) crowdCosts(ctx context.Context, start func(context.Context) (*Target, error)) (Sample, error) {
	t, err := start(ctx)
	if err != nil {
		return nil, err
	}
	defer t.Kill()
	// A server's first seconds cost more.
	if _, _, err := b.broadcast(ctx, t, 0, latencyRate); err != nil {
		return nil, err
	}
	s, ingest := Sample{}, map[int]time.Duration{}
	for _, n := range b.scale.Crowds {
		rate := min(latencyRate, crowdDeliveries/n)
		if ingest[rate] == 0 {
			if ingest[rate], _, err = b.broadcast(ctx, t, 0, rate); err != nil {
				return nil, err
			}
			s[fmt.Sprintf("ingest_cpu_us_at_%d", rate)] = microseconds(ingest[rate]) / float64(rate)
		}
		cpu, deliveries, err := b.broadcast(ctx, t, n, rate)
		if err != nil {
			return nil, fmt.Errorf("%d subscribers: %w", n, err)
		}
		s[costName(n)] = microseconds(cpu-ingest[rate]) / deliveries
	}
	return s, nil
}

// medianCosts returns a side's median cost for each number of subscribers, in their order; nothing if it wasn't measured.
// Medians are taken first: a single round's cost of a lone delivery can drown in the ingest that it is subtracted from.
func (b *Bench) medianCosts(m Measured, side string) Series {
	costs := Series{}
	for _, n := range b.scale.Crowds {
		if values := m[side][costName(n)]; len(values) > 0 {
			costs = append(costs, values.Median())
		}
	}
	return costs
}

// growth is the largest factor by which a cost exceeds an earlier one; 1 if none does. A lone delivery costs more than one of
// many, for it wakes threads that nothing else would have woken, also in the lean program: that is not growth.
func growth(costs Series) Series {
	if len(costs) == 0 {
		return nil
	}
	if costs.Min() <= 0 {
		return Series{math.Inf(1)} // lost in the noise; it passes no bar
	}
	most, least := 1.0, costs[0]
	for _, cost := range costs {
		most, least = max(most, cost/least), min(least, cost)
	}
	return Series{most}
}

func spread(costs Series) Series {
	if len(costs) == 0 {
		return nil
	}
	return Series{costs.Max() / costs.Min()}
}
