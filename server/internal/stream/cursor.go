package stream

import (
	"context"
	"errors"
	"math"
	"time"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/fanout"
	"github.com/straw-gateway/straw/server/internal/filter"
	"github.com/straw-gateway/straw/server/internal/share"
)

// CursorRequest says what a reader that keeps its own position wants.
type CursorRequest struct {
	Selection *filter.Selection
	// After is the position to start from.
	After event.Sequence
	// ContinueOnGap: tell of a gap and go on, instead of ending with a GapError.
	ContinueOnGap bool
	Heartbeat     time.Duration
	MaxDeliveries int
	IncludeRaw    bool
	// EndAtHead: end with nil after what existed when the stream began.
	EndAtHead bool
}

// Cursor sends frames in log order until the context ends, the log fails, or the gateway drains; see CursorRequest for how
// else it may end. send blocks while the transport does; the reader then falls behind, and that is all. Errors: a GapError,
// ErrDraining, event.ErrCorrupt, the context's, and what send returns.
func (s *Streams) Cursor(ctx context.Context, req CursorRequest, send func(*Frame) error) error {
	s.observer.Opened(ModeCursor)
	defer s.observer.Closed(ModeCursor)
	w := s.hub.Join(req.Selection)
	defer w.Leave()
	exit, left := s.enter()
	defer left()
	r := &cursorReader{
		Streams: s, CursorRequest: req, waiter: w, identity: s.log.Identity(), pos: req.After, end: math.MaxUint64, exit: exit, send: send,
	}
	r.Selection = w.Selection()
	r.turn = s.share.Turn(share.CallerOf(ctx))
	r.chooser = filter.Chooser{Selection: r.Selection, Shared: w.Shared, Turn: &r.turn}
	if req.EndAtHead {
		r.end = max(s.hub.Head(), req.After)
	}
	return r.run(ctx)
}

type cursorReader struct {
	*Streams
	CursorRequest
	waiter   *fanout.Waiter
	turn     share.Turn
	chooser  filter.Chooser
	identity event.Identity
	pos, end event.Sequence
	exit     chan struct{}
	batch    batch
	sent     time.Time      // when the last frame was handed over
	told     event.Sequence // the position that it named
	send     func(*Frame) error
}

func (r *cursorReader) run(ctx context.Context) error {
	if err := r.begin(); err != nil {
		return err
	}
	timer := time.NewTimer(r.Heartbeat)
	defer timer.Stop()
	for {
		select {
		case <-r.exit:
			return r.leave()
		default:
		}
		if err := r.advance(ctx); err != nil {
			return err
		}
		switch {
		case r.batch.count > 0:
			if err := r.flush(nil); err != nil {
				return err
			}
		case r.pos >= r.end:
			return r.finish()
		case time.Since(r.sent) >= r.Heartbeat:
			if err := r.flush(nil); err != nil {
				return err
			}
		case r.pos >= r.hub.Head():
			if err := r.wait(ctx, timer); err != nil {
				return err
			}
		}
	}
}

// begin refuses a start that retention has passed, or sends the first frame.
func (r *cursorReader) begin() error {
	if floor := r.log.Bounds().Floor; r.pos < floor && !r.ContinueOnGap {
		return r.gap(floor)
	}
	return r.flush(helloFields(r.Heartbeat))
}

// finish makes sure that the reader has been told of the position it came to.
func (r *cursorReader) finish() error {
	if r.told == r.pos {
		return nil
	}
	return r.flush(nil)
}

// wait returns when there may be an event, when a heartbeat may be due, or with the reason to end.
func (r *cursorReader) wait(ctx context.Context, timer *time.Timer) error {
	wake := r.waiter.Wait(r.pos)
	if wake == nil {
		return nil
	}
	select {
	case <-wake:
	case <-timer.C:
		left := r.Heartbeat - time.Since(r.sent)
		if left <= 0 {
			left = r.Heartbeat
		}
		timer.Reset(left)
	case <-r.exit: // seen by run
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// advance reads forward until a frame is full, the head is reached, or a heartbeat is due.
func (r *cursorReader) advance(ctx context.Context) error {
	for {
		r.pos = min(r.waiter.Skip(r.pos), r.end)
		if r.pos >= min(r.hub.Head(), r.end) {
			return nil
		}
		full, err := r.step(ctx)
		switch {
		case errors.Is(err, event.ErrPassed):
			return r.passed()
		case errors.Is(err, share.ErrLater): // what there is goes out first, or a heartbeat
			return nil
		}
		if err != nil || full || r.batch.worthSending() || time.Since(r.sent) >= r.Heartbeat {
			return err
		}
	}
}

// step reads one segment, from the hub if it still has it, else from the store; full means that the frame is.
func (r *cursorReader) step(ctx context.Context) (full bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	seg := r.hub.Segment(r.pos)
	r.turn.Patience(r.patience())
	defer r.turn.Give()
	if seg == nil {
		if err := r.turn.Take(ctx); err != nil {
			return false, err
		}
		if seg, err = r.log.Read(ctx, r.pos, r.Selection.MayWant); err != nil {
			return false, err
		}
	}
	return r.take(ctx, seg)
}

// lingering is how long deliveries may wait in a frame for more of them, if those must be filtered first.
const lingering = 5 * time.Millisecond

// patience is until when the reader may wait for its turn: until the next heartbeat, or not for long if it has something to send.
func (r *cursorReader) patience() time.Time {
	if r.batch.count > 0 {
		return time.Now().Add(lingering)
	}
	return r.sent.Add(r.Heartbeat)
}

// passed deals with a position that retention has passed: what was gathered goes first, then the gap.
func (r *cursorReader) passed() error {
	floor := r.log.Bounds().Floor
	if r.batch.count > 0 {
		if err := r.flush(nil); err != nil {
			return err
		}
	}
	if !r.ContinueOnGap {
		return r.gap(floor)
	}
	requested := r.identity.Cursor(r.pos)
	r.pos = floor
	return r.flush(gapFields(requested, r.identity.Cursor(floor)))
}

func (r *cursorReader) gap(floor event.Sequence) error {
	return &GapError{Requested: r.identity.Cursor(r.pos), Oldest: r.identity.Cursor(floor)}
}

// leave sends what readers are told before the gateway goes away, if that is why they end.
func (r *cursorReader) leave() error {
	if !errors.Is(r.ended, ErrDraining) {
		return r.ended
	}
	if err := r.flush(goingAwayFields(r.goAway)); err != nil {
		return err
	}
	return ErrDraining
}

// flush sends the gathered deliveries, the position, and further fields if there are any.
func (r *cursorReader) flush(fields *strawv1.SubscribeResponse) error {
	rest := appendPosition(make([]byte, 0, 64), r.identity, r.pos, r.hub.Head())
	f := r.batch.frame(appendFields(rest, fields))
	if err := r.send(f); err != nil {
		return err
	}
	r.sent, r.told = time.Now(), r.pos
	r.waiter.At(r.pos)
	r.observer.Sent(f.count)
	return nil
}

// take gathers what the reader wants of a segment and moves the position over it; full means that the frame has no room for
// the next wanted event.
func (r *cursorReader) take(ctx context.Context, seg *event.Segment) (full bool, err error) {
	through := min(seg.Through(), r.end) // before the view: the segment may grow in between
	entries := seg.View()
	first := after(entries, r.pos)
	if r.takeAll(seg, entries[first:]) {
		r.pos = max(through, entries[len(entries)-1].Seq)
		return false, nil
	}
	defer r.chooser.Leave()
	for i := first; i < len(entries) && entries[i].Seq <= r.end; i++ {
		e := entries[i]
		ok, failed, err := r.chooser.Choose(ctx, seg, i, e)
		if failed {
			r.observer.FilterFailed()
		}
		if ok {
			if r.batch.count == 0 && r.Selection.Filters() {
				r.turn.Patience(time.Now().Add(lingering))
			}
			full, err = r.gather(ctx, seg, e)
		}
		if full || err != nil {
			return full, err
		}
		r.pos = e.Seq
	}
	r.pos = max(r.pos, through)
	return false, nil
}

// takeAll gathers what is left of a segment at once, if the reader wants every event and the frame has room for them.
func (r *cursorReader) takeAll(seg *event.Segment, rest []event.Entry) bool {
	if len(rest) == 0 || r.IncludeRaw || !r.Selection.AllTypes() || r.Selection.Filters() {
		return false
	}
	first, last := rest[0], rest[len(rest)-1]
	if last.Seq > r.end || !r.batch.fit(len(rest), int(last.End-first.Delivery), r.MaxDeliveries) {
		return false
	}
	r.batch.add(seg, first.Delivery, last.End, len(rest))
	return true
}

// gather adds an event to the frame unless it has no room left.
func (r *cursorReader) gather(ctx context.Context, seg *event.Segment, e event.Entry) (full bool, err error) {
	if !r.IncludeRaw {
		if !r.batch.fit(1, int(e.End-e.Delivery), r.MaxDeliveries) {
			return true, nil
		}
		r.batch.add(seg, e.Delivery, e.End, 1)
		return false, nil
	}
	raw, err := r.log.Raw(ctx, e.Seq)
	if err != nil {
		return false, err
	}
	if !r.batch.fit(1, int(e.End-e.Delivery)+len(raw), r.MaxDeliveries) {
		return true, nil
	}
	if raw == nil {
		r.batch.addOwned(seg.Bytes(e.Delivery, e.End))
	} else {
		r.batch.addOwned(seg.AppendRawDelivery(nil, e, raw))
	}
	return false, nil
}

// after returns the index of the first entry beyond a position. Most segments are dense, so the guess is mostly right.
func after(entries []event.Entry, pos event.Sequence) int {
	if len(entries) == 0 || entries[0].Seq > pos {
		return 0
	}
	if i := int(pos-entries[0].Seq) + 1; i <= len(entries) && entries[i-1].Seq == pos {
		return i
	}
	lo, hi := 0, len(entries)
	for lo < hi {
		if mid := (lo + hi) / 2; entries[mid].Seq > pos {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}
