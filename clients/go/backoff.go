package straw

import (
	"context"
	"math/rand/v2"
	"time"
)

// Reconnecting waits for a random time up to a bound that doubles with each failure (full jitter), so that many clients of
// a gateway that was restarted don't come back at once.
const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = 15 * time.Second
)

// jitter returns the wait after a number of failures in a row, from 1.
func jitter(failures int) time.Duration {
	bound := maxBackoff
	if shift := failures - 1; shift < 8 {
		bound = min(minBackoff<<shift, maxBackoff)
	}
	return rand.N(bound)
}

// sleep waits, or returns the context's cause if that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
