package ledger

import (
	"maps"
	"slices"

	"pgregory.net/rapid"

	"github.com/straw-gateway/straw/server/internal/event"
)

// A disk is what was drained, and what the model knew at that moment.
type disk struct {
	position Position
	blocks   map[uint64][]byte
	records  map[event.Sequence]Record
	copies   map[event.Sequence]bool

	filter int
	events map[event.Sequence]account
}

func newDisk() disk {
	return disk{blocks: map[uint64][]byte{}, records: map[event.Sequence]Record{}, copies: map[event.Sequence]bool{}}
}

func (d *disk) apply(m Mutations) {
	if m.Reset {
		clear(d.blocks)
		clear(d.records)
	}
	if m.Position != nil {
		d.position = *m.Position
	}
	for _, b := range m.Blocks {
		if d.blocks[b.No] = b.Value; b.Value == nil {
			delete(d.blocks, b.No)
		}
	}
	for _, r := range m.Records {
		if d.records[r.Seq] = r; r.Gone {
			delete(d.records, r.Seq)
		}
	}
	for _, seq := range m.Copies {
		delete(d.copies, seq)
	}
}

// save drains the ledger, as a commit would.
func (m *model) save() {
	m.observe()
	if changes := m.ledger.Drain(); changes.Position != nil || m.disk.position.Floor > 0 {
		m.disk.apply(changes)
	} else {
		m.disk.position = m.ledger.Position() // the first
	}
	m.disk.filter, m.disk.events = m.filter, map[event.Sequence]account{}
	for seq, a := range m.events {
		m.disk.events[seq] = *a
	}
	for no := range m.disk.blocks {
		if event.Sequence((no+1)*blockBits-1) <= m.disk.position.Floor {
			m.t.Fatalf("block %d is kept, and the floor is %d", no, m.disk.position.Floor)
		}
	}
	m.ledger.Written()
	m.unsaved = 0
	if l := m.ledger; l.Changed() || l.Lag() > 0 {
		m.t.Fatalf("something is left to write: %+v", l.Drain())
	}
}

// restart loses what wasn't saved.
func (m *model) restart(*rapid.T) {
	m.takers, m.filter, m.unsaved = nil, m.disk.filter, 0
	var blocks []Block
	for no, v := range m.disk.blocks {
		blocks = append(blocks, Block{No: no, Value: v})
	}
	m.ledger = New(m.limits, m.disk.position)
	if err := m.ledger.Restore(blocks, slices.Collect(maps.Values(m.disk.records))); err != nil {
		m.t.Fatalf("restore: %v", err)
	}
	m.recall()
	m.expired = m.disk.position.Expired
	m.lose(m.removed)
	m.save()
	m.pump()
}

// recall makes the model know what the disk knows: each event up to the scan position, and what was settled or given back
// beyond. What was sent since is as good as new, but its ids count.
func (m *model) recall() {
	m.events, m.scan = map[event.Sequence]*account{}, m.disk.position.Scan
	for seq, was := range m.disk.events {
		a := was
		r, recorded := m.disk.records[seq]
		switch {
		case was.place == placeDone:
		case recorded:
			m.recallRecord(&a, r)
		case was.copied || was.failures > 0 || was.place == placeDying || seq > m.scan:
			m.t.Fatalf("there is no record of event %d, which is %+v, and the scan position is %d", seq, was, m.scan)
		default:
			a = account{place: placeUnsent}
		}
		m.events[seq] = &a
	}
	m.letters = maps.Clone(m.letters)
}

func (m *model) recallRecord(a *account, r Record) {
	most := a.attempts
	if a.place == placeSent && !a.proven { // it may not have left
		most--
	}
	if r.Attempts > most || r.Failures != a.failures || r.Copied != a.copied || r.Dying != (a.place == placeDying) {
		m.t.Fatalf("the record says %+v, of %+v", r, *a)
	}
	a.attempts, a.failed, a.faultless, a.unseen, a.proven, a.holder, a.at = r.Attempts, 0, false, false, false, nil, r.Due
	if r.Failures > 0 {
		a.failed = r.Attempts
	}
	switch {
	case a.copied && a.failures == 0:
		a.place = placeRevived
	case r.Dying:
		a.place = placeDying
	case r.Due > 0:
		a.place = placeWaiting
	case r.Attempts == 0:
		a.place = placeUnsent
	default:
		a.place = placeDue
	}
}

// expire lets retention overtake the subscription.
func (m *model) expire(t *rapid.T) {
	more := rapid.SampledFrom([]event.Sequence{1, 5, m.head - m.removed}).Draw(t, "more")
	m.lose(min(m.head, m.removed+more))
	m.pump()
}

// lose removes events. Of those that weren't scanned all may count, whether they match or not.
func (m *model) lose(through event.Sequence) {
	var least int64
	for seq, a := range m.events {
		if seq <= through && !a.copied && a.place != placeDone {
			*a = account{}
			least++
		}
	}
	most := least
	for seq := m.scan + 1; seq <= through; seq++ {
		if m.events[seq] == nil {
			most++
			if m.selects(seq) {
				least++
			}
		}
	}
	got := m.ledger.Expire(through)
	if got < least || got > most {
		m.t.Fatalf("%d events expired, want %d to %d", got, least, most)
	}
	m.removed = max(m.removed, through)
	m.expired += got
	m.observe()
}
