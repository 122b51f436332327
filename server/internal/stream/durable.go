package stream

import (
	"context"
	"errors"
	"time"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// DurableRequest says how a consumer of a durable subscription wants its frames.
type DurableRequest struct {
	Heartbeat     time.Duration
	MaxDeliveries int
	IncludeRaw    bool
}

// Durable sends what the consumer takes, until the context ends, the subscription does, the log fails, or the gateway
// drains; it closes the consumer. send blocks while the transport does: then nothing more is taken. Errors: ErrDraining,
// event.ErrSubscriptionNotFound when the subscription is deleted, event.ErrCorrupt, the context's, and what send returns.
func (s *Streams) Durable(ctx context.Context, c store.Consumer, req DurableRequest, send func(*Frame) error) error {
	s.observer.Opened(ModeDurable)
	defer s.observer.Closed(ModeDurable)
	exit, left := s.enter()
	defer left()
	r := &durableReader{Streams: s, DurableRequest: req, consumer: c, identity: s.log.Identity(), exit: exit, send: send}
	err := r.run(ctx)
	c.Close(r.lost(ctx, err))
	return err
}

type durableReader struct {
	*Streams
	DurableRequest
	consumer store.Consumer
	identity event.Identity
	frame    durableFrame
	exit     chan struct{}
	sent     time.Time // when the last frame was handed over
	cut      bool      // the transport failed
	send     func(*Frame) error
}

func (r *durableReader) run(ctx context.Context) error {
	if err := r.flush(helloFields(r.Heartbeat)); err != nil {
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
		if err := ctx.Err(); err != nil {
			return err
		}
		batch, err := r.consumer.Take(ctx, r.MaxDeliveries)
		if err != nil {
			return err
		}
		switch {
		case batch.Gap:
			err = r.flush(gapFields("", r.identity.Cursor(batch.Oldest)))
		case len(batch.Deliveries) > 0:
			err = r.deliver(ctx, batch.Deliveries)
		case time.Since(r.sent) >= r.Heartbeat:
			err = r.flush(nil)
		default:
			err = r.wait(ctx, timer)
		}
		if err != nil {
			return err
		}
	}
}

// wait returns when there may be something to take, when a heartbeat may be due, or with the reason to end.
func (r *durableReader) wait(ctx context.Context, timer *time.Timer) error {
	select {
	case <-r.consumer.Ready():
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

// deliver sends deliveries in as many frames as they need.
func (r *durableReader) deliver(ctx context.Context, deliveries []store.Delivery) error {
	r.frame.expect(deliveries)
	for _, d := range deliveries {
		var raw []byte
		if r.IncludeRaw {
			var err error
			raw, err = r.consumer.Raw(ctx, d.Entry.Seq)
			if errors.Is(err, event.ErrPassed) || errors.Is(err, event.ErrNotFound) {
				continue // retention has just removed it; the next Take tells of the gap
			}
			if err != nil {
				return err
			}
		}
		if !r.frame.fits(d, raw) {
			if err := r.flush(nil); err != nil {
				return err
			}
		}
		r.frame.add(d, raw)
	}
	if r.frame.count == 0 {
		return nil
	}
	return r.flush(nil)
}

// leave sends what consumers are told before the gateway goes away, if that is why they end.
func (r *durableReader) leave() error {
	if !errors.Is(r.ended, ErrDraining) {
		return r.ended
	}
	if err := r.flush(goingAwayFields(r.goAway)); err != nil {
		return err
	}
	return ErrDraining
}

// flush sends the gathered deliveries, and further fields if there are any.
func (r *durableReader) flush(fields *strawv1.SubscribeResponse) error {
	f := r.frame.close(fields)
	if err := r.send(f); err != nil {
		r.cut = true
		return err
	}
	r.sent = time.Now()
	r.observer.Sent(f.count)
	return nil
}

// lost reports whether it is the consumer that ended the stream, and not the gateway.
func (r *durableReader) lost(ctx context.Context, err error) bool {
	select {
	case <-r.exit:
		return false
	default:
	}
	return r.cut || err != nil && ctx.Err() != nil
}
