package storetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

func (m *subscriptionModel) appendSome() {
	n := 1 + m.random.IntN(4)
	for range n {
		typ := [...]string{"a.a", "b.b"}[m.random.IntN(2)]
		m.types = append(m.types, typ)
		id := fmt.Sprintf("model_%d", m.head())
		if seq := mustAppend(m.T, m.shop.log, makeDraft(id, typ, epoch, []byte(id))); seq != m.head() {
			m.Fatalf("event %s is %d", id, seq)
		}
	}
	m.did("%d events are appended, up to %d", n, m.head())
}

func (m *subscriptionModel) join() {
	if len(m.takers) == 4 {
		return
	}
	limit := m.random.IntN(8)
	m.did("a consumer joins with a limit of %d", limit)
	m.takers = append(m.takers, &modelTaker{taking: m.consume(limit), outstanding: limit})
}

func (m *subscriptionModel) leave() {
	if len(m.takers) == 0 {
		return
	}
	i := m.random.IntN(len(m.takers))
	k, lost := m.takers[i], m.random.IntN(2) == 0
	m.did("consumer %d leaves, lost: %v", i, lost)
	m.takers = slices.Delete(m.takers, i, i+1)
	for _, e := range m.events {
		switch {
		case e.holder != k:
		case lost && k.leaving:
			e.place, e.holder = duePlace, nil
		case lost:
			m.failed(e, false, nil, m.now)
		default:
			e.faultless, e.holder = true, nil
		}
	}
	k.taking.Close(lost)
	m.statuses([]strawv1.AckResult_Status{}) // now it is on record
	m.bury()
}

// pick chooses an ack id that was given out, mostly a recent one.
func (m *subscriptionModel) pick() (issuedID, bool) {
	if len(m.issued) == 0 {
		return issuedID{}, false
	}
	recent := min(len(m.issued), [...]int{5, 50, len(m.issued)}[m.random.IntN(3)])
	return m.issued[len(m.issued)-1-m.random.IntN(recent)], true
}

// owes says what an ack id is worth. What was sent just before a power cut is owed until it is passed over, as it may be by
// a filter that has changed: nobody knows when.
func (m *subscriptionModel) owes(id issuedID) (want []strawv1.AckResult_Status) {
	switch {
	case id.epoch < m.epoch:
		return []strawv1.AckResult_Status{stale}
	case m.events[id.seq] != nil:
		return []strawv1.AckResult_Status{acked}
	case m.settled[id.seq] || id.seq <= m.passed:
		return []strawv1.AckResult_Status{already}
	}
	if unsent, surely := m.unsent(id.seq); unsent && surely {
		return []strawv1.AckResult_Status{acked}
	}
	return []strawv1.AckResult_Status{acked, already}
}

// answered compares what came of an ack id with what may, and reports whether it was owed.
func (m *subscriptionModel) answered(what string, id issuedID, want []strawv1.AckResult_Status, got []strawv1.AckResult_Status, err error) bool {
	m.did("event %d is %s by attempt %d: %v", id.seq, what, id.attempt, got)
	if err != nil || len(got) != 1 || !slices.Contains(want, got[0]) {
		m.Fatalf("event %d, %s by attempt %d: %v, %v, want one of %v", id.seq, what, id.attempt, got, err, want)
	}
	return got[0] == acked
}

func (m *subscriptionModel) acknowledge() {
	id, ok := m.pick()
	if !ok {
		return
	}
	want := m.owes(id)
	got, err := m.subs.Acknowledge(context.Background(), theID, []string{id.ackID})
	if m.answered("acknowledged", id, want, got, err) {
		if e := m.events[id.seq]; e != nil {
			e.stays()
		}
		m.settle(id.seq)
		m.sure = max(m.sure, m.scan) // is written with it
	}
}

// latest is owes for what only the latest attempt may do.
func (m *subscriptionModel) latest(id issuedID) []strawv1.AckResult_Status {
	if e := m.events[id.seq]; e != nil && id.epoch == m.epoch && id.attempt < e.attempts {
		return []strawv1.AckResult_Status{stale}
	}
	return m.owes(id)
}

// prove enters that an ack id came back that is the latest.
func (m *subscriptionModel) prove(id issuedID) *owedEvent {
	e := m.events[id.seq]
	if e == nil {
		e = &owedEvent{attempts: id.attempt, place: duePlace}
		e.record(e.attempts)
		m.events[id.seq] = e
	}
	if id.attempt > e.attempts {
		e.attempts, e.failed = id.attempt, false
	}
	e.proven = true
	return e
}

func (m *subscriptionModel) giveBack() {
	id, ok := m.pick()
	if !ok {
		return
	}
	how := store.Nack{}
	switch m.random.IntN(8) {
	case 0:
		how.DeadLetter = true
	case 1, 2:
		how.Release = true
	case 3:
		d := time.Duration(m.random.IntN(100)) * time.Second
		how.Delay = &d
	}
	want := m.latest(id)
	got, err := m.subs.Nack(context.Background(), theID, []string{id.ackID}, how)
	if !m.answered(fmt.Sprintf("given back, %+v,", how), id, want, got, err) {
		return
	}
	switch e := m.prove(id); {
	case e.place == dyingPlace:
	case how.Release:
		if e.place == sentPlace && e.holder != nil {
			e.holder.leaving = true
		}
		e.place, e.holder = duePlace, nil
		e.record(e.attempts)
	default:
		e.stays()
		m.failed(e, true, how.Delay, m.now)
		if how.DeadLetter {
			e.place = dyingPlace
		}
	}
	m.bury()
}

// stays: a consumer that settles what it was sent after it had released others goes on working.
func (e *owedEvent) stays() {
	if e.place == sentPlace && e.holder != nil && e.spare {
		e.holder.leaving = false
	}
}

func (m *subscriptionModel) prolong() {
	id, ok := m.pick()
	if !ok {
		return
	}
	want := m.latest(id)
	got, err := m.subs.ExtendDeadline(context.Background(), theID, []string{id.ackID})
	if !m.answered("extended", id, want, got, err) {
		return
	}
	if e := m.prove(id); e.place != dyingPlace {
		if e.place != sentPlace {
			e.holder, e.faultless = nil, false
		}
		e.place, e.at = sentPlace, m.now+theDeadline
	}
}

func (m *subscriptionModel) pass() {
	d := time.Duration(m.random.Int64N(int64(20 * time.Second)))
	m.did("%v pass", d)
	m.now += d
	m.h.Advance(d)
	m.statuses([]strawv1.AckResult_Status{}) // notices what is due
}

func (m *subscriptionModel) seekSomewhere() {
	after := event.Sequence(m.random.Uint64N(uint64(m.head()) + 1))
	m.did("a seek to %d", after)
	m.seek(after)
	m.epoch++
	m.events, m.settled = map[event.Sequence]*owedEvent{}, map[event.Sequence]bool{}
	m.scan, m.filled, m.passed, m.unclear, m.sure = after, after, after, 0, after
	for _, k := range m.takers {
		k.first = after
	}
}

func (m *subscriptionModel) pauseOrResume() {
	m.paused = !m.paused
	m.did("paused: %v", m.paused)
	m.update(func(d *strawv1.Subscription) { d.Paused = m.paused })
}

func (m *subscriptionModel) limit() {
	m.limits.inFlight = [...]int{1, 10, 1000}[m.random.IntN(3)]
	m.limits.attempts = [...]int{0, 2, 3, 10}[m.random.IntN(4)]
	m.did("limits: %+v", m.limits)
	m.update(func(d *strawv1.Subscription) {
		d.MaxInFlight, d.MaxAttempts = int32(m.limits.inFlight), new(int32(m.limits.attempts))
		d.RetryBackoff.Max = durationpb.New(maxBackoff)
	})
}

// reselect changes which events are wanted. What was scanned is passed over for good; what may just have been isn't clear.
func (m *subscriptionModel) reselect() {
	before, was := m.get().Scanned, m.wanted
	wanted := [...]string{"", "a.a", "b.b"}[m.random.IntN(3)]
	if wanted == was {
		return
	}
	m.update(func(d *strawv1.Subscription) {
		if d.Types = nil; wanted != "" {
			d.Types = []string{wanted}
		}
	})
	after := m.get().Scanned
	m.did("wanted: %q, scanned %d to %d", wanted, before, after)
	m.wanted = wanted
	m.passed, m.unclear, m.sure = max(m.passed, before), max(m.unclear, after), max(m.sure, before)
}

func (m *subscriptionModel) restart() {
	m.statuses([]strawv1.AckResult_Status{})
	m.reopen()
	m.sure = max(m.sure, m.scan)
	m.recover("restart")
}

func (m *subscriptionModel) powerCut() {
	m.statuses([]strawv1.AckResult_Status{}) // whatever was changed before is durable now
	m.crash()
	m.recover("power cut")
}

// recover drops what only memory knew. What was sent after the scan position that is on record is as good as new.
func (m *subscriptionModel) recover(after string) {
	scanned := m.get().Scanned
	m.did("a %s, scanned to %d", after, scanned)
	if seq, some := m.left(scanned); some || scanned < m.sure {
		m.Fatalf("after a %s, scanned to %d: it was to %d for sure, and event %d is left out: %v", after, scanned, m.sure, seq, some)
	}
	m.takers = nil
	m.scan, m.filled, m.passed, m.unclear, m.sure = scanned, scanned, scanned, 0, scanned
	for seq, e := range m.events {
		e.holder, e.faultless, e.proven = nil, false, false
		switch {
		case e.place == revivedPlace || e.place == dyingPlace:
		case e.recorded:
			e.restore(m.now)
		case seq <= scanned:
			*e = owedEvent{place: againPlace}
		default:
			delete(m.events, seq)
		}
	}
}

// restore makes an event what its record says.
func (e *owedEvent) restore(now time.Duration) {
	e.attempts, e.failed = e.onRecord, e.failures > 0
	switch {
	case e.copied && e.failures == 0:
		e.place = revivedPlace
	case e.dueOnRecord > now:
		e.place, e.at = waitingPlace, e.dueOnRecord
	case e.attempts == 0:
		e.place = againPlace
	default:
		e.place = duePlace
	}
}

func (m *subscriptionModel) redeliver() {
	if len(m.letters) == 0 {
		return
	}
	m.did("the dead letters are redelivered")
	m.full = false
	for seq, l := range m.letters {
		e := m.events[seq]
		if e != nil {
			e.failures = 0 // a seek owes it already
			if e.record(e.attempts); e.place == sentPlace && !e.proven {
				e.record(e.attempts - 1)
			}
			if e.place == dyingPlace {
				e.place = duePlace
			}
			continue
		}
		delete(m.settled, seq)
		m.events[seq] = &owedEvent{attempts: l.Attempts, place: revivedPlace, copied: true, recorded: true, onRecord: l.Attempts}
	}
	n, err := m.subs.Redeliver(context.Background(), theID, store.Choice{All: true}, false)
	if err != nil || n != int64(len(m.letters)) {
		m.Fatalf("redeliver: %d, %v, want %d", n, err, len(m.letters))
	}
	m.letters = nil
	m.bury()
}

func (m *subscriptionModel) purge() {
	m.did("the dead letters are purged")
	m.full = false
	n, err := m.subs.Purge(context.Background(), theID, store.Choice{All: true}, false)
	if err != nil || n != int64(len(m.letters)) {
		m.Fatalf("purge: %d, %v, want %d", n, err, len(m.letters))
	}
	m.letters = nil
	m.bury()
}

// finish settles everything, and sees that nothing was forgotten.
func (m *subscriptionModel) finish() {
	m.did("the end")
	m.paused = false
	m.limits.inFlight, m.limits.attempts = 1000, 0
	m.update(func(d *strawv1.Subscription) { d.Paused, d.MaxInFlight, d.MaxAttempts = false, 1000, new(int32) })
	m.takers = append(m.takers, &modelTaker{taking: m.consume(0)})
	for m.get().Backlog > 0 {
		m.purge()
		m.now += 2 * time.Minute
		m.h.Advance(2 * time.Minute)
		m.statuses([]strawv1.AckResult_Status{})
		m.quiesce()
		for _, id := range m.issued[max(0, len(m.issued)-2000):] {
			if id.epoch == m.epoch && m.events[id.seq] != nil {
				m.settle(id.seq)
				m.statuses([]strawv1.AckResult_Status{acked}, id.ackID)
			}
		}
	}
	if seq, some := m.left(m.head()); some {
		m.Fatalf("event %d was never sent", seq)
	}
}
