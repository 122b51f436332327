package ledger

import (
	"slices"
	"time"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
)

// An ID says which sending is meant, as an ack id does.
type ID struct {
	Epoch   uint32
	Seq     event.Sequence
	Attempt int32
}

// Standard reasons of failures.
const (
	ReasonDeadline = "the ack deadline passed"
	ReasonLost     = "the consumer's stream was lost"
	ReasonNack     = "the consumer gave it back"
)

// A Nack says how a delivery is given back.
type Nack struct {
	Delay      *time.Duration // nil: by the backoff
	DeadLetter bool
	Release    bool
	Reason     string
}

// Ack settles a delivery.
func (l *Ledger) Ack(id ID) strawv1.AckResult_Status {
	if s := l.checkEpoch(id); s != 0 {
		return s
	}
	e := l.entries[id.Seq]
	switch {
	case e != nil:
		e.stays()
		l.settle(e)
	case !l.owed(id.Seq):
		return strawv1.AckResult_ALREADY_ACKED
	default:
		l.settleUnsent(id.Seq)
	}
	l.Acked++
	return strawv1.AckResult_ACKED
}

func (l *Ledger) checkEpoch(id ID) strawv1.AckResult_Status {
	switch {
	case id.Epoch < l.position.Epoch:
		return strawv1.AckResult_STALE
	case id.Epoch > l.position.Epoch:
		return strawv1.AckResult_INVALID
	}
	return 0
}

// settleUnsent settles an event that was sent before a crash and not scanned since, or sent before it was dead-lettered.
func (l *Ledger) settleUnsent(seq event.Sequence) {
	l.unwritten++
	if _, ok := l.revived[seq]; ok {
		delete(l.revived, seq)
		l.records = append(l.records, seq)
		l.dropped = append(l.dropped, seq)
		return
	}
	l.settled.set(seq)
	l.raise()
	l.slide()
}

// Nack gives a delivery back.
func (l *Ledger) Nack(id ID, how Nack, now time.Duration) strawv1.AckResult_Status {
	e, s := l.latest(id)
	if e == nil {
		return s
	}
	if how.Release {
		if e.state == stateSent {
			e.holder.leaving = true
		}
		if e.state != stateDying {
			l.lift(e)
			l.makeDue(e)
			l.record(e)
		}
		return strawv1.AckResult_ACKED
	}
	reason := how.Reason
	if reason == "" {
		reason = ReasonNack
	}
	e.stays()
	l.fail(e, failure{reason: reason, backoff: true, delay: how.Delay, deadLetter: how.DeadLetter, at: now})
	return strawv1.AckResult_ACKED
}

// stays tells that an entry is settled, or has failed, by what its consumer said: if it was sent to it after the consumer had
// released others, that goes on working.
func (e *entry) stays() {
	if e.state == stateSent && e.spare {
		e.holder.leaving = false
	}
}

// Extend grants a delivery a full deadline from now.
func (l *Ledger) Extend(id ID, now time.Duration) strawv1.AckResult_Status {
	e, s := l.latest(id)
	if e == nil {
		return s
	}
	if e.state == stateDying {
		return strawv1.AckResult_ACKED // too late to help; it is about to be settled
	}
	holder := l.nobody
	if e.state == stateSent {
		holder = e.holder
	}
	faultless := e.faultless
	if holder.closed {
		holder = l.nobody
	}
	l.lift(e)
	holder.hold(e, now)
	e.faultless = faultless
	return strawv1.AckResult_ACKED
}

// latest returns the entry of a sending if it is the latest one; else the status to answer with.
func (l *Ledger) latest(id ID) (*entry, strawv1.AckResult_Status) {
	if s := l.checkEpoch(id); s != 0 {
		return nil, s
	}
	e := l.entries[id.Seq]
	known := l.revived[id.Seq]
	switch {
	case e != nil:
		known = e.attempts
	case !l.owed(id.Seq):
		return nil, strawv1.AckResult_ALREADY_ACKED
	}
	if id.Attempt < min(known, MaxAttempt) {
		return nil, strawv1.AckResult_STALE
	}
	if e == nil {
		e = l.adopt(id.Seq)
	}
	if id.Attempt > e.attempts {
		e.attempts = id.Attempt // a restart had forgotten this sending
	}
	e.collected, e.proven = true, true // or there were no such id
	return e, 0
}

// MaxAttempt is the highest attempt that an ID tells from others.
const MaxAttempt = 1<<16 - 1

// adopt makes an entry for an event that was sent before a crash and not scanned since, or is revived. That it is owed is
// written down, for the filter may have changed and hide it by now.
func (l *Ledger) adopt(seq event.Sequence) *entry {
	attempts, revived := l.revived[seq]
	e := l.add(seq)
	if revived {
		delete(l.revived, seq)
		e.attempts, e.copied, e.stored = attempts, true, true
	} else {
		i, _ := slices.BinarySearch(l.ahead, seq)
		l.ahead = slices.Insert(l.ahead, i, seq)
		l.record(e)
	}
	l.makeDue(e)
	if !revived {
		l.slide()
	}
	return e
}

// A failure says why and how a sending failed.
type failure struct {
	reason     string
	backoff    bool           // wait before the next; else it can be sent at once
	delay      *time.Duration // instead of the backoff
	deadLetter bool
	at         time.Duration
}

// fail ends a sending. It counts once, however often it fails.
func (l *Ledger) fail(e *entry, f failure) {
	if e.state == stateDying {
		return
	}
	l.lift(e)
	if e.failed < e.attempts {
		e.failed = e.attempts
		e.failures++
	}
	e.reason = f.reason
	l.record(e)
	switch {
	case f.deadLetter, l.MaxAttempts > 0 && e.failures >= int32(l.MaxAttempts):
		l.makeDying(e)
	case f.delay != nil:
		l.makeWait(e, f.at+*f.delay)
	case f.backoff:
		l.makeWait(e, f.at+l.backoff(e.failures))
	default:
		l.makeDue(e)
	}
}

// backoff is how long an event waits after so many failures.
func (l *Ledger) backoff(failures int32) time.Duration {
	d := l.MinBackoff
	for range failures - 1 {
		if d *= 2; d >= l.MaxBackoff {
			break
		}
	}
	return min(d, l.MaxBackoff)
}
