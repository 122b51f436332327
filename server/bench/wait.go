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
