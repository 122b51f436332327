package main

import (
	"context"
	"fmt"
	"time"
)

// eventually asks until the answer is yes or an error, or the limit has passed.
func eventually(limit time.Duration, ask func() (bool, error)) error {
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	for deadline := time.Now().Add(limit); ; <-ticks.C {
		if done, err := ask(); done || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("nothing came of it within %v", limit)
		}
	}
}

// pause waits for a stretch of measuring to pass.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waitIdle returns once a process has used less than 2 % of a core for half a second: it has opened what it was asked to open,
// or its compactions are done.
func waitIdle(ctx context.Context, pid int) error {
	const stretch, limit = 500 * time.Millisecond, 5 * time.Minute
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		before, err := cpuTime(pid)
		if err != nil {
			return err
		}
		if err := pause(ctx, stretch); err != nil {
			return err
		}
		after, err := cpuTime(pid)
		if err != nil {
			return err
		}
		if after-before < stretch/50 {
			return nil
		}
	}
	return fmt.Errorf("process %d was not idle within %v", pid, limit)
}
