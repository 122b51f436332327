package ledger

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/straw-gateway/straw/server/internal/event"
)

// Mutations are what must be written down, all at once. They are to be done in the order of the fields.
type Mutations struct {
	// Reset: first remove all blocks and records.
	Reset    bool
	Position *Position // nil: as it was
	Blocks   []Block
	Records  []Record
	// Copies are the events whose copies are to be removed.
	Copies []event.Sequence
}

// A Block is the settled events among a stretch of the log, packed.
type Block struct {
	No    uint64
	Value []byte // nil: remove it
}

// A Record is what is known of an event that was given back or has failed, or is owed again after it was dead-lettered. What
// is owed up to the scan position and has no record was sent once, or is as good as that.
type Record struct {
	Seq                event.Sequence
	Attempts, Failures int32
	// Due is when it can be sent again; zero for at once.
	Due time.Duration
	// Copied: it has a copy of its own.
	Copied bool
	// Dying: it is to be dead-lettered. Reason says why it failed the last time.
	Dying  bool
	Reason string
	// Gone: remove it.
	Gone bool
}

// Changed reports whether more must be written down than how far events were settled, passed over or sent for the first time,
// which may be left for later.
func (l *Ledger) Changed() bool {
	p := l.position
	p.Floor, p.Scan = l.written.Floor, l.written.Scan
	return l.unwritten > 0 || l.reset || p != l.written || len(l.records) > 0
}

// Lag is how many events the floor and the scan position are ahead of what was drained last.
func (l *Ledger) Lag() uint64 {
	return uint64(l.position.Floor - l.written.Floor + l.position.Scan - l.written.Scan)
}

// Drain returns what has changed since the last Drain. Once it is on the disk, Written is to be called, before the next Drain.
func (l *Ledger) Drain() Mutations {
	m := Mutations{Reset: l.reset, Blocks: l.settled.drain(l.position.Floor, nil), Copies: l.dropped}
	if l.position != l.written {
		p := l.position
		m.Position = &p
	}
	for _, seq := range l.records {
		m.Records = append(m.Records, l.recordOf(seq))
	}
	l.records, l.dropped, l.reset, l.written = nil, nil, false, l.position
	l.unwritten, l.writing = 0, l.unwritten
	return m
}

// Written tells that what Drain has returned is on the disk. It reports whether that has made room.
func (l *Ledger) Written() bool {
	before := l.room()
	l.writing = 0
	return l.room() > before
}

func (l *Ledger) recordOf(seq event.Sequence) Record {
	if e := l.entries[seq]; e != nil {
		e.recording, e.stored = false, true
		r := Record{Seq: seq, Attempts: e.attempts, Failures: e.failures, Copied: e.copied, Dying: e.state == stateDying, Reason: e.reason}
		switch e.state {
		case stateWaiting:
			r.Due = e.at
		case stateSent:
			if !e.proven {
				r.Attempts-- // it may not have left yet
			}
		}
		return r
	}
	if attempts, ok := l.revived[seq]; ok {
		return Record{Seq: seq, Attempts: attempts, Copied: true}
	}
	return Record{Seq: seq, Gone: true}
}

var errRecord = errors.New("a record of a redelivery doesn't fit its subscription")

// Restore takes up the state that was written down. Call it before anything else.
func (l *Ledger) Restore(blocks []Block, records []Record) error {
	for _, b := range blocks {
		decoded, err := decodeBlock(b.Value)
		if err != nil {
			return err
		}
		l.settled.blocks[b.No] = decoded
	}
	// The floor may have been written below the first event that isn't settled.
	l.settled.low, _ = blockOf(l.position.Floor + 1)
	slices.SortFunc(records, func(a, b Record) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, r := range records {
		if !r.Copied && l.done(r.Seq) {
			return errRecord
		}
		l.restore(r)
	}
	l.owe()
	l.raise()
	return nil
}

// owe makes entries for what is owed up to the scan position and has no record.
func (l *Ledger) owe() {
	for seq := l.settled.nextClear(l.position.Floor + 1); seq <= l.position.Scan; seq = l.settled.nextClear(seq + 1) {
		if l.entries[seq] == nil {
			l.makeUnsent(l.add(seq))
		}
	}
}

func (l *Ledger) restore(r Record) {
	if r.Copied && r.Failures == 0 {
		l.revived[r.Seq] = r.Attempts
		l.queue = append(l.queue, r.Seq)
		return
	}
	e := l.add(r.Seq)
	e.reason = r.Reason
	e.attempts, e.failures, e.copied, e.stored = r.Attempts, r.Failures, r.Copied, true
	if r.Failures > 0 {
		e.failed = r.Attempts
	}
	if !r.Copied && r.Seq > l.position.Scan {
		l.ahead = append(l.ahead, r.Seq)
	}
	switch {
	case r.Dying:
		l.makeDying(e)
	case r.Due > 0:
		l.makeWait(e, r.Due)
	case e.attempts == 0:
		l.makeUnsent(e)
	default:
		l.makeDue(e)
	}
}
