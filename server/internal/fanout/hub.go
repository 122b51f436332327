// Package fanout keeps the newest part of the log in memory, encoded for the wire once, and wakes the readers that wait for
// more of it.
//
// It wakes and never pushes: a reader reads forward from its own position, in the ring or further back in the store, at its
// own speed. So there is no queue per reader, and a slow one costs nobody anything.
package fanout

import (
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/filter"
)

// DefaultRing is how many bytes of the log's tail are kept in memory, unless told otherwise.
const DefaultRing = 32 << 20

// decodedPart is the part of the ring, the newest, whose events are also kept decoded for filters, for which they take up to
// ten times the memory. Readers at the head come to all of them at once; those further back each have their own place.
const decodedPart = 16

// A Hub is the tail of one log (it is a store.Tail) and the waiting room of its readers. Open it before the first append.
type Hub struct {
	limit    int
	identity event.Identity
	types    *event.Types

	// ring holds adjacent segments, oldest first; replaced whole when one is added, so that readers need no lock.
	ring  atomic.Pointer[[]*event.Segment]
	bytes int // of the ring; the publisher's own
	// decoding are the newest segments of the ring, which keep what their readers decode; the publisher's own.
	decoding      []*event.Segment
	decodingBytes int
	head          atomic.Uint64

	mu      sync.Mutex
	groups  map[string]*Group
	pending map[event.TypeNumber]span // what was published since the last wake pass
	kick    chan struct{}
	waked   atomic.Uint64 // the last wake pass covered the log up to here
}

// New returns a hub that keeps at most limit bytes of the log's tail in memory; zero means DefaultRing.
func New(limit int) *Hub {
	if limit == 0 {
		limit = DefaultRing
	}
	h := &Hub{limit: limit, groups: map[string]*Group{}, pending: map[event.TypeNumber]span{}, kick: make(chan struct{}, 1)}
	h.ring.Store(&[]*event.Segment{})
	return h
}

// Open ties the hub to the log that will publish to it. Call it once, before the first append.
func (h *Hub) Open(id event.Identity, types *event.Types, head event.Sequence) {
	h.identity, h.types = id, types
	h.head.Store(uint64(head))
	h.waked.Store(uint64(head))
}

// Head is the newest event that readers may see.
func (h *Hub) Head() event.Sequence { return event.Sequence(h.head.Load()) }

// Segment returns the part of the ring that holds the event after a position; nil if that lies further back, or isn't there
// yet.
func (h *Hub) Segment(after event.Sequence) *event.Segment {
	ring := *h.ring.Load()
	i := sort.Search(len(ring), func(i int) bool { return ring[i].After > after }) - 1
	if i < 0 || ring[i].Through() <= after {
		return nil
	}
	return ring[i]
}

// Publish adds events to the ring and has their readers woken. It implements store.Tail: it never blocks, for waking is
// done elsewhere, and the publisher has answers to give.
func (h *Hub) Publish(events []event.Stored) {
	if len(events) == 0 {
		return
	}
	h.fill(events)
	last := events[len(events)-1].Seq
	h.head.Store(uint64(last))
	h.mu.Lock()
	for _, e := range events {
		s, ok := h.pending[e.Type]
		if !ok {
			s.first = e.Seq
		}
		s.last = e.Seq
		h.pending[e.Type] = s
	}
	h.mu.Unlock()
	select {
	case h.kick <- struct{}{}:
	default: // a pass is due already and will cover these
	}
}

func (h *Hub) fill(events []event.Stored) {
	old := *h.ring.Load()
	ring := old
	var open *event.Segment
	if len(old) > 0 {
		open = old[len(old)-1]
	}
	for i, e := range events {
		if open != nil && open.Append(e) {
			continue
		}
		if i > 0 && open != nil {
			open.Publish(e.Seq - 1)
		}
		open = event.NewSegment(h.identity, e.Seq-1)
		open.Share()
		open.Append(e)
		h.decode(open)
		ring = append(slices.Clip(ring), open)
		h.bytes += open.Size()
	}
	open.Publish(events[len(events)-1].Seq)
	if len(ring) != len(old) {
		h.evict(ring)
	}
}

// decode lets a new segment keep what its readers decode, and no longer the oldest of those that do beyond their part.
func (h *Hub) decode(seg *event.Segment) {
	h.decoding = append(h.decoding, seg)
	h.decodingBytes += seg.Size()
	for h.decodingBytes > h.limit/decodedPart && len(h.decoding) > 1 {
		h.decodingBytes -= h.decoding[0].Size()
		h.decoding[0].ForgetDecoded()
		h.decoding[0] = nil
		h.decoding = h.decoding[1:]
	}
}

// evict drops the oldest segments beyond the limit and shows the ring to readers. The newest always stays.
func (h *Hub) evict(ring []*event.Segment) {
	drop := 0
	for h.bytes > h.limit && drop < len(ring)-1 {
		h.bytes -= ring[drop].Size()
		drop++
	}
	kept := append([]*event.Segment(nil), ring[drop:]...)
	h.ring.Store(&kept)
}

// Join adds a reader that wants what the selection selects. Leave when done.
func (h *Hub) Join(selection *filter.Selection) *Waiter {
	key := selection.Key()
	h.mu.Lock()
	defer h.mu.Unlock()
	g, ok := h.groups[key]
	if !ok {
		g = &Group{hub: h, key: key, selection: selection, waiters: map[*Waiter]struct{}{}}
		// A pass that is under way doesn't know this group; its events are at most the head.
		g.mark.Store(&mark{before: h.Head(), first: h.Head(), last: h.Head()})
		h.groups[key] = g
	}
	w := &Waiter{group: g, wake: make(chan struct{}, 1)}
	g.waiters[w] = struct{}{}
	g.size.Store(int64(len(g.waiters)))
	return w
}

// Lag returns how far the readers are behind the head, in events: the furthest one, and all together.
func (h *Hub) Lag() (furthest, total uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	head := h.head.Load()
	for _, g := range h.groups {
		for w := range g.waiters {
			// What a reader doesn't want it needn't read: it isn't behind for that.
			if pos := uint64(w.Skip(event.Sequence(w.position.Load()))); pos < head {
				furthest = max(furthest, head-pos)
				total += head - pos
			}
		}
	}
	return furthest, total
}
