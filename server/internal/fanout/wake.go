package fanout

import (
	"context"
	"sync/atomic"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/filter"
)

// A Group is the readers that want the same: what is decided about an event is decided once for all of them.
type Group struct {
	hub       *Hub
	key       string // of the selection
	selection *filter.Selection
	waiters   map[*Waiter]struct{} // guarded by hub.mu
	size      atomic.Int64         // of waiters
	mark      atomic.Pointer[mark]
}

// A span is the first and the last event of some kind in a stretch of the log.
type span struct{ first, last event.Sequence }

// A mark tells a group's readers what they needn't look at: there is nothing for them between before and first, nor between
// last and where the latest wake pass came to.
type mark struct{ before, first, last event.Sequence }

// A Waiter is one reader's place in the waiting room. Its methods are for that reader alone.
type Waiter struct {
	group    *Group
	wake     chan struct{}
	armed    atomic.Bool
	position atomic.Uint64
}

// Run wakes readers until the context ends. Passes run one at a time; events that are published meanwhile wait for the next,
// so a burst costs one pass and the publisher nothing.
func (h *Hub) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.kick:
			h.pass()
		}
	}
}

func (h *Hub) pass() {
	var due []*Waiter
	h.mu.Lock()
	pending := h.pending
	h.pending = make(map[event.TypeNumber]span, len(pending))
	through := h.waked.Load()
	for _, s := range pending {
		through = max(through, uint64(s.last))
	}
	for _, g := range h.groups {
		if !g.advance(pending) {
			continue
		}
		for w := range g.waiters {
			if w.armed.Load() {
				due = append(due, w)
			}
		}
	}
	h.mu.Unlock()
	for _, w := range due {
		w.rouse()
	}
	// Last, for a reader takes it to mean that its group's mark is up to date so far.
	h.waked.Store(through)
}

// advance moves the group's mark over what was published, and reports whether there is something that it may want.
func (g *Group) advance(pending map[event.TypeNumber]span) bool {
	var s span
	for t, of := range pending {
		if !g.selection.MayWant(t) {
			continue
		}
		if s.first == 0 || of.first < s.first {
			s.first = of.first
		}
		s.last = max(s.last, of.last)
	}
	old := g.mark.Load()
	if s.last <= old.last {
		return false
	}
	g.mark.Store(&mark{before: old.last, first: s.first, last: s.last})
	return true
}

func (w *Waiter) rouse() {
	if w.armed.CompareAndSwap(true, false) {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// Selection is what the reader wants; shared with all who want the same.
func (w *Waiter) Selection() *filter.Selection { return w.group.selection }

// Shared reports whether other readers want the same now.
func (w *Waiter) Shared() bool { return w.group.size.Load() > 1 }

// At tells the hub where the reader is; for metrics alone.
func (w *Waiter) At(pos event.Sequence) { w.position.Store(uint64(pos)) }

// Skip returns the position that the reader may go on from without looking: past events of which it wants none. It is pos
// itself if there may be something for it.
func (w *Waiter) Skip(pos event.Sequence) event.Sequence {
	waked := event.Sequence(w.group.hub.waked.Load()) // before the mark: see pass
	m := w.group.mark.Load()
	switch {
	case pos >= m.last:
		return max(pos, waked)
	case pos >= m.before:
		return max(pos, m.first-1)
	default:
		return pos
	}
}

// Wait returns a channel that receives once there may be an event for the reader after pos; nil if there may be one now.
// It is good for one receive; a spurious one is possible.
func (w *Waiter) Wait(pos event.Sequence) <-chan struct{} {
	w.armed.Store(true)
	if w.group.mark.Load().last > pos {
		w.armed.Store(false)
		return nil
	}
	return w.wake
}

// Leave ends the reader's part. Idempotent.
func (w *Waiter) Leave() {
	h := w.group.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	g := w.group
	delete(g.waiters, w)
	g.size.Store(int64(len(g.waiters)))
	if len(g.waiters) == 0 && h.groups[g.key] == g {
		delete(h.groups, g.key)
	}
}
