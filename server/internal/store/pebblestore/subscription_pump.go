package pebblestore

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/fanout"
	"github.com/straw-gateway/straw/server/internal/filter"
	"github.com/straw-gateway/straw/server/internal/share"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore/ledger"
)

// never is later than any time.
const never = time.Duration(math.MaxInt64)

// A pump is the goroutine of a subscription: it scans the log for consumers, deals with deadlines that pass, and dead-letters.
type pump struct {
	*subscription
	waiter    *fanout.Waiter // while there is a consumer to scan for
	joined    *filter.Selection
	chooser   filter.Chooser
	turn      share.Turn
	account   string // whose turn that is
	found     []ledger.Match
	timer     <-chan time.Time
	timerAt   time.Duration
	retryBury bool
}

// run runs until the subscription ends.
func (s *subscription) run() {
	p := &pump{subscription: s, timerAt: never}
	defer p.leave()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for {
		scanning, ended := p.step(ctx)
		if ended {
			return
		}
		if scanning {
			more, err := p.scan(ctx)
			if err != nil {
				s.all.log.opts.Logger.Error("a subscription can't go on", "subscription", s.id, "err", err)
				s.end(err)
				return
			}
			if more {
				continue
			}
		}
		if !p.wait(scanning) {
			return
		}
	}
}

// step deals with what is due, and reports whether there is a consumer to scan for.
func (p *pump) step(ctx context.Context) (scanning, ended bool) {
	p.mu.Lock()
	if p.err != nil {
		p.mu.Unlock()
		return false, true
	}
	p.tick()
	p.handOut()
	dying := len(p.ledger.Dying(1)) > 0
	p.write(0)
	p.mu.Unlock()
	p.retryBury = false
	if dying {
		if err := p.bury(ctx); err != nil {
			p.retryBury = true
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ledger.NeedScan(), p.err != nil
}

// wait returns when there may be something to do; false if the subscription has ended.
func (p *pump) wait(scanning bool) bool {
	var wake <-chan struct{}
	if scanning {
		p.mu.Lock()
		from := p.ledger.ScanFrom()
		p.mu.Unlock()
		if wake = p.waiter.Wait(from); wake == nil {
			return true
		}
	} else {
		p.leave()
	}
	p.arm()
	select {
	case <-p.kick:
	case <-wake:
	case <-p.timer:
		p.timerAt = never
	case <-p.ended:
		return false
	}
	return true
}

// arm sets the timer. One that goes off too early does no harm, so it is kept if it is early enough.
func (p *pump) arm() {
	p.mu.Lock()
	at := p.due
	p.mu.Unlock()
	if p.retryBury {
		at = min(at, p.now()+tidyEvery)
	}
	switch {
	case at == never && p.timerAt == never:
		p.timer = nil
	case at < p.timerAt:
		p.timer, p.timerAt = p.all.Clock.After(max(0, at-p.now())), at
	}
}

// patience is how long the pump waits for its turn before it sees to deadlines.
const patience = 50 * time.Millisecond

// enter makes the pump one of the hub's readers, with the selection that the subscription has now, on a caller's account.
func (p *pump) enter(selection *filter.Selection, caller string, at event.Sequence) {
	if p.joined == nil || p.account != caller {
		p.turn, p.account = p.all.Share.Turn(caller), caller
	}
	if p.joined != selection {
		p.leave()
		p.waiter, p.joined = p.all.Hub.Join(selection), selection
		p.chooser = filter.Chooser{Selection: p.waiter.Selection(), Shared: p.waiter.Shared, Turn: &p.turn}
	}
	p.waiter.At(at)
}

func (p *pump) leave() {
	if p.waiter != nil {
		p.waiter.Leave()
		p.waiter, p.joined, p.chooser = nil, nil, filter.Chooser{}
	}
}

// A stretch is what is scanned at once.
type stretch struct {
	from       event.Sequence
	selection  *filter.Selection
	generation uint64
}

// scan looks at the next stretch of the log. It reports whether there may be more.
func (p *pump) scan(ctx context.Context) (more bool, err error) {
	st := p.next()
	if skip := p.waiter.Skip(st.from); skip > st.from {
		p.found = p.found[:0]
		p.scanned(st, skip)
		return true, nil
	}
	if st.from >= p.all.Hub.Head() {
		return false, nil
	}
	p.turn.Patience(time.Now().Add(patience))
	defer p.turn.Give()
	seg, err := p.read(ctx, st)
	switch {
	case errors.Is(err, share.ErrLater):
		return true, nil
	case errors.Is(err, event.ErrPassed):
		p.expire()
		return true, nil
	case err != nil:
		return false, err
	}
	through, err := p.choose(ctx, seg, st, seg.Through()) // before the view: the segment may grow in between
	if err != nil {
		return false, err
	}
	p.scanned(st, through)
	return true, nil
}

// next says what to scan next.
func (p *pump) next() stretch {
	p.mu.Lock()
	defer p.mu.Unlock()
	from := p.ledger.ScanFrom()
	p.enter(p.selection, p.caller, from)
	// The waiter's selection is shared with all who want the same, and so are its verdicts.
	return stretch{from: from, selection: p.waiter.Selection(), generation: p.generation}
}

func (p *pump) read(ctx context.Context, st stretch) (*event.Segment, error) {
	if seg := p.all.Hub.Segment(st.from); seg != nil {
		return seg, nil
	}
	if err := p.turn.Take(ctx); err != nil {
		return nil, err
	}
	return p.all.log.Read(ctx, st.from, st.selection.MayWant)
}

// choose finds the matches of a segment up to a position, and returns up to which it has: less if its turn ends before.
func (p *pump) choose(ctx context.Context, seg *event.Segment, st stretch, through event.Sequence) (event.Sequence, error) {
	p.found = p.found[:0]
	at := st.from
	defer p.chooser.Leave()
	for i, e := range seg.View() {
		if e.Seq <= st.from || e.Seq > through {
			continue
		}
		ok, failed, err := p.chooser.Choose(ctx, seg, i, e)
		if errors.Is(err, share.ErrLater) {
			return at, nil
		}
		if err != nil {
			return at, err
		}
		at = e.Seq
		if failed {
			p.filterFailed()
		}
		if ok {
			p.found = append(p.found, ledger.Match{Segment: seg, Entry: e})
		}
	}
	return through, nil
}

func (p *pump) filterFailed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.filterErrors++
}

// scanned enters what was found, unless the subscription was moved or redefined meanwhile.
func (p *pump) scanned(st stretch, through event.Sequence) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.generation != st.generation || p.err != nil {
		return
	}
	p.ledger.Scanned(through, p.found)
	clear(p.found) // or it would keep the segment
	p.handOut()
}

// flush writes down what has changed. The appender calls it, in the order of the rounds.
func (s *subscription) flush(b *pebble.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(s.err, event.ErrSubscriptionNotFound) {
		return
	}
	s.writeMutations(b, s.ledger.Drain())
	for _, write := range s.letters {
		write(b)
	}
	s.letters = nil
	if s.redefined {
		s.redefined = false
		s.writeDefinition(b)
	}
	s.drained = s.ledger.Position().Floor
}

// flushed tells that what the last flush wrote is on the disk.
func (s *subscription) flushed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held.Store(uint64(s.drained))
	if s.ledger.Written() && s.err == nil {
		s.dispatch()
	}
}
