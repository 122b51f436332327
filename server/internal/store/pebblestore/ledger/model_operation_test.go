package ledger

import (
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
)

// judgeID says what an ack id is worth. An event without an account was sent before a crash, and is to be scanned again.
func (m *model) judgeID(id ID) (*account, strawv1.AckResult_Status) {
	if id.Epoch < m.epoch {
		return nil, strawv1.AckResult_STALE
	}
	a := m.events[id.Seq]
	if a == nil {
		a = &account{place: placeDue}
		m.events[id.Seq] = a
	}
	if a.place == placeDone {
		return nil, strawv1.AckResult_ALREADY_ACKED
	}
	return a, strawv1.AckResult_ACKED
}

func (m *model) drawID() ID {
	if len(m.issued) == 0 {
		m.t.Skip("nothing was sent yet")
	}
	recent := max(0, len(m.issued)-rapid.SampledFrom([]int{4, 40, 4000}).Draw(m.t, "how recent"))
	return rapid.SampledFrom(m.issued[recent:]).Draw(m.t, "id")
}

func (m *model) ack(t *rapid.T) {
	id := m.drawID()
	a, want := m.judgeID(id)
	if a != nil {
		a.stays()
		*a = account{}
		m.unsaved++
	}
	if got := m.ledger.Ack(id); got != want {
		t.Fatalf("ack %+v: %v, want %v", id, got, want)
	}
	m.pump()
}

// stays: a consumer that settles what it was sent after it had released others goes on working.
func (a *account) stays() {
	if a.place == placeSent && a.holder != nil && a.spare {
		a.holder.leaving = false
	}
}

// latest is judgeID for what only the latest attempt may do.
func (m *model) latest(id ID) (*account, strawv1.AckResult_Status) {
	a, want := m.judgeID(id)
	if a == nil {
		return nil, want
	}
	if id.Attempt < a.attempts {
		return nil, strawv1.AckResult_STALE
	}
	if id.Attempt > a.attempts {
		a.attempts = id.Attempt
	}
	a.unseen, a.proven = false, true
	return a, want
}

func (m *model) nack(t *rapid.T) {
	id := m.drawID()
	how := rapid.SampledFrom([]string{"backoff", "delay", "dead", "release"}).Draw(t, "how")
	a, want := m.latest(id)
	n := Nack{Release: how == "release", DeadLetter: how == "dead"}
	if how == "delay" {
		d := time.Duration(rapid.IntRange(0, 50).Draw(t, "delay"))
		n.Delay = &d
	}
	if a != nil {
		switch {
		case a.place == placeDying:
		case n.Release:
			if a.place == placeSent && a.holder != nil {
				a.holder.leaving = true
			}
			a.place, a.holder = placeDue, nil
		default:
			a.stays()
			if m.fail(a, true, n.Delay, m.now); n.DeadLetter {
				a.place = placeDying
			}
		}
	}
	if got := m.ledger.Nack(id, n, m.now); got != want {
		t.Fatalf("nack %+v: %v, want %v", id, got, want)
	}
	m.pump()
}

func (m *model) extend(t *rapid.T) {
	id := m.drawID()
	a, want := m.latest(id)
	if a != nil && a.place != placeDying {
		if a.place != placeSent {
			a.holder, a.faultless = nil, false
		}
		a.place, a.at = placeSent, m.now+m.limits.AckDeadline
	}
	if got := m.ledger.Extend(id, m.now); got != want {
		t.Fatalf("extend %+v: %v, want %v", id, got, want)
	}
	m.pump()
}

func (m *model) join(t *rapid.T) {
	if len(m.takers) == 4 {
		t.Skip("enough")
	}
	k := &taker{limit: rapid.IntRange(0, 6).Draw(t, "limit"), lazy: rapid.Bool().Draw(t, "lazy")}
	k.consumer = m.ledger.Join(k.limit, k)
	m.takers = append(m.takers, k)
}

func (m *model) leave(t *rapid.T) {
	if len(m.takers) == 0 {
		t.Skip("nobody is there")
	}
	i := rapid.IntRange(0, len(m.takers)-1).Draw(t, "who")
	k, lost := m.takers[i], rapid.Bool().Draw(t, "lost")
	m.takers = slices.Delete(m.takers, i, i+1)
	for _, a := range m.events {
		switch {
		case a.holder != k:
		case a.unseen:
			a.unsend()
		case lost && k.leaving:
			a.place, a.holder = placeDue, nil
		case lost:
			m.fail(a, false, nil, m.now)
		default:
			a.faultless, a.holder = true, nil
		}
	}
	k.consumer.Leave(lost, m.now)
	m.pump()
}

func (m *model) take(t *rapid.T) {
	if len(m.takers) == 0 {
		t.Skip("nobody is there")
	}
	k := rapid.SampledFrom(m.takers).Draw(t, "who")
	m.collect(k, 1000)
	k.consumer.Take(rapid.IntRange(1, 8).Draw(t, "want"))
	m.pump()
}

func (m *model) append(t *rapid.T) {
	m.head += event.Sequence(rapid.SampledFrom([]int{1, 3, 10, 50}).Draw(t, "events"))
	m.pump()
}

func (m *model) advance(t *rapid.T) {
	m.now += time.Duration(rapid.IntRange(1, 40).Draw(t, "by"))
	m.pump()
}

func (m *model) configure(t *rapid.T) {
	m.limits.Paused = rapid.Bool().Draw(t, "paused")
	m.limits.MaxInFlight = rapid.SampledFrom([]int{1, 10, 200}).Draw(t, "max in flight")
	m.limits.MaxAttempts = rapid.SampledFrom([]int{0, 1, 3}).Draw(t, "max attempts")
	m.limits.AckDeadline = time.Duration(rapid.SampledFrom([]int{5, 30}).Draw(t, "deadline"))
	was := m.filter
	m.filter = rapid.SampledFrom([]int{1, 1, 2, 100}).Draw(t, "filter")
	m.ledger.Configure(m.limits, was != m.filter)
	m.pump()
}

func (m *model) seek(t *rapid.T) {
	back := rapid.SampledFrom([]event.Sequence{0, 3, 30, m.head - m.removed}).Draw(t, "back")
	after := max(m.removed, m.head-back)
	m.events, m.scan = map[event.Sequence]*account{}, after
	m.epoch++
	m.ledger.Seek(after)
	m.save()
	m.pump()
}

// bury dead-letters what is dying, as far as there is room.
func (m *model) bury(*rapid.T) {
	for _, c := range m.ledger.Dying(3) {
		a := m.events[c.Seq]
		if a == nil || a.place != placeDying || a.attempts != c.Attempts || a.copied != c.Copied {
			m.t.Fatalf("%+v is to be dead-lettered, and is %+v", c, a)
		}
		onRecord := int64(-1)
		if _, ok := m.letters[c.Seq]; ok {
			onRecord = 10
		} else if int64(len(m.letters)) >= m.limits.MaxDeadLetters {
			if m.ledger.Bury(c.Seq, 10, onRecord) {
				m.t.Fatalf("event %d was buried without room", c.Seq)
			}
			continue
		}
		if !m.ledger.Bury(c.Seq, 10, onRecord) {
			m.t.Fatalf("event %d was not buried", c.Seq)
		}
		m.letters[c.Seq] = a.attempts
		m.disk.copies[c.Seq] = true
		*a = account{}
	}
	m.save() // for the letters are on the disk
	m.pump()
}

func (m *model) redeliver(t *rapid.T) {
	for _, seq := range slices.Sorted(maps.Keys(m.letters)) {
		if !rapid.Bool().Draw(t, "redeliver") {
			continue
		}
		attempts := m.letters[seq]
		delete(m.letters, seq)
		a := m.events[seq]
		inFlight := a != nil && a.place != placeDone
		if keep := m.ledger.Revive(seq, attempts, 10); keep == inFlight {
			t.Fatalf("revive %d: the copy stays: %v", seq, keep)
		}
		if inFlight {
			if a.failures = 0; a.place == placeDying {
				a.place = placeDue
			}
			delete(m.disk.copies, seq)
			continue
		}
		m.events[seq] = &account{attempts: attempts, place: placeRevived, copied: true}
	}
	m.save()
	m.pump()
}

func (m *model) purge(t *rapid.T) {
	for _, seq := range slices.Sorted(maps.Keys(m.letters)) {
		if !rapid.Bool().Draw(t, "purge") {
			continue
		}
		m.ledger.Purge(10)
		delete(m.letters, seq)
		delete(m.disk.copies, seq)
	}
	m.save()
	m.pump()
}
