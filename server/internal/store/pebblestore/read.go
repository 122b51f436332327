package pebblestore

import (
	"context"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/straw-gateway/straw/server/internal/event"
)

// Limits on what one Read looks at, so that a reader of rare types still gets to breathe.
const (
	readEvents = 16 << 10
	readBlocks = 1 << 8 // stretches between two marks that are skipped unread
	readTime   = 2 * time.Millisecond
)

// Read returns the part of the log that follows a position.
func (l *Log) Read(ctx context.Context, after event.Sequence, want func(event.TypeNumber) bool) (*event.Segment, error) {
	if err := l.enterRead(ctx); err != nil {
		return nil, err
	}
	defer l.leave()
	if err := l.passed(after); err != nil {
		return nil, err
	}
	head := event.Sequence(l.durable.Load())
	seg := event.NewSegment(l.identity, after)
	if after >= head {
		return seg, nil
	}
	s := scan{log: l, ctx: ctx, want: want, seg: seg, at: after, head: head, until: time.Now().Add(readTime)}
	if err := s.run(); err != nil {
		return nil, err
	}
	seg.Publish(s.at)
	return seg, nil
}

// enterRead is enter for the calls that readers make.
func (l *Log) enterRead(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := l.corruption(); err != nil {
		return err
	}
	return l.enter()
}

// passed fails with event.ErrPassed if retention has removed the event after a position.
func (l *Log) passed(after event.Sequence) error {
	if floor := event.Sequence(l.floor.Load()); after < floor {
		return fmt.Errorf("%w: the oldest event is %d, after %d was asked for", event.ErrPassed, floor+1, after)
	}
	return nil
}

// hole says why an event between floor and head isn't there: retention has just removed it, or it is lost.
func (l *Log) hole(seq event.Sequence) error {
	if err := l.passed(seq - 1); err != nil {
		return err
	}
	return l.readError(fmt.Errorf("%w: event %d is missing in %s", event.ErrCorrupt, seq, l.dir))
}

// A scan is the work of one Read.
type scan struct {
	log   *Log
	ctx   context.Context
	want  func(event.TypeNumber) bool
	seg   *event.Segment
	head  event.Sequence
	until time.Time

	at    event.Sequence // looked at up to here
	iter  *pebble.Iterator
	marks markReader
}

func (s *scan) run() (err error) {
	lower, upper := makeSequenceKey(keyEvent, s.at+1), makeSequenceKey(keyEvent, s.head+1)
	s.iter, err = s.log.db.NewIter(&pebble.IterOptions{LowerBound: lower[:], UpperBound: upper[:]})
	if err != nil {
		return s.log.readError(err)
	}
	s.marks.db = s.log.db
	err = s.events()
	if e := s.iter.Close(); err == nil && e != nil {
		err = s.log.readError(e)
	}
	return err
}

// events looks at events until the segment is full, the head is reached or it is time to return.
func (s *scan) events() error {
	moved := true // away from where the iterator stands
	for n := range readEvents {
		if s.want != nil && s.at%markEvery == 0 {
			skipped, err := s.skip()
			if err != nil {
				return s.log.readError(err)
			}
			moved = moved || skipped
		}
		if s.at == s.head {
			return nil
		}
		if n%256 == 255 {
			if err := s.ctx.Err(); err != nil {
				return err
			}
			if time.Now().After(s.until) {
				return nil
			}
		}
		if !s.step(moved) {
			return s.missing()
		}
		moved = false
		if full, err := s.take(); full || err != nil {
			return err
		}
	}
	return nil
}

// step moves the iterator to the event after at.
func (s *scan) step(seek bool) bool {
	if !seek {
		return s.iter.Next()
	}
	key := makeSequenceKey(keyEvent, s.at+1)
	return s.iter.SeekGE(key[:])
}

func (s *scan) missing() error {
	if err := s.iter.Error(); err != nil {
		return s.log.readError(err)
	}
	return s.log.hole(s.at + 1)
}

// take looks at the event on which the iterator stands. It reports whether the segment has no room for it.
func (s *scan) take() (full bool, err error) {
	seq, ok := keySequence(keyEvent, s.iter.Key())
	if !ok || seq != s.at+1 {
		return false, s.log.hole(s.at + 1)
	}
	value, err := s.iter.ValueAndErr()
	if err != nil {
		return false, s.log.readError(err)
	}
	h, encoded, ok := splitEvent(value)
	if !ok {
		return false, s.log.readError(badEvent(seq))
	}
	if s.want == nil || s.want(h.typ) {
		// Append copies, as it must: the value is gone with the next step.
		if !s.seg.Append(event.Stored{Seq: seq, Type: h.typ, Encoded: encoded}) {
			return true, nil
		}
	}
	s.at = seq
	return false, nil
}

func badEvent(seq event.Sequence) error {
	return fmt.Errorf("%w: event %d doesn't decode", event.ErrCorrupt, seq)
}

// skip moves over the stretches between marks in which no wanted type occurs.
func (s *scan) skip() (skipped bool, err error) {
	for range readBlocks {
		end := s.at + markEvery
		if end > s.head {
			return skipped, nil
		}
		wanted, err := s.marks.wanted(s.at, end, s.want)
		if wanted || err != nil {
			return skipped, err
		}
		s.at, skipped = end, true
	}
	return skipped, nil
}
