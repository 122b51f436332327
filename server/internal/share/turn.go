package share

import (
	"context"
	"errors"
	"hash/maphash"
	"time"
)

// A Turn is how one reader takes part. Its methods are for that reader alone. The zero value, and nil, take part in nothing:
// they needn't wait.
type Turn struct {
	share  *Share
	caller *caller
	came   chan struct{} // receives when the turn has come to one who waits
	until  time.Time     // how long Take waits; zero: as long as its context lasts
	began  time.Time
	held   bool
	passed bool // the reader waited before, and left its place

	// Guarded by share.mu.
	waits      bool
	prev, next *Turn
}

// Turn returns a caller's part for one reader. It costs nothing while the reader doesn't work.
func (s *Share) Turn(name string) Turn {
	if s == nil {
		return Turn{}
	}
	return Turn{share: s, caller: &s.callers[maphash.String(s.seed, name)%buckets]}
}

// Patience is until when Take waits before it gives up with ErrLater; zero: as long as its context lasts.
func (t *Turn) Patience(until time.Time) {
	if t != nil {
		t.until = until
	}
}

// Take returns once the reader may work, at once if it has a turn that isn't over. Call it before each piece of work, the
// smaller the better, and Give before waiting for anything. Errors: ErrLater, the context's.
func (t *Turn) Take(ctx context.Context) error {
	if t == nil || t.share == nil {
		return ctx.Err()
	}
	var ran time.Duration
	if t.held {
		if ran = time.Since(t.began); ran < Slice {
			return nil
		}
	}
	if err := ctx.Err(); err != nil {
		t.Give()
		return err
	}
	if t.came == nil {
		t.came = make(chan struct{}, 1)
	}
	held := t.held
	t.held = false
	if t.share.wait(t, held, ran) {
		<-t.came
	} else if err := t.await(ctx); err != nil {
		t.passed = true
		return err
	}
	t.held, t.passed, t.began = true, false, time.Now()
	return nil
}

// await waits until the turn comes.
func (t *Turn) await(ctx context.Context) error {
	var late <-chan time.Time
	if !t.until.IsZero() {
		timer := time.NewTimer(time.Until(t.until))
		defer timer.Stop()
		late = timer.C
	}
	err := ErrLater
	select {
	case <-t.came:
		return nil
	case <-late:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if !t.share.withdraw(t) { // it has just come
		<-t.came
		if !errors.Is(err, ErrLater) {
			t.share.done(t, 0)
			return err
		}
		return nil
	}
	return err
}

// Give ends the turn, if there is one.
func (t *Turn) Give() {
	if t == nil || !t.held {
		return
	}
	t.held = false
	t.share.done(t, time.Since(t.began))
}
