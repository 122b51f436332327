package main

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/straw-gateway/straw/server/internal/convert"
	"github.com/straw-gateway/straw/server/internal/event"
)

// leanLog is a log in memory that only grows: encoded events in shared segments, and one channel that wakes all readers.
type leanLog struct {
	mu       sync.Mutex
	head     event.Sequence
	segments atomic.Pointer[[]*event.Segment] // replaced when a segment is added
	wake     atomic.Pointer[chan struct{}]    // closed, and replaced, by each append
}

func newLeanLog() *leanLog {
	l := &leanLog{}
	wake := make(chan struct{})
	l.segments.Store(&[]*event.Segment{event.NewSegment(event.Identity{}, 0)})
	l.wake.Store(&wake)
	return l
}

func (l *leanLog) append(d *event.Draft) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head++
	stored := event.Stored{Seq: l.head, Encoded: d.Encoded}
	segments := *l.segments.Load()
	last := segments[len(segments)-1]
	if !last.Append(stored) {
		last = event.NewSegment(event.Identity{}, l.head-1)
		last.Append(stored)
		segments = append(segments, last)
		l.segments.Store(&segments)
	}
	last.Publish(l.head)
	wake := make(chan struct{})
	close(*l.wake.Swap(&wake))
	return nil
}

// fill appends generated events.
func (l *leanLog) fill(events int) error {
	hooks := &Webhooks{Order: RandomIDs, Seed: 1}
	for range events {
		_, body := hooks.Next()
		draft := convert.Convert(body, convert.Request{ReceiveTime: time.Now()})
		if err := l.append(draft); err != nil {
			return err
		}
	}
	return nil
}

// size is how many events it holds.
func (l *leanLog) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.head)
}

// A leanReader is one reader's place in the log: the next entry to read.
type leanReader struct {
	log            *leanLog
	segment, entry int
}

// atHead returns a reader that waits for what is appended from now on.
func (l *leanLog) atHead() *leanReader {
	l.mu.Lock()
	defer l.mu.Unlock()
	segments := *l.segments.Load()
	last := len(segments) - 1
	return &leanReader{l, last, len(segments[last].View())}
}

// next returns up to most encoded deliveries, one after the other in shared bytes, and how many; none at the head.
func (r *leanReader) next(most int) ([]byte, int) {
	segments := *r.log.segments.Load()
	for {
		at := segments[r.segment]
		if entries := at.View(); r.entry < len(entries) {
			from := r.entry
			r.entry = min(from+most, len(entries))
			return at.Bytes(entries[from].Delivery, entries[r.entry-1].End), r.entry - from
		}
		if r.segment == len(segments)-1 {
			return nil, 0
		}
		r.segment, r.entry = r.segment+1, 0
	}
}
