// Package share divides the processor among those who read. What takes real work, such as asking filters, scanning the
// store or spelling JSON, is done in turns: few run at once, each for about a Slice, and the next turn is for the caller who had the least so
// far. While webhooks come in, turns together take no more than a part of the time.
//
// It measures and orders work, and never does any. It holds nothing for a caller who isn't waiting, and what it holds doesn't
// grow with the number of callers.
package share

import (
	"container/heap"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// Slice is how long a turn lasts, when others wait for theirs.
const Slice = time.Millisecond

// While webhooks come in.
const (
	ingestFor   = 100 * time.Millisecond // so long after each
	ingestDuty  = 0.5                    // the part of the time that turns may take, of each that may run at once
	ingestBurst = 4 * Slice              // that may be saved up, of each
)

// absence is how much a caller may make up for that it didn't wait for: one with a single reader is away after each turn.
const absence = 10 * Slice

// buckets is how many callers are told apart. Those that fall into one bucket share what one caller gets; which those are is
// chosen anew by each process.
const buckets = 1024

// ErrLater means that the turn didn't come within the reader's patience. The next Take goes on waiting from the same place.
var ErrLater = errors.New("no turn yet")

// A Share is what all readers share. The zero value isn't usable; nil gives turns without waiting.
type Share struct {
	seed    maphash.Seed
	started time.Time
	total   int          // turns that may run at once
	ingest  atomic.Int64 // when a webhook came last, since started

	mu      sync.Mutex
	running int
	callers [buckets]caller
	waiting queue         // the callers of which somebody waits
	clock   time.Duration // what the caller who got the newest turn had had before it
	credit  time.Duration // what turns may still take while webhooks come in
	earned  time.Duration // up to when credit was added, since started
	timer   *time.Timer   // set while turns wait for credit
}

// New returns a share in which so many turns run at once, at least one.
func New(turns int) *Share {
	return &Share{seed: maphash.MakeSeed(), started: time.Now(), total: max(1, turns)}
}

// Ingest tells that a webhook is being taken: for a while, it comes first.
func (s *Share) Ingest() {
	if s != nil {
		s.ingest.Store(int64(time.Since(s.started)))
	}
}

// A caller is everybody in one bucket.
type caller struct {
	had   time.Duration // of turns, in virtual time: who comes anew has had about as much as who is served now
	first *Turn         // of those that wait
	last  *Turn
	index int // in Share.waiting
}

// push adds a turn to those that wait; in front if it had been there before.
func (c *caller) push(t *Turn) {
	switch {
	case c.first == nil:
		c.first, c.last = t, t
	case t.passed:
		t.next, c.first.prev, c.first = c.first, t, t
	default:
		t.prev, c.last.next, c.last = c.last, t, t
	}
}

func (c *caller) remove(t *Turn) {
	if t.prev == nil {
		c.first = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		c.last = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.prev, t.next = nil, nil
}

// wait enters a turn, and reports whether it may run at once. If it has just run, for so long, the next may be its own again.
func (s *Share) wait(t *Turn, ran bool, took time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ran {
		s.charge(t, took)
	}
	c := t.caller
	if c.first == nil {
		c.had = max(c.had, s.clock-absence)
		c.push(t)
		heap.Push(&s.waiting, c)
	} else {
		c.push(t)
	}
	t.waits = true
	s.serve()
	return !t.waits
}

// withdraw takes a turn back that waits; false if it has come meanwhile.
func (s *Share) withdraw(t *Turn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !t.waits {
		return false
	}
	s.take(t)
	return true
}

// take removes a turn from those that wait.
func (s *Share) take(t *Turn) {
	t.waits = false
	c := t.caller
	c.remove(t)
	if c.first == nil {
		heap.Remove(&s.waiting, c.index)
	}
}

// done ends a turn that took so long.
func (s *Share) done(t *Turn, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.charge(t, took)
	s.serve()
}

// charge enters what a turn took. The caller holds mu.
func (s *Share) charge(t *Turn, took time.Duration) {
	s.running--
	s.credit -= took
	c := t.caller
	c.had += took - Slice // which serve has charged already
	if c.first != nil {
		heap.Fix(&s.waiting, c.index)
	}
}

// serve gives out the turns that may run. The caller holds mu.
func (s *Share) serve() {
	for s.running < s.total && len(s.waiting) > 0 {
		if rest := s.rest(); rest > 0 {
			s.rouse(rest)
			return
		}
		c := s.waiting[0]
		s.clock = max(s.clock, c.had)
		c.had += Slice
		t := c.first
		s.take(t)
		if c.first != nil {
			heap.Fix(&s.waiting, c.index)
		}
		s.running++
		t.came <- struct{}{} // which has room for the one token that there is
	}
}

// rest is how long turns must rest for webhooks. The caller holds mu.
func (s *Share) rest() time.Duration {
	now := time.Since(s.started)
	whole := ingestDuty * float64(s.total)
	s.credit = min(s.credit+time.Duration(float64(now-s.earned)*whole), time.Duration(s.total)*ingestBurst)
	s.earned = now
	if s.credit > 0 || now-time.Duration(s.ingest.Load()) > ingestFor || s.ingest.Load() == 0 {
		return 0
	}
	return time.Duration(float64(-s.credit)/whole) + 1
}

// rouse has serve called after a rest, unless it will be already. The caller holds mu.
func (s *Share) rouse(after time.Duration) {
	if s.timer != nil {
		return
	}
	s.timer = time.AfterFunc(after, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.timer = nil
		s.serve()
	})
}

// A queue is a heap of callers, the one who had least first.
type queue []*caller

func (q *queue) Len() int           { return len(*q) }
func (q *queue) Less(i, j int) bool { return (*q)[i].had < (*q)[j].had }
func (q *queue) Swap(i, j int) {
	s := *q
	s[i], s[j] = s[j], s[i]
	s[i].index, s[j].index = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	c := x.(*caller)
	c.index = len(*q)
	*q = append(*q, c)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	old := *q
	c := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return c
}
