package pebblestore

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/straw-gateway/straw/server/internal/event"
)

// Retention says how long events are kept. A zero limit is none.
type Retention struct {
	// Age and Bytes (of encoded events and raw bodies) limit what is kept and no longer held.
	Age   time.Duration
	Bytes int64
	// HardAge and HardBytes limit what is kept in any case.
	HardAge   time.Duration
	HardBytes int64
}

// retentionEvery is how often events are removed.
const retentionEvery = time.Minute

// SetHold names a function that tells the position after which events are still owed to someone: within the hard limits,
// they are kept. It is called before each round of retention, and must not block.
func (l *Log) SetHold(hold func() event.Sequence) { l.hold.Store(&hold) }

// Retain removes what needn't be kept any longer, up to a mark. It runs every minute by itself.
func (l *Log) Retain(ctx context.Context) error {
	err := l.keepTime(func(size int, write func(*pebble.Batch)) error { return l.commit(ctx, size, write) })
	if err != nil {
		return fmt.Errorf("keeping the time: %w", err)
	}
	floor, err := l.retentionFloor()
	if err != nil {
		return err
	}
	return l.raiseFloor(ctx, floor)
}

// raiseFloor removes everything up to a mark, unless that has been done.
func (l *Log) raiseFloor(ctx context.Context, floor event.Sequence) error {
	l.retaining.Lock()
	defer l.retaining.Unlock()
	if uint64(floor) <= l.floor.Load() {
		return nil
	}
	if err := l.setFloor(ctx, floor); err != nil {
		return fmt.Errorf("raising the floor to %d: %w", floor, err)
	}
	l.opts.Logger.Info("retention has removed events", "dir", l.dir, "through", floor)
	return l.clear(ctx, floor)
}

// setFloor shows the new floor only once it is on the disk: it never falls, and a crash must not bring it down.
func (l *Log) setFloor(ctx context.Context, floor event.Sequence) error {
	err := l.commit(ctx, 64, func(b *pebble.Batch) {
		_ = b.Set([]byte{keyFloor}, binary.BigEndian.AppendUint64(nil, uint64(floor)), nil)
	})
	if err != nil {
		return err
	}
	l.floor.Store(uint64(floor))
	if raised := l.raised.Load(); raised != nil {
		(*raised)()
	}
	return nil
}

// finishRetention deletes what is left below the floor by a process that ended in between.
func (l *Log) finishRetention() error {
	floor := event.Sequence(l.floor.Load())
	if floor == 0 {
		return nil
	}
	iter, err := l.sequenceIter(keyEvent, 0, floor)
	if err != nil {
		return err
	}
	left := iter.First()
	if err := iter.Close(); err != nil || !left {
		return err
	}
	return l.clear(context.Background(), floor)
}

// clear deletes everything up to the floor. Doing it again does no harm. The marks at the floor itself stay, for the figures of
// what follows count from there.
func (l *Log) clear(ctx context.Context, floor event.Sequence) error {
	return l.commit(ctx, 256, func(b *pebble.Batch) {
		for _, r := range []struct {
			prefix byte
			end    event.Sequence
		}{{keyEvent, floor + 1}, {keyRaw, floor + 1}, {keyMark, floor}, {keyClock, floor}} {
			start, end := makeSequenceKey(r.prefix, 0), makeSequenceKey(r.prefix, r.end)
			_ = b.DeleteRange(start[:], end[:], nil)
		}
	})
}

// retentionFloor returns the mark that retention should raise the floor to.
func (l *Log) retentionFloor() (event.Sequence, error) {
	if err := l.enter(); err != nil {
		return 0, err
	}
	defer l.leave()
	r := l.opts.Retention
	soft, err := l.limit(r.Age, r.Bytes)
	if err != nil {
		return 0, err
	}
	if hold := l.hold.Load(); hold != nil {
		soft = min(soft, (*hold)()/markEvery*markEvery)
	}
	hard, err := l.limit(r.HardAge, r.HardBytes)
	return max(soft, hard), err
}

// limit returns the newest mark of which all was stored longer ago than age, or that has more than so many bytes after it.
func (l *Log) limit(age time.Duration, bytes int64) (event.Sequence, error) {
	b := l.Bounds()
	var old event.Sequence
	if age > 0 {
		now, _ := l.clock.now()
		var err error
		if old, err = l.storedBefore(now.Add(-age)); err != nil {
			return 0, err
		}
		old = old / markEvery * markEvery
	}
	passed := uint64(0)
	if stored := l.figures.storedBytes(); bytes > 0 && stored > uint64(bytes) {
		passed = stored - uint64(bytes)
	}
	large, err := l.lastMark(b.Floor, b.Head, func(t *totals) bool { return t.bytes <= passed && passed > 0 })
	return max(old, large), err
}
