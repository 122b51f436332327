// Package ledger keeps the account of one subscription: which events it owes, who has them, and when they are due again. It
// is told what was scanned, taken and settled and at what time it is, and says what to send and what to write down.
//
// It does no I/O, has no clock and starts no goroutine. It isn't safe for concurrent use.
//
// Everything at or below the floor is settled. Between the floor and the scan position an event is owed if, and only if, it
// has an entry; all else there has a bit, for it is settled or didn't match. Beyond the scan position an event is owed if it
// matches, unless it has a bit, for what was sent just before a crash may be acknowledged before it is scanned again. So what
// wasn't scanned takes no memory, and the rest as much as there are events in flight, and a bit for each event between the
// floor and the newest settled one, less for long runs.
//
// Floor, scan position and bits are always written together, as they are at one moment. So after a restart just those events
// between the two are owed that have no bit, whatever the filter says by then, and what comes after is scanned as if it were
// new. First sendings themselves aren't written: those since the last write are made once more.
package ledger

import (
	"slices"
	"time"

	"github.com/straw-gateway/straw/server/internal/event"
)

// A Config is what a subscription's definition asks of its ledger.
type Config struct {
	AckDeadline            time.Duration
	MinBackoff, MaxBackoff time.Duration
	MaxInFlight            int
	MaxAttempts            int // zero: no limit
	Paused                 bool
	// MaxDeadLetters and MaxDeadBytes bound what is on record. Beyond them nothing is sent any more.
	MaxDeadLetters int64
	MaxDeadBytes   int64
}

// A Position is where a subscription stands, as it is written down.
type Position struct {
	// Floor: everything up to here is settled.
	Floor event.Sequence
	// Scan: whatever isn't settled up to here matched when it was scanned, and is owed; all of it was picked to be sent at
	// least once.
	Scan event.Sequence
	// Epoch counts the seeks.
	Epoch uint32
	// Expired counts the events that retention took.
	Expired int64
	// Gap: nobody was told of the latest ones yet.
	Gap bool
	// DeadLetters and DeadBytes are what is on record.
	DeadLetters, DeadBytes int64
}

// Counts are what has happened since the ledger was made.
type Counts struct {
	Delivered, Redelivered, Acked, DeadLettered int64
}

// A Ledger is the account of one subscription.
type Ledger struct {
	Config
	Counts
	position Position

	settled *settled
	entries map[event.Sequence]*entry
	free    *entry

	// ready are the matches after the scan position, up to scanned.
	ready   []Match
	buffer  []Match // in which ready is
	scanned event.Sequence
	// ahead are the entries beyond the scan position, in order: they were sent just before a crash, and given back or extended
	// after it.
	ahead []event.Sequence

	unsent  list                     // sent never, or not since a restart; in log order
	due     list                     // can be sent again now
	waiting heap                     // can be sent again later
	dying   list                     // to be dead-lettered
	revived map[event.Sequence]int32 // dead letters that are owed again and weren't sent yet: their attempts so far
	queue   []event.Sequence         // the order of revived; may hold more
	firsts  bool                     // whose turn it is when there is both something due and something new

	consumers []*Consumer // open ones, and closed ones that still hold deliveries
	open      int
	nobody    *Consumer // holds deliveries whose consumer isn't known
	eligible  ring      // consumers that wait and have room
	woken     []*Consumer
	gaps      int // how often retention has overtaken the subscription
	gapsTold  int

	records []event.Sequence // of entries whose record may have to be written or removed
	dropped []event.Sequence // copies to remove
	written Position         // what was drained last
	reset   bool
	// How many settlements aren't on the disk: unwritten until the next Drain, writing from there until Written.
	unwritten, writing int
}

// New returns the ledger of a subscription that stands at a position; a new one has a floor alone. If it has anything on
// record, Restore must follow.
func New(c Config, p Position) *Ledger {
	p.Scan = max(p.Scan, p.Floor)
	l := &Ledger{
		Config: c, position: p, written: p, settled: newSettled(), entries: map[event.Sequence]*entry{},
		scanned: p.Scan, revived: map[event.Sequence]int32{},
	}
	if p.Gap {
		l.gaps = 1
	}
	l.nobody = &Consumer{ledger: l}
	l.consumers = []*Consumer{l.nobody}
	return l
}

// Position is where the subscription stands.
func (l *Ledger) Position() Position { return l.position }

// InFlight is how many events were sent and not settled.
func (l *Ledger) InFlight() int { return len(l.entries) }

// Revived is how many dead letters are owed again and weren't sent yet.
func (l *Ledger) Revived() int { return len(l.revived) }

// Oldest returns the lowest sequence that isn't settled, and false if there is none up to the head.
func (l *Ledger) Oldest(head event.Sequence) (event.Sequence, bool) {
	oldest := l.position.Floor + 1
	for seq := range l.revived {
		oldest = min(oldest, seq)
	}
	for seq, e := range l.entries {
		if e.copied {
			oldest = min(oldest, seq)
		}
	}
	return oldest, oldest <= head
}

// Configure changes what the definition asks. What was sent stays as it is. If what the subscription wants has changed,
// what isn't sent yet must be scanned again.
func (l *Ledger) Configure(c Config, selectionChanged bool) {
	l.Config = c
	if selectionChanged {
		l.forgetReady()
		l.scanned = l.position.Scan
	}
	for _, c := range l.consumers {
		c.admit()
	}
}

// raise moves the floor up to the first event that isn't settled.
func (l *Ledger) raise() {
	floor := l.settled.nextClear(l.position.Floor+1) - 1
	if floor == l.position.Floor {
		return
	}
	l.position.Floor = floor
	l.settled.dropThrough(floor)
	if l.position.Scan < floor {
		l.position.Scan = floor
		l.scanned = max(l.scanned, floor)
	}
}

// done reports whether an event of the log is settled.
func (l *Ledger) done(seq event.Sequence) bool {
	return seq <= l.position.Floor || l.settled.has(seq)
}

// owed reports whether an event without an entry is owed, given that it was sent once since the latest seek.
func (l *Ledger) owed(seq event.Sequence) bool {
	if _, ok := l.revived[seq]; ok {
		return true
	}
	return seq > l.position.Scan && !l.done(seq)
}

// Seek makes everything after a position owed again, and all before settled. Dead letters stay on record.
func (l *Ledger) Seek(after event.Sequence) {
	for seq, e := range l.entries {
		if e.copied {
			l.dropped = append(l.dropped, seq)
		}
	}
	for seq := range l.revived {
		l.dropped = append(l.dropped, seq)
	}
	clear(l.entries)
	clear(l.revived)
	l.free, l.queue, l.unsent, l.due, l.dying, l.waiting = nil, nil, list{}, list{}, list{}, nil
	for _, c := range slices.Clone(l.consumers) {
		c.forget()
	}
	l.settled = newSettled()
	l.forgetReady()
	l.records, l.ahead = nil, nil
	l.reset = true
	l.unwritten++
	l.position.Floor, l.position.Scan, l.scanned = after, after, after
	l.position.Epoch++
}

// Expire settles what retention has removed: everything up to a position but what has a copy of its own. It returns how
// many events were owed, or may have been.
func (l *Ledger) Expire(through event.Sequence) int64 {
	if through <= l.position.Floor {
		return 0
	}
	lost := l.neverSent(through)
	for seq, e := range l.entries {
		if seq <= through && !e.copied {
			l.drop(e)
			lost++
		}
	}
	l.ready = slices.DeleteFunc(l.ready, func(m Match) bool { return m.Entry.Seq <= through })
	l.ahead = slices.DeleteFunc(l.ahead, func(seq event.Sequence) bool { return seq <= through })
	l.position.Floor = through
	l.settled.dropThrough(through)
	l.position.Scan, l.scanned = max(l.position.Scan, through), max(l.scanned, through)
	l.raise()
	l.slide()
	if lost > 0 {
		l.position.Expired += lost
		l.position.Gap = true
		l.gaps++
	}
	return lost
}

// neverSent counts what is owed up to a position, or may be, and has no entry.
func (l *Ledger) neverSent(through event.Sequence) int64 {
	var n int64
	for _, m := range l.ready {
		if seq := m.Entry.Seq; seq <= through && !l.done(seq) && l.entries[seq] == nil {
			n++
		}
	}
	if through > l.scanned {
		n += int64(l.settled.countClear(l.scanned+1, through))
		for _, seq := range l.ahead {
			if seq > l.scanned && seq <= through && l.entries[seq] != nil && !l.done(seq) {
				n--
			}
		}
	}
	return n
}
