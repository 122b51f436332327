package ledger

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
)

func TestLedgerAgreesWithItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		for range 5 {
			t.Repeat(map[string]func(*rapid.T){
				"": m.check, "append": m.append, "append more": m.append, "join": m.join, "leave": m.leave,
				"take": m.take, "take more": m.take, "and more": m.take, "ack": m.ack, "ack more": m.ack, "ack still more": m.ack,
				"nack": m.nack, "nack more": m.nack, "extend": m.extend, "advance": m.advance, "configure": m.configure, "seek": m.seek,
				"bury": m.bury, "bury more": m.bury, "redeliver": m.redeliver, "redeliver more": m.redeliver, "purge": m.purge,
				"expire": m.expire, "restart": m.restart, "restart more": m.restart, "save": func(*rapid.T) { m.save() },
			})
		}
		m.finish()
	})
}

// A model is what a ledger should do, written for plainness: it looks at every event every time.
type model struct {
	t      *rapid.T
	ledger *Ledger
	now    time.Duration
	head   event.Sequence
	filter int // every filter-th event matches
	limits Config

	events  map[event.Sequence]*account
	scan    event.Sequence // up to here each event has its account
	removed event.Sequence // by retention
	epoch   uint32
	letters map[event.Sequence]int32 // on record, with their attempts
	issued  []ID
	takers  []*taker
	expired int64

	disk    disk
	unsaved int // settlements that aren't on the disk
}

// An account is what the model knows of an event that was scanned, sent or settled.
type account struct {
	attempts, failures int32
	failed             int32 // the newest attempt whose failure is counted
	faultless, spare   bool
	unseen             bool // picked for its holder, who didn't collect it
	proven             bool // the id of the newest attempt came back
	place              place
	at                 time.Duration
	holder             *taker
	copied             bool
}

type place int

const (
	placeDone place = iota // settled, or it didn't match
	placeSent
	placeUnsent // never left, or was sent before a restart, and no more is known of that
	placeDue
	placeWaiting
	placeDying
	placeRevived
)

type taker struct {
	consumer *Consumer
	limit    int
	lazy     bool // doesn't collect all at once
	leaving  bool
	told     bool // that there is something to collect
}

// pending is what Picked would return, and changes nothing.
func (k *taker) pending() []Pick {
	return slices.DeleteFunc(slices.Clone(k.consumer.picked), func(p Pick) bool { return !k.consumer.Holds(p) })
}

func newModel(t *rapid.T) *model {
	const start = blockBits - 60 // so that runs cross into the next block
	m := &model{
		t: t, filter: 1, head: start, scan: start, removed: start, events: map[event.Sequence]*account{}, letters: map[event.Sequence]int32{},
		limits: Config{AckDeadline: 30, MinBackoff: 4, MaxBackoff: 20, MaxInFlight: 10, MaxAttempts: 3, MaxDeadLetters: 8, MaxDeadBytes: 1 << 20},
		disk:   newDisk(),
	}
	m.ledger = New(m.limits, Position{Floor: start})
	m.save()
	return m
}

func (m *model) selects(seq event.Sequence) bool { return int(seq)%m.filter == 0 }

// unscanned reports whether an event is to be sent as soon as it is scanned.
func (m *model) unscanned(seq event.Sequence) bool {
	return seq > m.removed && m.events[seq] == nil && m.selects(seq)
}

// observe enters what was passed over since the last time, of which nothing may match.
func (m *model) observe() {
	for scan := m.ledger.Position().Scan; m.scan < scan; {
		m.scan++
		if m.unscanned(m.scan) {
			m.t.Fatalf("event %d was passed over, and the scan position is %d", m.scan, scan)
		}
		if m.events[m.scan] == nil {
			m.events[m.scan] = &account{}
		}
	}
}

// pump does the engine's part: it scans while there is a taker, buries the dying, and looks at what is picked.
func (m *model) pump() {
	m.ledger.Tick(m.now)
	m.tick()
	defer m.observe()
	for {
		m.deliver()
		from := m.ledger.ScanFrom()
		if !m.ledger.NeedScan() || from >= m.head {
			return
		}
		through := min(m.head, from+event.Sequence(rapid.IntRange(1, 30).Draw(m.t, "stretch")))
		var found []Match
		for seq := from + 1; seq <= through; seq++ {
			if m.selects(seq) {
				found = append(found, Match{Entry: event.Entry{Seq: seq}})
			}
		}
		m.ledger.Scanned(through, found)
	}
}

func (m *model) tick() {
	for _, a := range m.events {
		switch {
		case a.place == placeSent && a.at <= m.now && a.unseen:
			a.unsend()
		case a.place == placeSent && a.at <= m.now && a.faultless:
			a.place, a.holder = placeDue, nil
		case a.place == placeSent && a.at <= m.now:
			m.fail(a, true, nil, a.at)
		}
		if a.place == placeWaiting && a.at <= m.now {
			a.place = placeDue
		}
	}
}

func (m *model) fail(a *account, backoff bool, delay *time.Duration, now time.Duration) {
	if a.place == placeDying {
		return
	}
	if a.failed < a.attempts {
		a.failed = a.attempts
		a.failures++
	}
	a.holder = nil
	switch {
	case m.limits.MaxAttempts > 0 && a.failures >= int32(m.limits.MaxAttempts):
		a.place = placeDying
	case delay != nil:
		a.place, a.at = placeWaiting, now+*delay
	case backoff:
		a.place, a.at = placeWaiting, now+min(m.limits.MinBackoff<<(a.failures-1), m.limits.MaxBackoff)
	default:
		a.place = placeDue
	}
}

// unsend: what wasn't collected never left.
func (a *account) unsend() {
	a.attempts--
	a.place, a.holder, a.unseen = placeUnsent, nil, false
	if a.attempts > 0 {
		a.place = placeDue
	}
}

func (m *model) count(p ...place) int {
	n := 0
	for _, a := range m.events {
		if slices.Contains(p, a.place) {
			n++
		}
	}
	return n
}

func (m *model) inFlight() int {
	return m.count(placeSent, placeUnsent, placeDue, placeWaiting, placeDying)
}

func (m *model) stopped() bool {
	return m.limits.Paused || m.count(placeDying) > 0 && int64(len(m.letters)) >= m.limits.MaxDeadLetters
}

// deliver lets the ledger pick, and judges what it has picked.
func (m *model) deliver() {
	woken := m.ledger.Dispatch(m.now)
	for _, c := range woken {
		if !slices.ContainsFunc(m.takers, func(k *taker) bool { return k.consumer == c && len(k.pending()) > 0 }) {
			m.t.Fatalf("a consumer was woken that isn't open, or has nothing to take")
		}
	}
	m.judge()
	for _, k := range m.takers {
		n := len(k.pending())
		k.told = k.told || slices.Contains(woken, k.consumer)
		if n > 0 && !k.told {
			m.t.Fatalf("a consumer has %d deliveries to collect, and wasn't told", n)
		}
		if k.lazy {
			n = rapid.IntRange(0, n).Draw(m.t, "collected")
		}
		if n > 0 {
			m.collect(k, n)
		}
	}
}

// judge looks at what was picked and not looked at yet: for everyone at once, in the order in which it should be sent.
func (m *model) judge() {
	type sending struct {
		to *taker
		Pick
	}
	var sent []sending
	picked := map[event.Sequence]bool{}
	for _, k := range m.takers {
		for _, p := range k.pending() {
			if picked[p.Entry.Seq] {
				m.t.Fatalf("event %d is picked twice", p.Entry.Seq)
			}
			picked[p.Entry.Seq] = true
			if a := m.events[p.Entry.Seq]; a == nil || a.place != placeSent || a.attempts != p.Attempt {
				sent = append(sent, sending{k, p})
			}
		}
	}
	slices.SortFunc(sent, func(a, b sending) int {
		return cmp.Or(cmp.Compare(m.turn(a.Entry.Seq), m.turn(b.Entry.Seq)), cmp.Compare(a.Entry.Seq, b.Entry.Seq))
	})
	for _, s := range sent {
		m.judgeOne(s.to, s.Pick)
	}
}

// turn: what should have been sent already comes first.
func (m *model) turn(seq event.Sequence) int {
	if a := m.events[seq]; a != nil && a.place == placeUnsent {
		return 0
	}
	return 1
}

// collect takes over the first n that are picked, all if there are fewer.
func (m *model) collect(k *taker, n int) {
	picked := k.consumer.Picked()
	for _, p := range picked[:min(n, len(picked))] {
		m.events[p.Entry.Seq].unseen = false
		m.issued = append(m.issued, ID{Epoch: m.epoch, Seq: p.Entry.Seq, Attempt: p.Attempt})
	}
	k.told = n < len(picked)
	k.consumer.Collect(min(n, len(picked)))
}

func (m *model) judgeOne(to *taker, p Pick) {
	seq := p.Entry.Seq
	if m.stopped() {
		m.t.Fatalf("event %d was sent although nothing may be", seq)
	}
	m.judgeOrder(seq)
	a := m.events[seq]
	switch {
	case a == nil:
		if !m.unscanned(seq) || seq > m.head {
			m.t.Fatalf("event %d was sent first, at scan position %d, head %d, filter %d", seq, m.scan, m.head, m.filter)
		}
		a = &account{}
		m.events[seq] = a
		m.checkRoom()
	case a.place == placeRevived:
		m.checkRoom()
	case a.place != placeDue && a.place != placeUnsent:
		m.t.Fatalf("event %d was sent while it was in place %d until %d, at %d", seq, a.place, a.at, m.now)
	}
	a.attempts++
	if p.Attempt != a.attempts {
		m.t.Fatalf("event %d was sent with attempt %d, want %d", seq, p.Attempt, a.attempts)
	}
	a.place, a.holder, a.faultless, a.unseen, a.proven, a.at = placeSent, to, false, true, false, m.now+m.limits.AckDeadline
	a.spare = to.leaving
	limit := to.limit
	if limit == 0 {
		limit = m.limits.MaxInFlight
	}
	if n := m.held(to); n > limit {
		m.t.Fatalf("a consumer holds %d deliveries, and wants at most %d", n, limit)
	}
}

// judgeOrder: what should have been sent already comes before all else, and like what is new it comes in log order.
func (m *model) judgeOrder(seq event.Sequence) {
	again := m.events[seq] != nil && m.events[seq].place == placeUnsent
	for other, a := range m.events {
		if a.place == placeUnsent && other != seq && (!again || other < seq) {
			m.t.Fatalf("event %d was sent before %d", seq, other)
		}
	}
	for other := m.scan + 1; m.events[seq] == nil && other < seq; other++ {
		if m.unscanned(other) {
			m.t.Fatalf("event %d was sent before %d", seq, other)
		}
	}
}

func (m *model) checkRoom() {
	n := m.inFlight()
	if n > m.limits.MaxInFlight {
		m.t.Fatalf("%d events are in flight, of at most %d", n, m.limits.MaxInFlight)
	}
	if m.limits.MaxInFlight == 1 && m.unsaved > 0 {
		m.t.Fatalf("an event was sent while a crash could bring back %d before it", m.unsaved)
	}
}

func (m *model) held(by *taker) int {
	n := 0
	for _, a := range m.events {
		if a.holder == by {
			n++
		}
	}
	return n
}

// check compares what can be asked at any time.
func (m *model) check(t *rapid.T) {
	if got, want := m.ledger.InFlight(), m.inFlight(); got != want {
		t.Fatalf("%d events are in flight, want %d", got, want)
	}
	if got := m.ledger.Revived(); got != m.count(placeRevived) {
		t.Fatalf("%d events are revived, want %d", got, m.count(placeRevived))
	}
	p := m.ledger.Position()
	if p.DeadLetters != int64(len(m.letters)) || p.DeadBytes != 10*int64(len(m.letters)) || p.Expired != m.expired || p.Epoch != m.epoch {
		t.Fatalf("position %+v, want %d dead letters, %d expired, epoch %d", p, len(m.letters), m.expired, m.epoch)
	}
	for seq, a := range m.events {
		if seq <= p.Floor && a.place != placeDone && !a.copied {
			t.Fatalf("event %d is owed, and the floor is %d", seq, p.Floor)
		}
		if a.copied && a.place != placeDone && !m.disk.copies[seq] {
			t.Fatalf("event %d is owed and has lost its copy", seq)
		}
	}
	if p.Floor < p.Scan {
		if a := m.events[p.Floor+1]; a.place == placeDone || a.copied {
			t.Fatalf("the floor stays at %d though the next event is settled", p.Floor)
		}
	}
}

// finish settles everything that is still owed, and sees that nothing was forgotten.
func (m *model) finish() {
	m.limits.Paused, m.limits.MaxInFlight, m.limits.MaxAttempts = false, 100, 0
	m.ledger.Configure(m.limits, false)
	k := &taker{}
	k.consumer = m.ledger.Join(0, k)
	m.takers = append(m.takers, k)
	for rounds := 0; m.scan < m.head || m.inFlight()+m.count(placeRevived) > 0; rounds++ {
		if rounds > 1000 {
			m.t.Fatalf("nothing more comes after %d, with %d in flight, and the head is %d", m.scan, m.inFlight(), m.head)
		}
		m.purge(m.t)
		m.bury(nil)
		m.now += 100
		m.pump()
		for _, k := range m.takers {
			m.collect(k, 1000)
			k.consumer.Take(50)
		}
		m.pump()
		m.settleAll()
	}
	if m.check(m.t); m.ledger.Position().Floor < m.head {
		m.t.Fatalf("all is settled, and the floor is %d of %d", m.ledger.Position().Floor, m.head)
	}
}

// settleAll acknowledges what is out.
func (m *model) settleAll() {
	for seq, a := range m.events {
		if a.place != placeSent {
			continue
		}
		if s := m.ledger.Ack(ID{Epoch: m.epoch, Seq: seq, Attempt: a.attempts}); s != strawv1.AckResult_ACKED {
			m.t.Fatalf("at the end, ack of %d: %v", seq, s)
		}
		*a = account{}
	}
}
