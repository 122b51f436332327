package ledger

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
)

// A model is what a ledger should do, written for plainness: it looks at every event every time.
type model struct {
	t      *rapid.T
	ledger *Ledger
	now    time.Duration
	head   event.Sequence
	filter int // every filter-th event matches
	limits Config

	events  map[event.Sequence]*account
	scan    event.Sequence // highest event that was sent first
	removed event.Sequence // by retention
	epoch   uint32
	letters map[event.Sequence]int32 // on record, with their attempts
	issued  []ID
	takers  []*taker
	expired int64

	earlier int // the filter before, which decides up to until
	until   event.Sequence
	murky   event.Sequence // up to here it isn't known what was passed over by which filter

	disk  disk
	saved map[event.Sequence]account // as of the disk
}

// An account is what the model knows of an event that was sent, settled or revived.
type account struct {
	attempts, failures int32
	failed, faultless  bool
	place              place
	at                 time.Duration
	holder             *taker
	copied             bool
}

type place int

const (
	placeDone place = iota
	placeSent
	placeDue
	placeWaiting
	placeDying
	placeRevived
	placeAgain // was sent before a restart, and isn't on record
)

type taker struct {
	consumer *Consumer
	limit    int
}

// A disk is what was drained.
type disk struct {
	position Position
	blocks   map[uint64][]byte
	records  map[event.Sequence]Record
	copies   map[event.Sequence]bool
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

func newModel(t *rapid.T) *model {
	const start = blockBits - 60 // so that runs cross into the next block
	m := &model{
		t: t, filter: 1, head: start, scan: start, removed: start, events: map[event.Sequence]*account{}, letters: map[event.Sequence]int32{},
		limits: Config{AckDeadline: 30, MinBackoff: 4, MaxBackoff: 20, MaxInFlight: 10, MaxAttempts: 3, MaxDeadLetters: 8, MaxDeadBytes: 1 << 20},
		disk:   disk{position: Position{Floor: start}, blocks: map[uint64][]byte{}, records: map[event.Sequence]Record{}, copies: map[event.Sequence]bool{}},
	}
	m.ledger = New(m.limits, Position{Floor: start})
	m.save()
	return m
}

// save drains the ledger, as a commit would.
func (m *model) save() {
	m.disk.apply(m.ledger.Drain())
	m.saved = map[event.Sequence]account{}
	for seq, a := range m.events {
		m.saved[seq] = *a
	}
}

// selects is what the engine finds when it scans.
func (m *model) selects(seq event.Sequence) bool {
	if seq <= m.until {
		return int(seq)%m.earlier == 0
	}
	return int(seq)%m.filter == 0
}

// matches reports whether an event that isn't sent is to be sent.
func (m *model) matches(seq event.Sequence) bool {
	if a := m.events[seq]; a != nil {
		return a.place == placeAgain
	}
	return m.selects(seq)
}

// pump does the engine's part: it scans while there is a taker, buries the dying, and looks at what is picked.
func (m *model) pump() {
	m.ledger.Tick(m.now)
	m.tick()
	for {
		m.deliver()
		from := m.ledger.ScanFrom()
		if !m.ledger.NeedScan() || from >= m.head {
			return
		}
		through := min(m.head, from+event.Sequence(rapid.IntRange(1, 30).Draw(m.t, "stretch")))
		var found []Match
		for seq := from + 1; seq <= through; seq++ {
			if seq <= m.ledger.Decided() || m.selects(seq) {
				found = append(found, Match{Entry: event.Entry{Seq: seq}})
			}
		}
		m.ledger.Scanned(through, found)
	}
}

func (m *model) tick() {
	for _, a := range m.events {
		switch {
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

func (m *model) backoff(failures int32) time.Duration {
	return min(m.limits.MinBackoff<<(failures-1), m.limits.MaxBackoff)
}

func (m *model) fail(a *account, backoff bool, delay *time.Duration, now time.Duration) {
	if a.place == placeDying {
		return
	}
	if !a.failed {
		a.failed = true
		a.failures++
	}
	a.holder = nil
	switch {
	case m.limits.MaxAttempts > 0 && a.failures >= int32(m.limits.MaxAttempts):
		a.place = placeDying
	case delay != nil:
		a.place, a.at = placeWaiting, now+*delay
	case backoff:
		a.place, a.at = placeWaiting, now+m.backoff(a.failures)
	default:
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

func (m *model) inFlight() int { return m.count(placeSent, placeDue, placeWaiting, placeDying) }

func (m *model) stopped() bool {
	return m.limits.Paused || m.count(placeDying) > 0 && int64(len(m.letters)) >= m.limits.MaxDeadLetters
}

// deliver lets the ledger pick, and judges what it has picked.
func (m *model) deliver() {
	for _, c := range m.ledger.Dispatch(m.now) {
		i := slices.IndexFunc(m.takers, func(t *taker) bool { return t.consumer == c })
		if i < 0 {
			m.t.Fatalf("a consumer was woken that isn't open")
		}
		picked := c.Picked()
		for _, p := range picked {
			m.judge(m.takers[i], p)
		}
		c.Collect(len(picked))
	}
}

func (m *model) judge(to *taker, p Pick) {
	seq := p.Entry.Seq
	if m.stopped() {
		m.t.Fatalf("event %d was sent although nothing may be", seq)
	}
	a := m.events[seq]
	switch {
	case a == nil, a.place == placeAgain:
		if seq <= m.scan || seq <= m.removed || seq > m.head || !m.matches(seq) {
			m.t.Fatalf("event %d was sent first, at scan position %d, head %d, filter %d", seq, m.scan, m.head, m.filter)
		}
		for between := m.scan + 1; between < seq; between++ {
			if m.certain(between) {
				m.t.Fatalf("event %d was sent before %d", seq, between)
			}
		}
		m.scan = seq
		a = &account{}
		m.events[seq] = a
		m.checkRoom()
	case a.place == placeRevived:
		m.checkRoom()
	case a.place != placeDue:
		m.t.Fatalf("event %d was sent while it was in place %d until %d, at %d", seq, a.place, a.at, m.now)
	}
	a.attempts++
	if p.Attempt != a.attempts {
		m.t.Fatalf("event %d was sent with attempt %d, want %d", seq, p.Attempt, a.attempts)
	}
	a.place, a.holder, a.failed, a.faultless, a.at = placeSent, to, false, false, m.now+m.limits.AckDeadline
	limit := to.limit
	if limit == 0 {
		limit = m.limits.MaxInFlight
	}
	if n := m.held(to); n > limit {
		m.t.Fatalf("a consumer holds %d deliveries, and wants at most %d", n, limit)
	}
	m.issued = append(m.issued, ID{Epoch: m.epoch, Seq: seq, Attempt: p.Attempt})
}

// certain reports whether an event that isn't sent must be.
func (m *model) certain(seq event.Sequence) bool {
	return seq > m.removed && m.matches(seq) && (seq > m.murky || m.events[seq] != nil)
}

func (m *model) checkRoom() {
	if n := m.inFlight(); n > m.limits.MaxInFlight {
		m.t.Fatalf("%d events are in flight, of at most %d", n, m.limits.MaxInFlight)
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

// judgeID says what an ack id is worth.
func (m *model) judgeID(id ID) (*account, strawv1.AckResult_Status) {
	if id.Epoch < m.epoch {
		return nil, strawv1.AckResult_STALE
	}
	if a := m.events[id.Seq]; a != nil && a.place != placeDone {
		return a, strawv1.AckResult_ACKED
	}
	return nil, strawv1.AckResult_ALREADY_ACKED
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
		a.place, a.holder = placeDone, nil
		if a.copied {
			a.copied = false
		}
	}
	if got := m.ledger.Ack(id); got != want {
		t.Fatalf("ack %+v: %v, want %v", id, got, want)
	}
	m.pump()
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
		a.attempts, a.failed = id.Attempt, false
	}
	if a.place == placeRevived || a.place == placeAgain {
		a.place = placeDue
	}
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
			a.place, a.holder = placeDue, nil
		default:
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
	k := &taker{limit: rapid.IntRange(0, 6).Draw(t, "limit")}
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
	rapid.SampledFrom(m.takers).Draw(t, "who").consumer.Take(rapid.IntRange(1, 8).Draw(t, "want"))
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
	if was != m.filter {
		m.reselect(was)
	}
	m.ledger.Configure(m.limits, was != m.filter)
	m.save()
	m.pump()
}

// reselect deals with another filter: what was passed over by the old one is so for good, and what may have been sent before
// a restart is still chosen by it.
func (m *model) reselect(was int) {
	for seq := m.removed + 1; seq <= m.ledger.Scan(); seq++ {
		if m.events[seq] == nil {
			m.events[seq] = &account{}
		}
	}
	if m.until <= m.ledger.Scan() {
		m.earlier, m.until = was, m.ledger.Sent()
	}
	for seq, a := range m.events { // what was sent in the last moments before a crash isn't known
		if a.place == placeAgain && !m.selects(seq) && seq > m.ledger.Decided() && seq > m.ledger.Scan() {
			delete(m.events, seq)
			m.issued = slices.DeleteFunc(m.issued, func(id ID) bool { return id.Seq == seq })
		}
	}
}

func (m *model) seek(t *rapid.T) {
	after := event.Sequence(rapid.Uint64Range(uint64(m.removed), uint64(m.head)).Draw(t, "after"))
	m.events = map[event.Sequence]*account{}
	m.scan = after
	m.epoch++
	m.until, m.murky = 0, 0
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
		inFlight := a != nil && a.place != placeDone && a.place != placeAgain
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

func (m *model) purge(*rapid.T) {
	for seq := range m.letters {
		m.ledger.Purge(10)
		delete(m.letters, seq)
		delete(m.disk.copies, seq)
	}
	m.save()
	m.pump()
}

// expire lets retention overtake the subscription.
func (m *model) expire(t *rapid.T) {
	through := event.Sequence(rapid.Uint64Range(uint64(m.removed), uint64(m.head)).Draw(t, "through"))
	m.removed = through
	least := int64(0)
	for seq, a := range m.events {
		if seq <= through && !a.copied && a.place != placeDone {
			*a = account{}
			least++
		}
	}
	most := least
	for seq := m.scan + 1; seq <= through; seq++ {
		if m.events[seq] == nil {
			most++ // what wasn't scanned counts, whether it matches or not
		}
	}
	m.scan = max(m.scan, through)
	got := m.ledger.Expire(through)
	if got < least || got > most || got < most && m.earlier == 0 && m.filter == 1 {
		t.Fatalf("%d events expired, want %d to %d", got, least, most)
	}
	m.expired += got
	m.pump()
}

// restart loses what wasn't saved.
func (m *model) restart(*rapid.T) {
	m.takers = nil
	var blocks []Block
	for no, v := range m.disk.blocks {
		blocks = append(blocks, Block{No: no, Value: v})
	}
	m.ledger = New(m.limits, m.disk.position)
	if err := m.ledger.Restore(blocks, slices.Collect(maps.Values(m.disk.records))); err != nil {
		m.t.Fatalf("restore: %v", err)
	}
	m.ledger.Expire(m.removed)
	m.expired = m.ledger.Position().Expired
	m.recall()
	if m.earlier > 0 {
		m.murky = m.ledger.Sent()
	}
	m.save()
	m.pump()
}

// recall makes the model know what the disk knows: what was sent is owed, and of its attempts only those on record count.
func (m *model) recall() {
	lost := m.events
	m.events, m.scan = map[event.Sequence]*account{}, m.ledger.Position().Floor
	for seq, a := range lost {
		if _, saved := m.saved[seq]; !saved && seq > m.removed {
			if a.attempts == 0 {
				m.t.Fatalf("event %d was never sent", seq)
			}
			m.events[seq] = &account{place: placeAgain}
		}
	}
	for seq, s := range m.saved {
		a := s
		r, recorded := m.disk.records[seq]
		switch {
		case a.place == placeDone:
		case seq <= m.removed && !a.copied:
			a = account{}
		case a.copied && a.place == placeRevived:
		case !recorded:
			// It was sent, and that isn't on record: it will be scanned again, and is owed whatever the filter says.
			if seq > m.ledger.Decided() && !m.selects(seq) {
				m.t.Fatalf("event %d was sent and is forgotten", seq)
			}
			a = account{place: placeAgain}
		default:
			if r.Attempts > a.attempts || r.Failures > a.failures {
				m.t.Fatalf("the record of %d says %+v, of %+v", seq, r, a)
			}
			a.attempts, a.failures, a.failed, a.faultless, a.holder, a.at = r.Attempts, r.Failures, r.Failures > 0, false, nil, r.Due
			switch {
			case a.copied && a.failures == 0:
				a.place = placeRevived
			case r.Dying:
				a.place = placeDying
			case r.Due > 0:
				a.place = placeWaiting
			default:
				a.place = placeDue
			}
		}
		m.events[seq] = &a
	}
	m.letters = maps.Clone(m.letters)
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
	if p.Floor < m.ledger.Scan() {
		if a := m.events[p.Floor+1]; a == nil || a.place == placeDone || a.place == placeAgain || a.copied {
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
	for m.ledger.Scan() < m.head || m.ledger.InFlight()+m.ledger.Revived() > 0 {
		before := len(m.issued)
		m.purge(nil)
		m.bury(nil)
		m.now += 100
		m.pump()
		for _, k := range m.takers {
			k.consumer.Take(50)
		}
		m.pump()
		for seq, a := range m.events {
			if a.place == placeSent && a.attempts > 0 {
				if s := m.ledger.Ack(ID{Epoch: m.epoch, Seq: seq, Attempt: a.attempts}); s != strawv1.AckResult_ACKED {
					m.t.Fatalf("at the end, ack of %d: %v", seq, s)
				}
				a.place, a.holder, a.copied = placeDone, nil, false
			}
		}
		if m.ledger.Scan() < m.head && len(m.issued) == before && m.ledger.InFlight() == 0 && m.ledger.Revived() == 0 && m.ledger.ScanFrom() < m.head {
			m.t.Fatalf("nothing more comes after %d, and the head is %d", m.ledger.Scan(), m.head)
		}
	}
	for seq := m.removed + 1; seq <= m.head; seq++ {
		if m.certain(seq) && seq > m.scan {
			m.t.Fatalf("event %d was never sent", seq)
		}
	}
}

func TestLedgerAgreesWithItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"": m.check, "append": m.append, "append more": m.append, "join": m.join, "leave": m.leave,
			"take": m.take, "take more": m.take, "and more": m.take, "ack": m.ack, "ack more": m.ack, "ack still more": m.ack,
			"nack": m.nack, "extend": m.extend, "advance": m.advance, "configure": m.configure, "seek": m.seek, "bury": m.bury,
			"redeliver": m.redeliver, "purge": m.purge, "expire": m.expire, "restart": m.restart,
			"save": func(*rapid.T) { m.save() },
		})
		m.finish()
	})
}
