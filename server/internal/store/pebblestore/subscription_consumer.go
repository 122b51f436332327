package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/share"
	"github.com/straw-gateway/straw/server/internal/store"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore/ledger"
)

// A consumer is a store.Consumer.
type consumer struct {
	*subscription
	taker  *ledger.Consumer
	ready  chan struct{}
	closed sync.Once
}

// Consume adds a consumer.
func (s *Subscriptions) Consume(ctx context.Context, id string, outstanding int) (store.Consumer, error) {
	sub, err := s.find(ctx, id)
	if err != nil {
		return nil, err
	}
	sub.expire()
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.err != nil {
		return nil, sub.err
	}
	c := &consumer{subscription: sub, ready: make(chan struct{}, 1)}
	sub.caller = share.CallerOf(ctx)
	c.taker = sub.ledger.Join(outstanding, c)
	c.signal()
	return c, nil
}

func (c *consumer) signal() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

// Ready receives when Take is worth calling.
func (c *consumer) Ready() <-chan struct{} { return c.ready }

// Take returns what can be sent now.
func (c *consumer) Take(ctx context.Context, most int) (store.Batch, error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return store.Batch{}, c.err
	}
	if c.taker.Gap() {
		c.mu.Unlock()
		c.signal()
		return store.Batch{Gap: true, Oldest: c.all.log.Bounds().Floor}, nil
	}
	c.taker.Take(most)
	c.dispatch()
	picked := c.taker.Picked()
	picked = picked[:min(len(picked), most)]
	if len(picked) == 0 {
		c.mu.Unlock()
		return store.Batch{}, nil
	}
	epoch := c.ledger.Position().Epoch
	if own, ok := inSegments(picked); ok {
		batch := c.seal(epoch, picked, own)
		c.taker.Collect(len(own))
		c.again()
		c.mu.Unlock()
		return batch, nil
	}
	picked = append([]ledger.Pick{}, picked...)
	c.mu.Unlock()
	return c.takeLoaded(ctx, epoch, picked)
}

// again has the rest of what was picked taken next. The caller holds mu.
func (c *consumer) again() {
	if len(c.taker.Picked()) > 0 {
		c.signal()
	}
}

// A place is where the event of a pick is.
type place struct {
	segment *event.Segment
	entry   event.Entry
}

// inSegments returns the places of a frame's worth of picks, if they all have one.
func inSegments(picked []ledger.Pick) ([]place, bool) {
	places := make([]place, 0, len(picked))
	size := 0
	for _, p := range picked {
		if p.Segment == nil {
			return nil, false
		}
		if size += int(p.Entry.End - p.Entry.Event); size > event.SegmentSize && len(places) > 0 {
			break
		}
		places = append(places, place{p.Segment, p.Entry})
	}
	return places, true
}

// seal makes deliveries of picks and their places.
func (c *consumer) seal(epoch uint32, picked []ledger.Pick, places []place) store.Batch {
	text := make([]byte, len(places)*ackIDLen)
	for i, p := range picked[:len(places)] {
		c.all.sealer.put(text[i*ackIDLen:], c.number, ledger.ID{Epoch: epoch, Seq: p.Entry.Seq, Attempt: p.Attempt})
	}
	ackIDs := string(text)
	deliveries := make([]store.Delivery, len(places))
	for i, p := range places {
		deliveries[i] = store.Delivery{Segment: p.segment, Entry: p.entry, AckID: ackIDs[i*ackIDLen : (i+1)*ackIDLen], Attempt: picked[i].Attempt}
	}
	return store.Batch{Deliveries: deliveries}
}

// takeLoaded is the rest of Take for picks that must be looked up, among others.
func (c *consumer) takeLoaded(ctx context.Context, epoch uint32, picked []ledger.Pick) (store.Batch, error) {
	places, err := c.find(ctx, picked)
	if errors.Is(err, event.ErrPassed) {
		c.expire()
		c.signal()
		return store.Batch{}, nil
	}
	if err != nil {
		return store.Batch{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return store.Batch{}, c.err
	}
	defer c.again()
	if c.ledger.Position().Epoch != epoch {
		c.signal()
		return store.Batch{}, nil
	}
	kept, keptPlaces := picked[:0], places[:0]
	for i, at := range places {
		if c.taker.Holds(picked[i]) { // it may have been settled meanwhile
			kept, keptPlaces = append(kept, picked[i]), append(keptPlaces, at)
		}
	}
	c.taker.Picked()
	c.taker.Collect(len(kept))
	if len(kept) == 0 {
		c.signal()
	}
	return c.seal(epoch, kept, keptPlaces), nil
}

// find returns the places of as many of the picks as fit in a frame.
func (c *consumer) find(ctx context.Context, picked []ledger.Pick) ([]place, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	places := make([]place, 0, len(picked))
	var own *event.Segment
	size := 0
	for _, p := range picked {
		at := place{p.Segment, p.Entry}
		if at.segment == nil {
			var err error
			if at, own, err = c.look1(p, own); err != nil {
				return nil, err
			}
			if at.segment == nil { // own has no room
				break
			}
		}
		if size += int(at.entry.End - at.entry.Event); size > event.SegmentSize && len(places) > 0 {
			break
		}
		places = append(places, at)
	}
	return places, nil
}

// look1 finds one event: in the shared tail, or else in the store, from where it is copied into a segment of its own. The
// place has no segment if that has no room.
func (c *consumer) look1(p ledger.Pick, own *event.Segment) (place, *event.Segment, error) {
	seq := p.Entry.Seq
	if at, ok := inTail(c.all.Hub.Segment(seq-1), seq); ok && !p.Copied {
		return at, own, nil
	}
	found, err := c.load(seq)
	if err != nil {
		return place{}, own, fmt.Errorf("event %d of subscription %s: %w", seq, c.id, err)
	}
	if own == nil {
		own = event.NewSegment(c.all.log.identity, seq-1)
	}
	if !own.Append(event.Stored{Seq: seq, Encoded: found.encoded}) {
		return place{}, own, nil
	}
	own.Publish(max(seq, own.Through()))
	view := own.View()
	return place{own, view[len(view)-1]}, own, nil
}

func inTail(seg *event.Segment, seq event.Sequence) (place, bool) {
	if seg == nil {
		return place{}, false
	}
	view := seg.View()
	i := sort.Search(len(view), func(i int) bool { return view[i].Seq >= seq })
	if i == len(view) || view[i].Seq != seq {
		return place{}, false
	}
	return place{seg, view[i]}, true
}

// Raw returns a taken event's body as received.
func (c *consumer) Raw(ctx context.Context, seq event.Sequence) ([]byte, error) {
	raw, err := c.all.log.Raw(ctx, seq)
	if !errors.Is(err, event.ErrPassed) {
		return raw, err
	}
	if err := c.all.log.enter(); err != nil {
		return nil, err
	}
	defer c.all.log.leave()
	found, ok, copyErr := c.readCopy(seq)
	if ok || copyErr != nil {
		return found.raw, copyErr
	}
	return nil, err
}

// Close ends the consumer's part.
func (c *consumer) Close(lost bool) {
	c.closed.Do(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.taker.Leave(lost && c.err == nil, c.now())
		if c.err != nil {
			return
		}
		c.rearm()
		c.dispatch()
		c.write(0)
		c.look()
	})
}
