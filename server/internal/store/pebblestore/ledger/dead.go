package ledger

import (
	"github.com/straw-gateway/straw/server/internal/event"
)

// A Corpse is an event that is to be dead-lettered.
type Corpse struct {
	Seq      event.Sequence
	Attempts int32
	Reason   string
	// Copied: there is a copy of it already.
	Copied bool
}

// Dying returns at most limit of the events that are to be dead-lettered, the first first; none while there is no room.
func (l *Ledger) Dying(limit int) []Corpse {
	if l.DeadFull() {
		return nil
	}
	var out []Corpse
	for e := l.dying.head; e != nil && len(out) < limit; e = e.next {
		out = append(out, Corpse{Seq: e.seq, Attempts: e.attempts, Reason: e.reason, Copied: e.copied})
	}
	return out
}

// Bury settles an event that has become a dead letter of size bytes. onRecord is the size of the record that it replaces;
// negative if there is none. It reports whether the event was still to be dead-lettered: if not, nothing may be written.
func (l *Ledger) Bury(seq event.Sequence, size, onRecord int64) bool {
	e := l.entries[seq]
	if e == nil || e.state != stateDying || onRecord < 0 && l.DeadFull() {
		return false
	}
	copied := e.copied
	l.drop(e)
	l.unwritten++
	if !copied {
		l.settled.set(seq)
		l.raise()
	}
	l.DeadLettered++
	if onRecord < 0 {
		l.position.DeadLetters++
		onRecord = 0
	}
	l.position.DeadBytes += size - onRecord
	return true
}

// Purge tells that a dead letter of size bytes is gone for good.
func (l *Ledger) Purge(size int64) {
	l.position.DeadLetters--
	l.position.DeadBytes -= size
}

// Revive owes a dead-lettered event again; its record of size bytes is gone. It reports whether the event's copy must stay.
func (l *Ledger) Revive(seq event.Sequence, attempts int32, size int64) (keep bool) {
	l.Purge(size)
	if e := l.entries[seq]; e != nil { // a seek owes it already
		e.failures = 0
		l.record(e)
		if e.state == stateDying {
			l.lift(e)
			l.makeDue(e)
		}
		return false
	}
	if seq > l.position.Scan && !l.done(seq) {
		// A seek owes it, if it still matches. Now it is owed in any case, and once.
		l.settled.set(seq)
		l.raise()
		l.slide()
	}
	l.revived[seq] = attempts
	l.queue = append(l.queue, seq)
	l.records = append(l.records, seq)
	return true
}
