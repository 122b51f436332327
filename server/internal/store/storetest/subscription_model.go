package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// modelOperations is how many random operations the model is compared over.
const modelOperations = 10_000

// A subscriptionModel says what a subscription should do, in the plainest way: it looks at every event every time.
type subscriptionModel struct {
	*shop
	random *rand.Rand
	done   int // operations
	log    []string

	now     time.Duration
	types   []string // of the events, by sequence
	wanted  string   // the type that is selected; empty for all
	limits  struct{ inFlight, attempts int }
	paused  bool
	full    bool           // of dead letters, when the operation began
	scan    event.Sequence // the highest event that was sent
	filled  event.Sequence // up to here nothing was left out
	passed  event.Sequence // up to here the log was looked at, and what wasn't sent is passed over for good
	unclear event.Sequence // up to here that isn't known any more, for there was a restart

	events  map[event.Sequence]*owedEvent // that were sent and aren't settled
	settled map[event.Sequence]bool
	letters map[event.Sequence]store.DeadLetter
	issued  []issuedID
	epoch   int
	takers  []*modelTaker
}

type modelTaker struct {
	taking      *taking
	outstanding int            // limit
	first       event.Sequence // the latest that was sent to it for the first time
}

// An owedEvent is what the model knows of an event that was sent.
type owedEvent struct {
	attempts, failures int32
	failed, faultless  bool
	proven             bool // the id of the latest attempt came back
	place              place
	at                 time.Duration
	holder             *modelTaker
	copied             bool // comes from the dead letters
	recorded           bool // its failures, and so many attempts, outlive a crash
	onRecord           int32
	dueOnRecord        time.Duration
}

type place int

const (
	sentPlace place = iota + 1
	duePlace
	waitingPlace
	dyingPlace
	revivedPlace // redelivered from the dead, and not sent since
	againPlace   // sent before a restart, and not since
	unclearPlace // may be owed or not
)

type issuedID struct {
	ackID   string
	seq     event.Sequence
	attempt int32
	epoch   int
}

func testSubscriptionModel(s *shop) {
	seed := rand.Uint64()
	s.Logf("seed %d", seed)
	m := &subscriptionModel{
		shop: s, random: rand.New(rand.NewPCG(seed, 0)), events: map[event.Sequence]*owedEvent{}, settled: map[event.Sequence]bool{},
		types: []string{""},
	}
	m.limits.inFlight, m.limits.attempts = 1000, 3
	defer m.tell()
	s.create()
	operations := []struct {
		weight int
		run    func()
	}{
		{10, m.appendSome}, {4, m.join}, {3, m.leave}, {30, m.acknowledge}, {12, m.giveBack}, {5, m.prolong}, {10, m.pass},
		{1, m.seekSomewhere}, {2, m.pauseOrResume}, {2, m.limit}, {1, m.reselect}, {1, m.restart}, {1, m.powerCut},
		{2, m.redeliver}, {2, m.purge},
	}
	for ; m.done < modelOperations; m.done++ {
		n := 0
		for _, o := range operations {
			n += o.weight
		}
		m.full = len(m.letters) == m.h.MaxDeadLetters
		pick := m.random.IntN(n)
		for _, o := range operations {
			if pick -= o.weight; pick < 0 {
				o.run()
				break
			}
		}
		m.quiesce()
		m.compare()
	}
	m.finish()
}

func (m *subscriptionModel) did(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf("%d: ", m.done)+fmt.Sprintf(format, args...))
}

// tell logs the latest operations of a model that has failed.
func (m *subscriptionModel) tell() {
	if m.Failed() {
		m.Logf("the latest operations:\n%s", strings.Join(m.log[max(0, len(m.log)-60):], "\n"))
	}
}

func (m *subscriptionModel) head() event.Sequence { return event.Sequence(len(m.types) - 1) }

func (m *subscriptionModel) selects(seq event.Sequence) bool {
	return m.wanted == "" || m.types[seq] == m.wanted
}

// unsent reports whether an event is to be sent for the first time, as far as the model can tell.
func (m *subscriptionModel) unsent(seq event.Sequence) (unsent, surely bool) {
	if e := m.events[seq]; e != nil {
		return e.place == againPlace || e.place == unclearPlace, e.place == againPlace
	}
	if m.settled[seq] || seq <= m.passed {
		return false, true
	}
	return m.selects(seq) || seq <= m.unclear, seq > m.unclear
}

func (m *subscriptionModel) count(places ...place) int {
	n := 0
	for _, e := range m.events {
		if slices.Contains(places, e.place) {
			n++
		}
	}
	return n
}

// places returns the events in some places.
func (m *subscriptionModel) places(places ...place) (all []string) {
	for seq, e := range m.events {
		if slices.Contains(places, e.place) {
			all = append(all, fmt.Sprintf("%d: %+v", seq, *e))
		}
	}
	return all
}

func (m *subscriptionModel) inFlight() int {
	return m.count(sentPlace, duePlace, waitingPlace, dyingPlace)
}

func (m *subscriptionModel) stopped() bool {
	return m.paused || m.count(dyingPlace) > 0
}

func (e *owedEvent) record(attempts int32) {
	e.recorded, e.onRecord, e.dueOnRecord = true, attempts, 0
	if e.place == waitingPlace {
		e.dueOnRecord = e.at
	}
}

// tick does what time does.
func (m *subscriptionModel) tick() {
	for _, e := range m.events {
		switch {
		case e.place == sentPlace && e.at <= m.now && e.faultless:
			e.place, e.holder, e.faultless = duePlace, nil, false
		case e.place == sentPlace && e.at <= m.now:
			m.failed(e, true, nil, e.at)
		}
		if e.place == waitingPlace && e.at <= m.now {
			e.place = duePlace
		}
	}
	m.bury()
}

// failed ends a sending with a failure.
func (m *subscriptionModel) failed(e *owedEvent, backoff bool, delay *time.Duration, at time.Duration) {
	if e.place == dyingPlace {
		return
	}
	if !e.failed {
		e.failed = true
		e.failures++
	}
	e.holder = nil
	defer func() { e.record(e.attempts) }()
	switch {
	case m.limits.attempts > 0 && int(e.failures) >= m.limits.attempts:
		e.place = dyingPlace
	case delay != nil:
		e.place, e.at = waitingPlace, at+*delay
	case backoff:
		e.place, e.at = waitingPlace, at+min(minBackoff<<(e.failures-1), maxBackoff)
	default:
		e.place = duePlace
	}
}

// bury dead-letters as much as there is room for. The engine chooses which come first, so the model looks.
func (m *subscriptionModel) bury() {
	if m.count(dyingPlace) == 0 {
		return
	}
	m.statuses([]strawv1.AckResult_Status{}) // which does it
	now := map[event.Sequence]store.DeadLetter{}
	for _, l := range m.shop.letters() {
		seq := l.Event.Seq
		now[seq] = l
		if was, ok := m.letters[seq]; ok && was.Time.Equal(l.Time) {
			continue
		}
		e := m.events[seq]
		if e == nil || e.place != dyingPlace || e.attempts != l.Attempts {
			m.Fatalf("event %d is dead-lettered after %d attempts, and was %+v", seq, l.Attempts, e)
		}
		m.did("event %d is dead-lettered", seq)
		m.settle(seq)
	}
	for seq := range m.letters {
		if _, ok := now[seq]; !ok {
			m.Fatalf("the dead letter %d is gone", seq)
		}
	}
	m.letters = now
	if dying := m.count(dyingPlace); dying > 0 && len(now) < m.h.MaxDeadLetters {
		m.Fatalf("%d events aren't dead-lettered, and %d are", dying, len(now))
	}
}

func (m *subscriptionModel) settle(seq event.Sequence) {
	delete(m.events, seq)
	m.settled[seq] = true
}

// quiesce takes from every consumer until nothing more can come.
func (m *subscriptionModel) quiesce() {
	m.tick()
	for deadline := time.Now().Add(patience); ; {
		moved := false
		for _, k := range m.takers {
			for _, d := range k.taking.try() {
				m.judge(k, d)
				moved = true
			}
		}
		if !m.expecting() {
			return
		}
		if !moved && time.Now().After(deadline) {
			m.Fatalf("nothing comes at %v, and [%d: %+v], or %.300v should, of %d: %+v", m.now, m.filled+1, m.events[m.filled+1], m.places(duePlace, revivedPlace), m.head(), m.get())
		}
	}
}

// expecting reports whether something must come. Of what consumers share out, a later part may be looked at before an
// earlier one; but in the end nothing that is wanted was left out.
func (m *subscriptionModel) expecting() bool {
	for seq := m.filled + 1; seq <= m.scan; seq++ {
		if unsent, surely := m.unsent(seq); unsent && surely {
			return true
		}
		m.filled = seq
	}
	if m.stopped() || !slices.ContainsFunc(m.takers, func(k *modelTaker) bool { return m.room(k) > 0 }) {
		return false
	}
	if m.count(duePlace) > 0 {
		return true
	}
	if m.inFlight() >= m.limits.inFlight {
		return false
	}
	if m.count(revivedPlace) > 0 {
		return true
	}
	for seq := m.scan + 1; seq <= m.head(); seq++ {
		if unsent, surely := m.unsent(seq); unsent && surely {
			return true
		}
	}
	return false
}

func (m *subscriptionModel) room(k *modelTaker) int {
	limit := k.outstanding
	if limit == 0 {
		limit = m.limits.inFlight
	}
	for _, e := range m.events {
		if e.holder == k {
			limit--
		}
	}
	return limit
}

// judge looks at a delivery.
func (m *subscriptionModel) judge(to *modelTaker, d store.Delivery) {
	seq := d.Entry.Seq
	m.did("event %d is delivered, attempt %d", seq, d.Attempt)
	if m.stopped() && (m.paused || m.full) {
		m.Fatalf("event %d comes although nothing may", seq)
	}
	e := m.events[seq]
	unsent, _ := m.unsent(seq)
	switch {
	case unsent:
		if seq <= to.first {
			m.Fatalf("event %d comes first after %d did", seq, to.first)
		}
		to.first, m.scan = seq, max(m.scan, seq)
		if e == nil {
			e = new(owedEvent)
			m.events[seq] = e
		}
	case e == nil || e.place != duePlace && e.place != revivedPlace:
		m.Fatalf("event %d comes, and is %+v at %v, with %d selected", seq, e, m.now, m.passed)
	}
	if e.place != duePlace && m.inFlight() >= m.limits.inFlight {
		m.Fatalf("event %d comes with %d in flight already", seq, m.inFlight())
	}
	if m.room(to) <= 0 {
		m.Fatalf("event %d comes to a consumer without room", seq)
	}
	if e.attempts++; d.Attempt != e.attempts {
		m.Fatalf("event %d comes with attempt %d, want %d", seq, d.Attempt, e.attempts)
	}
	e.place, e.holder, e.failed, e.faultless, e.proven, e.at = sentPlace, to, false, false, false, m.now+theDeadline
	m.issued = append(m.issued, issuedID{d.AckID, seq, d.Attempt, m.epoch})
}

// compare looks at the figures.
func (m *subscriptionModel) compare() {
	v := m.get()
	if v.InFlight > int64(m.inFlight()) { // what isn't clear has come just now
		m.quiesce()
		v = m.get()
	}
	if v.InFlight != int64(m.inFlight()) || v.DeadLetters != int64(len(m.letters)) || v.Consumers != len(m.takers) {
		m.Fatalf("figures %+v, want %d in flight, %d dead letters, %d consumers", v, m.inFlight(), len(m.letters), len(m.takers))
	}
}

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
		case lost:
			m.failed(e, false, nil, m.now)
		default:
			e.faultless, e.holder = true, nil
		}
	}
	k.taking.Close(lost)
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

// owes says what an ack id is worth.
func (m *subscriptionModel) owes(id issuedID) (*owedEvent, strawv1.AckResult_Status) {
	if id.epoch < m.epoch {
		return nil, stale
	}
	if e := m.events[id.seq]; e != nil {
		return e, acked
	}
	return nil, already
}

func (m *subscriptionModel) acknowledge() {
	id, ok := m.pick()
	if !ok {
		return
	}
	e, want := m.owes(id)
	m.did("event %d is acknowledged by attempt %d: %v", id.seq, id.attempt, want)
	if e != nil {
		m.settle(id.seq)
	}
	m.statuses([]strawv1.AckResult_Status{want}, id.ackID)
}

// latest is owes for what only the latest attempt may do.
func (m *subscriptionModel) latest(id issuedID) (*owedEvent, strawv1.AckResult_Status) {
	e, want := m.owes(id)
	if e == nil {
		return nil, want
	}
	if id.attempt < e.attempts {
		return nil, stale
	}
	if id.attempt > e.attempts {
		e.attempts, e.failed = id.attempt, false
	}
	e.proven = true
	if e.place == revivedPlace || e.place == againPlace || e.place == unclearPlace {
		e.place = duePlace
	}
	return e, want
}

func (m *subscriptionModel) giveBack() {
	id, ok := m.pick()
	if !ok {
		return
	}
	e, want := m.latest(id)
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
	m.did("event %d is given back by attempt %d, %+v: %v", id.seq, id.attempt, how, want)
	switch {
	case e == nil || e.place == dyingPlace:
	case how.Release:
		e.place, e.holder = duePlace, nil
		e.record(e.attempts)
	default:
		m.failed(e, true, how.Delay, m.now)
		if how.DeadLetter {
			e.place = dyingPlace
		}
	}
	m.nack(how, want, store.Delivery{AckID: id.ackID})
	m.bury()
}

func (m *subscriptionModel) prolong() {
	id, ok := m.pick()
	if !ok {
		return
	}
	e, want := m.latest(id)
	m.did("event %d is extended by attempt %d: %v", id.seq, id.attempt, want)
	if e != nil && e.place != dyingPlace {
		if e.place != sentPlace {
			e.holder, e.faultless = nil, false
		}
		e.place, e.at = sentPlace, m.now+theDeadline
	}
	m.extend(want, store.Delivery{AckID: id.ackID})
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
	m.scan, m.filled, m.passed, m.unclear = after, after, after, 0
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

// reselect changes which events are wanted. What was looked at is passed over for good; what may just have been looked at,
// or was before a restart, isn't clear.
func (m *subscriptionModel) reselect() {
	before, was := m.get().Scanned, m.wanted
	m.wanted = [...]string{"", "a.a", "b.b"}[m.random.IntN(3)]
	if m.wanted == was {
		return
	}
	m.update(func(d *strawv1.Subscription) {
		if d.Types = nil; m.wanted != "" {
			d.Types = []string{m.wanted}
		}
	})
	after := m.get().Scanned
	m.did("wanted: %q, scanned %d to %d", m.wanted, before, after)
	if before > m.unclear {
		m.passed = max(m.passed, before)
	}
	m.unclear = max(m.unclear, after)
	for seq, e := range m.events {
		switch {
		case e.place == againPlace && !m.selects(seq):
			e.place = unclearPlace
		case seq > before && e.place == sentPlace && !e.proven: // taken up again by its ack id; that is written down now
			e.record(e.attempts - 1)
		case seq > before && (e.place == sentPlace || e.place == duePlace):
			e.record(e.attempts)
		}
	}
}

func (m *subscriptionModel) restart() {
	m.did("a restart")
	m.statuses([]strawv1.AckResult_Status{})
	m.forget()
	m.reopen()
}

func (m *subscriptionModel) powerCut() {
	m.did("a power cut")
	m.statuses([]strawv1.AckResult_Status{}) // whatever was changed before is durable now
	m.forget()
	m.crash()
}

// forget drops what only memory knows.
func (m *subscriptionModel) forget() {
	m.takers = nil
	m.unclear = max(m.unclear, m.scan)
	if m.wanted != "" {
		m.unclear = max(m.unclear, m.get().Scanned)
	}
	m.scan, m.filled = 0, 0
	for _, e := range m.events {
		e.holder, e.faultless = nil, false
		switch e.place {
		case revivedPlace, dyingPlace, againPlace, unclearPlace:
			continue
		}
		if !e.recorded {
			*e = owedEvent{place: againPlace}
			continue
		}
		e.attempts = e.onRecord
		switch {
		case e.copied && e.failures == 0:
			e.place = revivedPlace
		case e.dueOnRecord > m.now:
			e.place, e.at = waitingPlace, e.dueOnRecord
		default:
			e.place = duePlace
		}
		e.failed, e.proven = e.failures > 0, false
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
		if e != nil && (e.place == sentPlace || e.place == duePlace || e.place == waitingPlace || e.place == dyingPlace) {
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
			if _, want := m.owes(id); want == acked {
				m.settle(id.seq)
				m.statuses([]strawv1.AckResult_Status{acked}, id.ackID)
			}
		}
	}
	for seq := event.Sequence(1); seq <= m.head(); seq++ {
		if unsent, surely := m.unsent(seq); unsent && surely {
			m.Fatalf("event %d was never sent", seq)
		}
	}
}
