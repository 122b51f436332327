package ledger

import (
	"math"
	"time"

	"github.com/straw-gateway/straw/server/internal/event"
)

// stopped reports whether nothing may be sent: the subscription is paused, or an event must be dead-lettered first and there
// is no room for it.
func (l *Ledger) stopped() bool { return l.Paused || l.dying.n > 0 && l.DeadFull() }

// DeadFull reports whether there is no room for another dead letter.
func (l *Ledger) DeadFull() bool {
	return l.position.DeadLetters >= l.MaxDeadLetters || l.position.DeadBytes >= l.MaxDeadBytes
}

// room is how many events more may be in flight. Where one at a time makes the order strict, an event takes room until its
// settlement is on the disk: or a crash would bring it back after the next one was seen.
func (l *Ledger) room() int {
	taken := len(l.entries)
	if l.MaxInFlight == 1 {
		taken += l.unwritten + l.writing
	}
	return max(0, l.MaxInFlight-taken)
}

// Dispatch picks what can be sent now for the consumers that wait. It returns those that had nothing to collect and now have;
// the slice is good until the next call. Until they look at it they go on waiting, and get more: so what comes bit by bit
// while they are on their way travels together.
//
// Those that hold least come first, until all hold as much. So events spread over idle consumers one by one, a slow consumer
// doesn't pile them up, and a busy one gets a frame's worth for a frame's worth of acknowledgements, not one here and there.
func (l *Ledger) Dispatch(now time.Duration) []*Consumer {
	l.woken = l.woken[:0]
	if l.stopped() {
		return l.woken
	}
	l.promote(now)
	for l.eligible.n > 0 {
		available := l.unsent.n + l.due.n + min(l.room(), len(l.revived)+len(l.ready))
		if available == 0 {
			break
		}
		level, over := l.level(available)
		for c := l.eligible.root.next; available > 0 && c != &l.eligible.root; {
			next := c.next
			n := level - c.outstanding
			if n >= 0 && over > 0 {
				n++
				over--
			}
			if n = min(n, available); n > 0 {
				available -= l.serve(c, n, now)
			}
			c = next
		}
	}
	return l.woken
}

// level is how many deliveries the consumers that wait would hold if so many more were poured over those that hold least; the
// first few of these get one more.
func (l *Ledger) level(more int) (level, over int) {
	for level = math.MaxInt; ; {
		sum, n := more, 0
		for c := l.eligible.root.next; c != &l.eligible.root; c = c.next {
			if c.outstanding <= level {
				sum += c.outstanding
				n++
			}
		}
		if sum/n == level {
			return level, sum % n
		}
		level = sum / n
	}
}

// serve picks up to n events for a consumer that waits, and returns how many it had room for.
func (l *Ledger) serve(c *Consumer, n int, now time.Duration) int {
	n = max(0, min(n, c.room()))
	if n > 0 && len(c.picked) == 0 {
		l.woken = append(l.woken, c)
	}
	for range n {
		l.give(c, now)
	}
	if c.room() <= 0 {
		l.eligible.remove(c)
	}
	return n
}

// give picks the next event for a consumer. What should have been sent first comes before all else. What is due and what is
// new take turns, so that neither keeps the other waiting.
func (l *Ledger) give(c *Consumer, now time.Duration) {
	if e := l.unsent.head; e != nil {
		l.unsent.remove(e)
		l.send(c, e, Match{Entry: event.Entry{Seq: e.seq}}, now)
		return
	}
	fresh := l.room() > 0 && len(l.revived)+len(l.ready) > 0
	if l.due.n > 0 && (!fresh || !l.firsts) {
		l.firsts = true
		e := l.due.head
		l.due.remove(e)
		l.send(c, e, Match{Entry: event.Entry{Seq: e.seq}}, now)
		return
	}
	if !fresh {
		return
	}
	l.firsts = false
	if len(l.revived) > 0 {
		l.giveRevived(c, now)
	} else {
		l.giveFirst(c, now)
	}
}

func (l *Ledger) giveFirst(c *Consumer, now time.Duration) {
	m := l.popReady()
	l.send(c, l.add(m.Entry.Seq), m, now)
	l.position.Scan = m.Entry.Seq
	l.slide()
}

func (l *Ledger) giveRevived(c *Consumer, now time.Duration) {
	for len(l.queue) > 0 {
		seq := l.queue[0]
		l.queue = l.queue[1:]
		if attempts, ok := l.revived[seq]; ok {
			delete(l.revived, seq)
			e := l.add(seq)
			e.attempts, e.copied, e.stored = attempts, true, true
			l.send(c, e, Match{Entry: event.Entry{Seq: seq}}, now)
			return
		}
	}
}

// send hands an event over.
func (l *Ledger) send(c *Consumer, e *entry, m Match, now time.Duration) {
	e.attempts++
	e.collected, e.proven, e.spare = false, false, c.leaving
	c.hold(e, now)
	c.picked = append(c.picked, Pick{Match: m, Attempt: e.attempts, Copied: e.copied, entry: e})
	l.Delivered++
	if e.attempts > 1 {
		l.Redelivered++
	}
}

// Next is when Tick is to be called next; false if there is nothing to wait for.
func (l *Ledger) Next() (at time.Duration, ok bool) {
	if len(l.waiting) > 0 {
		at, ok = l.waiting[0].at, true
	}
	for _, c := range l.consumers {
		for _, lane := range c.lanes {
			if lane.head != nil && (!ok || lane.head.at < at) {
				at, ok = lane.head.at, true
			}
		}
	}
	return at, ok
}

// Tick deals with the deadlines that have passed.
func (l *Ledger) Tick(now time.Duration) {
	for i := 0; i < len(l.consumers); i++ {
		c := l.consumers[i]
		for _, lane := range c.lanes {
			for lane.head != nil && lane.head.at <= now {
				l.overdue(lane.head)
			}
		}
		if i < len(l.consumers) && l.consumers[i] != c { // it was closed and has gone
			i--
		}
	}
	l.promote(now)
}

func (l *Ledger) overdue(e *entry) {
	if !e.collected { // its consumer is busy, and never saw it
		l.unsend(e)
		return
	}
	if e.faultless {
		l.lift(e)
		l.makeDue(e)
		return
	}
	l.fail(e, failure{reason: ReasonDeadline, backoff: true, at: e.at}) // however late that is noticed
}

// promote makes due what has waited long enough.
func (l *Ledger) promote(now time.Duration) {
	for len(l.waiting) > 0 && l.waiting[0].at <= now {
		e := l.waiting[0]
		l.lift(e)
		l.makeDue(e)
	}
}
