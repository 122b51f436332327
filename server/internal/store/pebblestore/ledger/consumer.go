package ledger

import (
	"cmp"
	"slices"
	"time"
)

// A Consumer is one taker of a subscription's events.
type Consumer struct {
	// Owner is whoever it stands for; the ledger only passes it on.
	Owner any

	ledger      *Ledger
	limit       int // zero: as many as may be in flight
	outstanding int
	lanes       []*list // its deliveries, by the deadline that they were given, in order
	picked      []Pick
	closed      bool
	leaving     bool // it has released a delivery, and settled nothing since that it was sent later
	gap         int  // the newest gap that it was told of

	want       int // while it waits
	waiting    bool
	prev, next *Consumer // in Ledger.eligible
}

// A Pick is a delivery that was picked for a consumer.
type Pick struct {
	Match
	Attempt int32
	// Copied: it is a redelivery that has a copy of its own. Without that and without a segment it is one of the log's.
	Copied bool

	entry *entry // as long as Holds; by then it may be another event's
}

// Join adds a consumer.
func (l *Ledger) Join(limit int, owner any) *Consumer {
	c := &Consumer{Owner: owner, ledger: l, limit: limit, gap: l.gapsTold}
	l.consumers = append(l.consumers, c)
	l.open++
	return c
}

// Consumers is how many are open.
func (l *Ledger) Consumers() int { return l.open }

// Each calls f with every open consumer.
func (l *Ledger) Each(f func(*Consumer)) {
	for _, c := range l.consumers {
		if !c.closed && c != l.nobody {
			f(c)
		}
	}
}

// Gap reports, once, whether retention has overtaken the subscription since the consumer was last told.
func (c *Consumer) Gap() bool {
	told := c.gap
	c.gap = c.ledger.gaps
	c.ledger.gapsTold = c.ledger.gaps
	c.ledger.position.Gap = false
	return told != c.gap
}

// Take makes the consumer wait for up to so many deliveries, unless some are picked for it already. Dispatch picks them.
func (c *Consumer) Take(want int) {
	if len(c.Picked()) > 0 || c.closed || want <= 0 {
		return
	}
	c.want, c.waiting = want, true
	c.admit()
}

// Picked returns what was picked for the consumer and not collected. It leaves out what was settled meanwhile. Unless nothing
// is left the consumer waits no more. The slice is good until the next call of anything.
func (c *Consumer) Picked() []Pick {
	c.picked = slices.DeleteFunc(c.picked, func(p Pick) bool { return !c.Holds(p) })
	if len(c.picked) > 0 {
		c.rest()
	}
	return c.picked
}

// Holds reports whether a delivery that was picked for the consumer is still its own.
func (c *Consumer) Holds(p Pick) bool {
	return p.entry.holder == c && p.entry.seq == p.Entry.Seq && p.entry.attempts == p.Attempt
}

// Collect takes over the first n that Picked has just returned: from here on they are sent.
func (c *Consumer) Collect(n int) {
	for _, p := range c.picked[:n] {
		p.entry.collected = true
	}
	c.picked = slices.Delete(c.picked, 0, n)
}

// rest ends the consumer's waiting.
func (c *Consumer) rest() {
	c.waiting = false
	c.ledger.eligible.remove(c)
}

// Leave ends the consumer's part. Lost means that what it holds has failed and can be sent again at once, in log order; else it
// stays with it until its deadline, which is no failure. What was picked and not collected was never sent. A consumer that has
// released what it won't get to is sent more in its place, before it can leave: it isn't lost, and nothing fails.
func (c *Consumer) Leave(lost bool, now time.Duration) {
	if c.closed {
		return
	}
	l := c.ledger
	c.closed = true
	l.open--
	c.rest()
	picked := c.Picked()
	c.picked = nil
	for _, p := range picked {
		l.unsend(p.entry)
	}
	for _, e := range c.held() {
		switch {
		case !lost:
			e.faultless = true
		case c.leaving:
			l.lift(e)
			l.makeDue(e)
		default:
			l.fail(e, failure{reason: ReasonLost, at: now})
		}
	}
	l.sweep(c)
}

// held returns what the consumer holds, in log order.
func (c *Consumer) held() []*entry {
	all := make([]*entry, 0, c.outstanding)
	for _, lane := range c.lanes {
		for e := lane.head; e != nil; e = e.next {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b *entry) int { return cmp.Compare(a.seq, b.seq) })
	return all
}

// sweep forgets a closed consumer that holds nothing any more.
func (l *Ledger) sweep(c *Consumer) {
	if c.closed && c.outstanding == 0 {
		if i := slices.Index(l.consumers, c); i >= 0 {
			l.consumers = slices.Delete(l.consumers, i, i+1)
		}
	}
}

// unsend takes back a sending that never left.
func (l *Ledger) unsend(e *entry) {
	// Or it would be there twice if it was picked for the same consumer again.
	e.holder.picked = slices.DeleteFunc(e.holder.picked, func(p Pick) bool { return p.entry == e })
	l.lift(e)
	l.Delivered--
	if e.attempts--; e.attempts > 0 {
		l.Redelivered--
		l.makeDue(e)
		return
	}
	l.makeUnsent(e)
}

// hold puts an entry into the consumer's hands until a deadline.
func (c *Consumer) hold(e *entry, now time.Duration) {
	wait := c.ledger.AckDeadline
	i := slices.IndexFunc(c.lanes, func(lane *list) bool { return lane.wait == wait })
	if i < 0 {
		c.lanes = slices.DeleteFunc(c.lanes, func(lane *list) bool { return lane.n == 0 })
		i = len(c.lanes)
		c.lanes = append(c.lanes, &list{wait: wait})
	}
	e.state, e.at, e.holder, e.lane = stateSent, now+wait, c, c.lanes[i]
	e.lane.pushBack(e)
	c.outstanding++
}

// release tells that one delivery less is outstanding.
func (c *Consumer) release() {
	c.outstanding--
	if c.closed {
		c.ledger.sweep(c)
		return
	}
	c.admit()
}

// forget drops all that the consumer holds, for a seek.
func (c *Consumer) forget() {
	c.lanes, c.picked, c.outstanding = nil, nil, 0
	c.ledger.sweep(c)
	c.admit()
}

// room is how many deliveries more can be picked for the consumer while it waits.
func (c *Consumer) room() int {
	limit := c.limit
	if limit == 0 {
		limit = c.ledger.MaxInFlight
	}
	return min(limit-c.outstanding, c.want-len(c.picked))
}

// admit lines the consumer up if it waits and has room.
func (c *Consumer) admit() {
	if c.waiting && c.next == nil && c.room() > 0 {
		c.ledger.eligible.pushBack(c)
	}
}

// A ring is a queue of consumers from whose middle can be removed.
type ring struct {
	root Consumer // its next is the first, its prev the last
	n    int
}

func (r *ring) pushBack(c *Consumer) {
	if r.n == 0 {
		r.root.next, r.root.prev = &r.root, &r.root
	}
	last := r.root.prev
	c.prev, c.next = last, &r.root
	last.next, r.root.prev = c, c
	r.n++
}

func (r *ring) remove(c *Consumer) {
	if c.next == nil {
		return
	}
	c.prev.next, c.next.prev = c.next, c.prev
	c.prev, c.next = nil, nil
	r.n--
}
