package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

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
	passed  event.Sequence // up to here what wasn't sent is passed over for good
	unclear event.Sequence // up to here it was passed over if it wasn't selected before
	sure    event.Sequence // up to here it outlives a power cut what was sent

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
	leaving     bool           // has released a delivery, and settled none since that came later
}

// An owedEvent is what the model knows of an event that was sent.
type owedEvent struct {
	attempts, failures int32
	failed, faultless  bool
	proven             bool // the id of the latest attempt came back
	spare              bool // sent to a consumer that is leaving
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
		m.Logf("the latest operations:\n%s", strings.Join(m.log[max(0, len(m.log)-200):], "\n"))
	}
}

func (m *subscriptionModel) head() event.Sequence { return event.Sequence(len(m.types) - 1) }

func (m *subscriptionModel) selects(seq event.Sequence) bool {
	return m.wanted == "" || m.types[seq] == m.wanted
}

// unsent reports whether an event is to be sent for the first time, as far as the model can tell.
func (m *subscriptionModel) unsent(seq event.Sequence) (unsent, surely bool) {
	if m.events[seq] != nil || m.settled[seq] || seq <= m.passed {
		return false, true
	}
	return m.selects(seq), seq > m.unclear
}

// left returns the first event up to a position that must be sent and wasn't.
func (m *subscriptionModel) left(through event.Sequence) (event.Sequence, bool) {
	for seq := m.filled + 1; seq <= through; seq++ {
		if unsent, surely := m.unsent(seq); unsent && surely {
			return seq, true
		}
	}
	return 0, false
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
	return m.count(sentPlace, againPlace, duePlace, waitingPlace, dyingPlace)
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
			m.Fatalf("nothing comes at %v after %d, and %.300v should, of %d: %+v", m.now, m.filled, m.places(againPlace, duePlace, revivedPlace), m.head(), m.get())
		}
	}
}

// expecting reports whether something must come. Of what consumers share out, a later part may be looked at before an
// earlier one; but in the end nothing that is wanted was left out.
func (m *subscriptionModel) expecting() bool {
	if _, some := m.left(m.scan); some {
		return true
	}
	m.filled = max(m.filled, m.scan)
	if m.stopped() || !slices.ContainsFunc(m.takers, func(k *modelTaker) bool { return m.room(k) > 0 }) {
		return false
	}
	if m.count(againPlace, duePlace) > 0 {
		return true
	}
	if m.inFlight() >= m.limits.inFlight {
		return false
	}
	if m.count(revivedPlace) > 0 {
		return true
	}
	_, some := m.left(m.head())
	return some
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
	unsent, surely := m.unsent(seq)
	if unsent {
		e = new(owedEvent)
		m.events[seq] = e
		m.scan = max(m.scan, seq)
	} else if e == nil || e.place != againPlace && e.place != duePlace && e.place != revivedPlace {
		m.Fatalf("event %d comes, and is %+v at %v, passed over to %d", seq, e, m.now, m.passed)
	}
	if unsent && surely || e.place == againPlace {
		if seq <= to.first {
			m.Fatalf("event %d comes first after %d did", seq, to.first)
		}
		to.first = seq
	}
	if (unsent || e.place == revivedPlace) && m.inFlight() >= m.limits.inFlight {
		m.Fatalf("event %d comes with %d in flight already", seq, m.inFlight())
	}
	if m.room(to) <= 0 {
		m.Fatalf("event %d comes to a consumer without room", seq)
	}
	if e.attempts++; d.Attempt != e.attempts {
		m.Fatalf("event %d comes with attempt %d, want %d", seq, d.Attempt, e.attempts)
	}
	e.place, e.holder, e.failed, e.faultless, e.proven, e.at = sentPlace, to, false, false, false, m.now+theDeadline
	e.spare = to.leaving
	m.issued = append(m.issued, issuedID{d.AckID, seq, d.Attempt, m.epoch})
}

// compare looks at the figures, and for events that were forgotten.
func (m *subscriptionModel) compare() {
	v := m.get()
	if v.InFlight > int64(m.inFlight()) { // what isn't clear has come just now
		m.quiesce()
		v = m.get()
	}
	if v.InFlight != int64(m.inFlight()) || v.DeadLetters != int64(len(m.letters)) || v.Consumers != len(m.takers) {
		m.Fatalf("figures %+v, want %d in flight, %d dead letters, %d consumers", v, m.inFlight(), len(m.letters), len(m.takers))
	}
	if seq, some := m.left(v.Scanned); some {
		m.Fatalf("event %d is left out, and it was scanned up to %d", seq, v.Scanned)
	}
}
