package ledger

import (
	"time"

	"github.com/straw-gateway/straw/server/internal/event"
)

// An entry is an event that was sent, or is to be sent again, and isn't settled. It is in exactly one of: a consumer's lane,
// unsent, due, waiting, dying.
type entry struct {
	seq                event.Sequence
	attempts, failures int32
	failed             int32 // the newest attempt whose failure is counted
	state              state
	collected          bool // the newest sending was taken over by its consumer
	proven             bool // and has arrived, for its id came back
	faultless          bool // sent: if the deadline passes, it is no failure
	spare              bool // sent to its consumer when that was leaving
	copied             bool // has a copy of its own; the log's is settled
	stored             bool // has a record
	recording          bool // is in Ledger.records
	reason             string

	at         time.Duration // sent: the deadline; waiting: when it is due
	holder     *Consumer     // sent
	lane       *list         // sent
	prev, next *entry
	index      int // in waiting
}

type state uint8

const (
	stateSent state = iota + 1
	stateUnsent
	stateDue
	stateWaiting
	stateDying
)

// add makes an entry, which is in no place yet.
func (l *Ledger) add(seq event.Sequence) *entry {
	e := l.free
	if e == nil {
		e = new(entry)
	} else {
		l.free = e.next
	}
	*e = entry{seq: seq}
	l.entries[seq] = e
	return e
}

// lift takes an entry out of its place.
func (l *Ledger) lift(e *entry) {
	switch e.state {
	case stateSent:
		e.lane.remove(e)
		e.holder.release()
		e.holder, e.lane, e.faultless = nil, nil, false
	case stateUnsent:
		l.unsent.remove(e)
	case stateDue:
		l.due.remove(e)
	case stateWaiting:
		l.waiting.remove(e)
	case stateDying:
		l.dying.remove(e)
	}
	e.state = 0
}

// drop removes an entry without settling its event.
func (l *Ledger) drop(e *entry) {
	l.lift(e)
	delete(l.entries, e.seq)
	if e.stored {
		l.record(e)
	}
	if !e.recording {
		*e = entry{next: l.free}
		l.free = e
	}
}

// settle removes an entry, for its event is owed no more.
func (l *Ledger) settle(e *entry) {
	seq, copied := e.seq, e.copied
	l.drop(e)
	l.unwritten++
	if copied {
		l.dropped = append(l.dropped, seq)
		return
	}
	l.settled.set(seq)
	if seq == l.position.Floor+1 {
		l.raise()
	}
}

// record has an entry's record written or removed.
func (l *Ledger) record(e *entry) {
	if !e.recording {
		e.recording = true
		l.records = append(l.records, e.seq)
	}
}

func (l *Ledger) makeUnsent(e *entry) {
	e.state = stateUnsent
	l.unsent.insert(e)
}

func (l *Ledger) makeDue(e *entry) {
	e.state = stateDue
	l.due.pushBack(e)
}

func (l *Ledger) makeDying(e *entry) {
	e.state = stateDying
	l.dying.pushBack(e)
}

func (l *Ledger) makeWait(e *entry, until time.Duration) {
	e.state, e.at = stateWaiting, until
	l.waiting.push(e)
}

// A list is a queue of entries from whose middle can be removed.
type list struct {
	head, tail *entry
	n          int
	wait       time.Duration // of a lane: the deadline that all of it was given
}

func (q *list) pushBack(e *entry) {
	e.prev, e.next = q.tail, nil
	if q.tail != nil {
		q.tail.next = e
	} else {
		q.head = e
	}
	q.tail = e
	q.n++
}

// insert adds an entry to a list that is in log order.
func (q *list) insert(e *entry) {
	at := q.tail // to stand before e
	for at != nil && at.seq > e.seq {
		at = at.prev
	}
	if at == q.tail {
		q.pushBack(e)
		return
	}
	e.prev, e.next = at, q.head
	if at != nil {
		e.next = at.next
		at.next = e
	} else {
		q.head = e
	}
	e.next.prev = e
	q.n++
}

func (q *list) remove(e *entry) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		q.head = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		q.tail = e.prev
	}
	e.prev, e.next = nil, nil
	q.n--
}

// A heap holds entries by when they are due.
type heap []*entry

func (h *heap) push(e *entry) {
	e.index = len(*h)
	*h = append(*h, e)
	h.up(e.index)
}

func (h *heap) remove(e *entry) {
	old, i, last := *h, e.index, len(*h)-1
	if i != last {
		old.swap(i, last)
	}
	old[last] = nil
	*h = old[:last]
	if i != last {
		h.down(i)
		h.up(i)
	}
}

func (h heap) less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].seq < h[j].seq
}

func (h heap) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h heap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.less(i, parent) {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h heap) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if h.less(child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		h.swap(i, least)
		i = least
	}
}
