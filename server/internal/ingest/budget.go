package ingest

import (
	"net/netip"
	"sync"
	"time"
)

// A budget is the memory that is set aside for large bodies. An address gets no more than half of it. Where it is used up, the
// body that has been coming longest makes room: a sender who is in earnest is through by then, from whatever many addresses
// others hold theirs.
type budget struct {
	limit int64

	mu     sync.Mutex
	used   int64
	held   map[netip.Addr]int64 // of addresses that aren't exempt
	coming map[*incoming]struct{}
}

// A body that has been coming for less than tooYoung isn't made to give way, and one that is has roomSoon to do so.
const (
	tooYoung = 500 * time.Millisecond
	roomSoon = time.Second
)

func newBudget(limit int64) *budget {
	return &budget{limit: limit, held: map[netip.Addr]int64{}, coming: map[*incoming]struct{}{}}
}

// take reports whether there are so many bytes more for a body, which then holds them.
func (b *budget) take(in *incoming, bytes int64) bool {
	for {
		ok, wait := b.tryTake(in, bytes)
		if wait == nil {
			return ok
		}
		select {
		case <-wait:
		case <-time.After(roomSoon):
			return false
		}
	}
}

// tryTake is take, or returns what to wait for.
func (b *budget) tryTake(in *incoming, bytes int64) (ok bool, wait <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !in.exempt && b.held[in.peer]+bytes > b.limit/2 {
		return false, nil
	}
	if b.used+bytes > b.limit {
		old := b.longestComing()
		if old == nil {
			return false, nil
		}
		old.given = true
		old.setDeadline(time.Unix(1, 0))
		return false, old.released
	}
	b.coming[in] = struct{}{}
	in.held += bytes
	b.used += bytes
	if !in.exempt {
		b.held[in.peer] += bytes
	}
	return true, nil
}

// longestComing is the body that makes room; nil if there is none. The lock is held.
func (b *budget) longestComing() (oldest *incoming) {
	for in := range b.coming {
		if !in.given && time.Since(in.since) >= tooYoung && (oldest == nil || in.since.Before(oldest.since)) {
			oldest = in
		}
	}
	return oldest
}

// deadline sets until when the next bytes of a body must be here, unless it has given way.
func (b *budget) deadline(in *incoming, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !in.given {
		in.setDeadline(at)
	}
}

// arrived says that all of a body is here: it no longer makes room.
func (b *budget) arrived(in *incoming) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.coming, in)
	in.given = false
}

// release gives back what a body holds.
func (b *budget) release(in *incoming) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.coming, in)
	close(in.released)
	b.used -= in.held
	if in.exempt {
		return
	}
	if b.held[in.peer] -= in.held; b.held[in.peer] == 0 {
		delete(b.held, in.peer)
	}
}
