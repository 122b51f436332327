package main

import "time"

// A Scale is how much a run measures.
type Scale struct {
	Name   string
	Rounds int
	// Warmup and Window are the parts of a measurement under load.
	Warmup, Window time.Duration
	// KeepUp is the share of the webhooks that are due in a window which must have been answered in it.
	KeepUp float64
	// Stored is how many events "a full store" holds, and Replayed how many one subscriber replays.
	Stored, Replayed int
	// JetStream is how many events the JetStream consumer replays.
	JetStream int
	// Consumed is how many events durable consumers settle, JetStreamConsumed how many JetStream's do, and Subscriptions how
	// many there are at most.
	Consumed, JetStreamConsumed, Subscriptions int
	// Ring is how many events 64 readers find in memory, and RingPasses how often they read them in one measurement.
	Ring, RingPasses int
	// Crowds are the numbers of subscribers at which the CPU time per delivery is compared.
	Crowds []int
	// Idle, NeverReading and Stalled are numbers of streams.
	Idle, NeverReading, Stalled int
	// Export is the size of the export that is downloaded, in bytes, and ExportPasses how often it is in one measurement; Exports
	// is how many small ones are announced at once.
	Export                int64
	ExportPasses, Exports int
	// Syncs is how many fsyncs describe the machine.
	Syncs int
}

var (
	full = Scale{
		Name: "full", Rounds: 5, Warmup: time.Second, Window: 5 * time.Second, KeepUp: 0.97,
		Stored: 10_000_000, Replayed: 2_000_000, JetStream: 1_000_000, Consumed: 1_000_000, JetStreamConsumed: 100_000, Subscriptions: 1000,
		Ring: 100_000, RingPasses: 3,
		Crowds: []int{1, 10, 100, 1000},
		Idle:   10_000, NeverReading: 200, Stalled: 1000,
		Export: 256 << 20, ExportPasses: 4, Exports: 1000, Syncs: 2000,
	}
	quick = Scale{
		Name: "quick", Rounds: 1, Warmup: 500 * time.Millisecond, Window: 1500 * time.Millisecond, KeepUp: 0.9,
		Stored: 500_000, Replayed: 500_000, JetStream: 100_000, Consumed: 200_000, JetStreamConsumed: 20_000, Subscriptions: 1000,
		Ring: 20_000, RingPasses: 1,
		Crowds: []int{10, 300},
		Idle:   2000, NeverReading: 50, Stalled: 300,
		Export: 64 << 20, ExportPasses: 2, Exports: 300, Syncs: 300,
	}
	// tiny is for the tests of the benchmark: it shows that everything runs, and measures nothing.
	tiny = Scale{
		Name: "tiny", Rounds: 1, Warmup: 50 * time.Millisecond, Window: 150 * time.Millisecond,
		Stored: 5000, Replayed: 5000, JetStream: 2000, Consumed: 3000, JetStreamConsumed: 500, Subscriptions: 10,
		Ring: 2000, RingPasses: 1,
		Crowds: []int{1, 20},
		Idle:   200, NeverReading: 5, Stalled: 20,
		Export: 1 << 20, ExportPasses: 1, Exports: 20, Syncs: 20,
	}
)
