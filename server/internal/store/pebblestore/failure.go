package pebblestore

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/straw-gateway/straw/server/internal/event"
)

// A failure is the first error after which the log must not go on.
type failure struct {
	mu     sync.Mutex
	err    error
	failed chan struct{}
}

func newFailure() failure { return failure{failed: make(chan struct{})} }

func (f *failure) get() error {
	select {
	case <-f.failed:
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.err
	default:
		return nil
	}
}

// set keeps the error if it is the first, and reports whether it is.
func (f *failure) set(err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return false
	}
	f.err = err
	close(f.failed)
	return true
}

// fail makes the log refuse everything from now on.
func (l *Log) fail(err error) {
	switch first := l.failure.set(err); {
	case !first:
	case errors.Is(err, event.ErrFull):
		l.opts.Logger.Warn("the store was given up", "dir", l.dir, "err", err)
	default:
		l.opts.Logger.Error("the store has failed and must be reopened", "dir", l.dir, "err", err)
	}
}

// hang fails the log and never returns.
func (l *Log) hang(err error) {
	l.fail(err)
	l.hangOnce.Do(func() { close(l.hanging) })
	select {}
}

// inPebble runs f, which goes into Pebble, where it may be held or turn in circles once the log has failed. Then it returns
// why, and leaves f behind. At the end of the process f has some time, for a disk that hangs can hold it for good, and then
// the log fails.
func (l *Log) inPebble(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-l.failure.failed:
	case <-l.opts.Ending:
		select {
		case err := <-done:
			return err
		case <-l.failure.failed:
		case <-time.After(l.opts.patience):
			l.fail(fmt.Errorf("the disk of %s was waited for in vain for %s at the end; what was answered is there", l.dir, l.opts.patience))
			return l.Err()
		}
	}
	select {
	case err := <-done:
		return err
	case <-l.hanging:
	case <-time.After(l.opts.patience):
	}
	return l.Err()
}

// refusal is how a call is answered once the log has failed; nil before.
func (l *Log) refusal() error {
	err := l.failure.get()
	if err == nil || errors.Is(err, event.ErrCorrupt) {
		return err
	}
	return fmt.Errorf("%w: %v", event.ErrUnavailable, err)
}

// readError says what an error of a read means. Corruption fails the log.
func (l *Log) readError(err error) error {
	if err = l.asCorrupt(err); errors.Is(err, event.ErrCorrupt) {
		l.fail(err)
		return err
	}
	return fmt.Errorf("%w: %v", event.ErrUnavailable, err)
}

// asCorrupt marks an error as event.ErrCorrupt if it is one.
func (l *Log) asCorrupt(err error) error {
	if !pebble.IsCorruptionError(err) && !errors.Is(err, event.ErrCorrupt) {
		return err
	}
	// What Pebble has told before names the file, which err needn't.
	if first := l.corruption(); first != nil {
		return first
	}
	if errors.Is(err, event.ErrCorrupt) {
		return err
	}
	return fmt.Errorf("%w: %v", event.ErrCorrupt, err)
}

// corruption is the error that failed the log, if it is corruption: then nothing may be read either.
func (l *Log) corruption() error {
	if err := l.failure.get(); errors.Is(err, event.ErrCorrupt) {
		return err
	}
	return nil
}
