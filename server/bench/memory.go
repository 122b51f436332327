package main

import (
	"context"
	"fmt"
	"math"
	"time"
)

// Memory is what a server holds, in bytes.
type Memory struct {
	Go       float64 // HeapInuse + StackInuse after a garbage collection
	Resident float64
}

func (m Memory) minus(before Memory, streams int) Sample {
	return Sample{"go_bytes": (m.Go - before.Go) / float64(streams), "resident_bytes": (m.Resident - before.Resident) / float64(streams)}
}

// eagerGC is the environment of servers whose memory is measured: they collect whenever the heap has grown by a tenth, so
// that a few scrapes bring a collection about, and little garbage lies about afterwards.
const eagerGC = "GOGC=10"

const (
	heapInuse  = "go_memstats_heap_inuse_bytes"
	stackInuse = "go_memstats_stack_inuse_bytes"
	gcCount    = "go_gc_duration_seconds_count"
)

// settledMemory measures after two garbage collections: the second one began after the call. A server can't be asked to
// collect, so it is scraped, which makes garbage, until it has. The least of a few figures counts, for sweeping takes a
// moment.
func (t *Target) settledMemory(ctx context.Context) (Memory, error) {
	first, err := t.metrics(ctx)
	if err != nil {
		return Memory{}, err
	}
	for _, name := range []string{heapInuse, stackInuse, gcCount} {
		if _, ok := first[name]; !ok {
			return Memory{}, fmt.Errorf("/metrics of %s doesn't tell %s", t.Name, name)
		}
	}
	deadline := time.Now().Add(time.Minute)
	for figures := first; figures[gcCount] < first[gcCount]+2; {
		if figures, err = t.metrics(ctx); err != nil {
			return Memory{}, err
		}
		if time.Now().After(deadline) {
			return Memory{}, fmt.Errorf("%s didn't collect garbage within a minute of scrapes", t.Name)
		}
	}
	m := Memory{Go: math.Inf(1)}
	for range 20 {
		figures, err := t.metrics(ctx)
		if err != nil {
			return Memory{}, err
		}
		m.Go = min(m.Go, figures[heapInuse]+figures[stackInuse])
	}
	resident, err := residentBytes(t.PID())
	m.Resident = float64(resident)
	return m, err
}
