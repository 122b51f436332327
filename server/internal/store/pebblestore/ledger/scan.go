package ledger

import (
	"github.com/straw-gateway/straw/server/internal/event"
)

// A Match is an event that the subscription wants.
type Match struct {
	Segment *event.Segment // holds the event; the ledger only passes it on
	Entry   event.Entry
}

// lowReady is how many matches are ready when it is time to scan for more: as many as a frame has at most, so that a consumer
// that comes for one needn't wait for the scan.
const lowReady = 256

// NeedScan reports whether there is a consumer for more than is ready.
func (l *Ledger) NeedScan() bool {
	return len(l.ready) < lowReady && !l.stopped() && l.open > 0
}

// ScanFrom is the position to scan on from.
func (l *Ledger) ScanFrom() event.Sequence {
	if settled := l.settled.nextClear(l.scanned+1) - 1; settled > l.scanned {
		l.scanned = settled
		l.slide()
	}
	return l.scanned
}

// Scanned tells which events match of those after ScanFrom up to a position, in order. What is settled or known to be owed
// may be among them.
func (l *Ledger) Scanned(through event.Sequence, matches []Match) {
	if len(l.ready)+len(matches) > cap(l.ready) {
		l.buffer = append(make([]Match, 0, 2*(len(l.ready)+len(matches))), l.ready...)
		l.ready = l.buffer
	}
	for _, m := range matches {
		if seq := m.Entry.Seq; !l.done(seq) && !l.known(seq) {
			l.ready = append(l.ready, m)
		}
	}
	l.scanned = max(l.scanned, through)
	l.slide()
}

// slide moves the scan position up to the next event that is still to be sent for the first time.
func (l *Ledger) slide() {
	for len(l.ready) > 0 {
		seq := l.ready[0].Entry.Seq
		switch {
		case l.done(seq):
			l.skip(seq)
		case l.known(seq):
			l.skip(seq - 1)
			l.position.Scan = max(l.position.Scan, seq)
		default:
			l.skip(seq - 1)
			return
		}
		l.popReady()
	}
	l.skip(l.scanned)
}

// popReady takes out the first that is ready.
func (l *Ledger) popReady() Match {
	m := l.ready[0]
	l.ready[0] = Match{}
	if l.ready = l.ready[1:]; len(l.ready) == 0 {
		l.ready = l.buffer[:0]
	}
	return m
}

// known reports whether an event beyond the scan position has an entry all the same.
func (l *Ledger) known(seq event.Sequence) bool { return len(l.ahead) > 0 && l.entries[seq] != nil }

// skip moves the scan position over events that don't match, are settled, or have an entry already.
func (l *Ledger) skip(through event.Sequence) {
	for len(l.ahead) > 0 && l.ahead[0] <= through {
		seq := l.ahead[0]
		l.ahead = l.ahead[1:]
		l.pass(seq - 1)
		if l.entries[seq] != nil {
			l.position.Scan = max(l.position.Scan, seq)
		}
	}
	l.pass(through)
}

// pass moves the scan position over events that don't match or are settled.
func (l *Ledger) pass(through event.Sequence) {
	p := &l.position
	if through <= p.Scan {
		return
	}
	if p.Scan == p.Floor {
		p.Floor, p.Scan = through, through
		l.settled.dropThrough(through)
		l.raise()
		return
	}
	l.settled.setRange(p.Scan+1, through)
	p.Scan = through
}

// forgetReady drops what is ready, for it has to be scanned again.
func (l *Ledger) forgetReady() {
	clear(l.buffer[:cap(l.buffer)])
	l.ready = l.buffer[:0]
}
