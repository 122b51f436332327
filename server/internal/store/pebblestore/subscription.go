package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/filter"
	"github.com/straw-gateway/straw/server/internal/store"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore/ledger"
)

// A subscription is one of Subscriptions, with the goroutine that scans the log for it and watches its deadlines.
type subscription struct {
	all    *Subscriptions
	number uint32
	id     string
	kick   chan struct{} // has a token when the goroutine should look again
	ended  chan struct{} // closed when it should end
	held   atomic.Uint64 // the floor that is on the disk
	oldest oldest

	// mu guards the rest. It is never held while waiting, for the appender takes it too.
	mu           sync.Mutex
	definition   *definition
	selection    *filter.Selection
	ledger       *ledger.Ledger
	err          error  // why it has ended
	caller       string // who consumes it: the newest consumer's
	generation   uint64 // changes whenever what was scanned is void
	filterErrors int64
	due          time.Duration         // nothing is due before
	redefined    bool                  // the definition is to be written
	letters      []func(*pebble.Batch) // what else is to be written
	drained      event.Sequence        // the floor that was handed to the log last

	round *round // the newest that it has joined; guarded by the journal
}

func (s *Subscriptions) newSubscription(number uint32, d *definition, after event.Sequence) (*subscription, error) {
	return s.openSubscription(number, d, ledger.Position{Floor: after})
}

func (s *Subscriptions) openSubscription(number uint32, d *definition, p ledger.Position) (*subscription, error) {
	sub := &subscription{
		all: s, number: number, id: d.message.GetId(), kick: make(chan struct{}, 1), ended: make(chan struct{}),
		definition: d, ledger: ledger.New(s.configOf(d.message), p), drained: p.Floor,
	}
	sub.held.Store(uint64(p.Floor))
	var err error
	if sub.selection, err = filter.New(d.message.GetTypes(), d.message.GetFilter(), s.log.Types()); err != nil {
		return nil, err
	}
	return sub, nil
}

// configOf is what a definition asks of the ledger.
func (s *Subscriptions) configOf(d *strawv1.Subscription) ledger.Config {
	return ledger.Config{
		AckDeadline: d.GetAckDeadline().AsDuration(),
		MinBackoff:  d.GetRetryBackoff().GetMin().AsDuration(), MaxBackoff: d.GetRetryBackoff().GetMax().AsDuration(),
		MaxInFlight: int(d.GetMaxInFlight()), MaxAttempts: int(d.GetMaxAttempts()), Paused: d.GetPaused(),
		MaxDeadLetters: s.MaxDeadLetters, MaxDeadBytes: s.MaxDeadBytes,
	}
}

// now is the time that deadlines run on.
func (s *subscription) now() time.Duration { return s.all.Clock.Now() }

// look makes the goroutine look again.
func (s *subscription) look() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// dispatch hands out what can be sent, and makes the goroutine look for more if that is wanted. The caller holds mu.
func (s *subscription) dispatch() {
	if sooner := s.handOut(); sooner || s.ledger.NeedScan() {
		s.look()
	}
}

// handOut hands out what can be sent, and reports whether a deadline is now the next. The goroutine itself calls it: it must not
// make itself look again, or it would never come to rest. The caller holds mu.
func (s *subscription) handOut() (sooner bool) {
	now := s.now()
	woken := s.ledger.Dispatch(now)
	for _, c := range woken {
		c.Owner.(*consumer).signal()
	}
	if deadline := now + s.ledger.AckDeadline; len(woken) > 0 && deadline < s.due {
		s.due = deadline
		return true
	}
	return false
}

// tick deals with what is due now. The caller holds mu.
func (s *subscription) tick() {
	if now := s.now(); now >= s.due {
		s.ledger.Tick(now)
		s.due = never
		s.rearm()
	}
}

// rearm finds out when the next is due, and makes the goroutine wait for it. The caller holds mu.
func (s *subscription) rearm() {
	if next, ok := s.ledger.Next(); ok && next < s.due {
		s.due = next
		s.look()
	}
}

// write has what has changed written down, if anything has. The caller holds mu, and may wait for the round without it.
func (s *subscription) write(bytes int) *round {
	if s.err != nil {
		return doneRound(s.err)
	}
	if s.ledger.Changed() || s.redefined || len(s.letters) > 0 {
		return s.all.journal.join(s, bytes)
	}
	// What was changed before is on its way at most.
	return s.all.journal.last(s)
}

// settle runs an operation on deliveries and returns their statuses once they are durable. An operation that changes nothing
// durable says so.
func (s *subscription) settle(ctx context.Context, ackIDs []string, do func(ledger.ID) strawv1.AckResult_Status) ([]strawv1.AckResult_Status, error) {
	statuses := make([]strawv1.AckResult_Status, len(ackIDs))
	if err := s.all.log.disk.exhaustion(); err != nil {
		return nil, err
	}
	ids := make([]ledger.ID, len(ackIDs))
	for i, text := range ackIDs {
		number, id, ok := s.all.sealer.read(text)
		if ids[i] = id; !ok || number != s.number {
			statuses[i] = strawv1.AckResult_INVALID
		}
	}
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return nil, s.err
	}
	s.tick()
	for i, id := range ids {
		if statuses[i] == 0 {
			statuses[i] = do(id)
		}
	}
	s.dispatch()
	r := s.write(0)
	s.rearm()
	dying := len(s.ledger.Dying(1)) > 0
	s.mu.Unlock()
	if dying {
		if err := s.bury(ctx); err != nil {
			return nil, err
		}
	}
	return statuses, r.wait(ctx)
}

// Acknowledge settles deliveries.
func (s *Subscriptions) Acknowledge(ctx context.Context, id string, ackIDs []string) ([]strawv1.AckResult_Status, error) {
	sub, err := s.find(ctx, id)
	if err != nil {
		return nil, err
	}
	return sub.settle(ctx, ackIDs, func(id ledger.ID) strawv1.AckResult_Status { return sub.ledger.Ack(id) })
}

// Nack gives deliveries back.
func (s *Subscriptions) Nack(ctx context.Context, id string, ackIDs []string, how store.Nack) ([]strawv1.AckResult_Status, error) {
	sub, err := s.find(ctx, id)
	if err != nil {
		return nil, err
	}
	now := sub.now()
	return sub.settle(ctx, ackIDs, func(id ledger.ID) strawv1.AckResult_Status { return sub.ledger.Nack(id, ledger.Nack(how), now) })
}

// ExtendDeadline grants deliveries a full deadline.
func (s *Subscriptions) ExtendDeadline(ctx context.Context, id string, ackIDs []string) ([]strawv1.AckResult_Status, error) {
	sub, err := s.find(ctx, id)
	if err != nil {
		return nil, err
	}
	now := sub.now()
	return sub.settle(ctx, ackIDs, func(id ledger.ID) strawv1.AckResult_Status { return sub.ledger.Extend(id, now) })
}

// redefine changes the definition.
func (s *subscription) redefine(d *strawv1.Subscription, selection *filter.Selection) *round {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return doneRound(s.err)
	}
	changed := selection.Key() != s.selection.Key()
	if changed {
		s.selection = selection
		s.generation++
	}
	s.definition = &definition{message: d, version: s.definition.version + 1, created: s.definition.created, updated: s.all.log.opts.Now()}
	s.redefined = true
	s.ledger.Configure(s.all.configOf(d), changed)
	s.dispatch()
	s.look()
	return s.write(proto.Size(d))
}

// seek moves the subscription.
func (s *subscription) seek(after event.Sequence) (*round, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	// From here on the log keeps what it owes.
	held := s.held.Load()
	s.held.Store(min(held, uint64(after)))
	if err := s.all.log.passed(after); err != nil {
		s.held.Store(held)
		return nil, err
	}
	s.generation++
	s.ledger.Seek(after)
	s.dispatch()
	s.look()
	return s.write(0), nil
}

// expire settles what retention has removed.
func (s *subscription) expire() {
	floor := s.all.log.Bounds().Floor
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	if floor <= s.ledger.Position().Floor {
		return
	}
	s.generation++
	lost := s.ledger.Expire(floor)
	s.dispatch()
	s.write(0)
	if lost > 0 {
		s.all.log.opts.Logger.Warn("retention has removed events that a subscription may still have owed", "subscription", s.id, "events", lost)
		s.ledger.Each(func(c *ledger.Consumer) { c.Owner.(*consumer).signal() })
	}
}

// tidy writes down how far events were passed over or sent.
func (s *subscription) tidy() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ledger.Lag() > 0 {
		s.all.journal.join(s, 0)
	}
}

// end ends the subscription's consumers with an error.
func (s *subscription) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = err
	close(s.ended)
	s.ledger.Each(func(c *ledger.Consumer) { c.Owner.(*consumer).signal() })
}

// view returns the subscription with its figures.
func (s *subscription) view() (store.Subscription, error) {
	s.expire()
	head := s.all.log.Bounds().Head
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return store.Subscription{}, s.err
	}
	p := s.ledger.Position()
	inFlight := int64(s.ledger.InFlight())
	v := store.Subscription{
		Definition: s.definition.message, ETag: fmt.Sprintf("%d.%d", s.number, s.definition.version),
		CreateTime: s.definition.created, UpdateTime: s.definition.updated,
		Scanned: p.Scan, InFlight: inFlight, DeadLetters: p.DeadLetters, Expired: p.Expired, Consumers: s.ledger.Consumers(),
		Backlog:   int64(max(head, p.Scan)-p.Scan) + inFlight + int64(s.ledger.Revived()),
		Delivered: s.ledger.Delivered, Redelivered: s.ledger.Redelivered, Acked: s.ledger.Acked, DeadLettered: s.ledger.DeadLettered,
		FilterErrors: s.filterErrors,
	}
	seq, owed := s.ledger.Oldest(head)
	s.mu.Unlock()
	if !owed {
		return v, nil
	}
	var err error
	v.OldestUnacked, err = s.oldest.received(s, seq)
	if errors.Is(err, event.ErrPassed) { // just now
		return v, nil
	}
	return v, err
}

// oldest remembers when an event was received, for it is asked again and again.
type oldest struct {
	mu   sync.Mutex
	seq  event.Sequence
	time time.Time
}

func (o *oldest) received(s *subscription, seq event.Sequence) (time.Time, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seq == seq {
		return o.time, nil
	}
	c, err := s.load(seq)
	if err != nil {
		return time.Time{}, err
	}
	e, err := event.Stored{Seq: seq, Encoded: c.encoded}.Decode(s.all.log.identity)
	if err != nil {
		return time.Time{}, err
	}
	o.seq, o.time = seq, e.GetReceiveTime().AsTime()
	return o.time, nil
}

// load reads an event from the log, or from its copy if retention has removed it there.
func (s *subscription) load(seq event.Sequence) (copied, error) {
	l := s.all.log
	if err := l.enter(); err != nil {
		return copied{}, err
	}
	defer l.leave()
	err := l.passed(seq - 1)
	if err == nil {
		var encoded []byte
		if _, encoded, err = l.load(seq); err == nil {
			return copied{encoded: encoded}, nil
		}
	}
	if !errors.Is(err, event.ErrPassed) {
		return copied{}, err
	}
	c, ok, copyErr := s.readCopy(seq)
	if ok || copyErr != nil {
		return c, copyErr
	}
	return c, err
}

// readCopy reads the subscription's own copy of an event. The caller has entered the log.
func (s *subscription) readCopy(seq event.Sequence) (copied, bool, error) {
	key := makeMemberKey(s.number, kindCopy, uint64(seq))
	value, err := s.all.log.get(key[:])
	if errors.Is(err, pebble.ErrNotFound) {
		return copied{}, false, nil
	}
	if err != nil {
		return copied{}, false, s.all.log.readError(err)
	}
	c, err := decodeCopy(seq, value)
	if err != nil {
		return c, false, s.all.log.readError(err)
	}
	return c, true, nil
}
