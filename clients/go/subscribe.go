package straw

import (
	"context"
	"errors"
	"iter"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// SubscribeOptions says what to stream, and from where. The zero value streams every event that is appended from now on.
type SubscribeOptions struct {
	// Types are event types: exact, `*`, or with a trailing `.*` for one or more segments. Empty means all.
	Types []string
	// AllowUnseenTypes accepts types that look like a misspelled known one.
	AllowUnseenTypes bool
	// Filter is a CEL expression over `event` that must be true.
	Filter string
	// Start is where to begin when CursorStore is nil or holds nothing yet. The zero value is Latest.
	Start Start
	// OnGap says what to do when retention has removed what comes next: FailOnGap (default) or ContinueOnGap.
	OnGap OnGap
	// IncludeRaw fills Event.Raw with the webhook's body.
	IncludeRaw bool
	// EndAtHead ends the subscription, without an error, after what existed when it began; after a reconnect, what existed
	// then.
	EndAtHead bool
	// HeartbeatInterval is how often the gateway sends a frame at least: 1 s to 60 s, default 15 s. After two and a half
	// missed ones the subscription reconnects.
	HeartbeatInterval time.Duration
	// MaxDeliveries bounds the events of one frame. Default 256.
	MaxDeliveries int
	// CursorStore, if set, holds the position over restarts of the program: it is read when the subscription begins and
	// written within CursorInterval of a change, and when the subscription ends. A program that stores what it made of the
	// events should rather store Event.Cursor with it, in one transaction, and begin with After.
	CursorStore CursorStore
	// CursorInterval bounds how long a position goes unsaved, and so how much is repeated after a crash. Default 1 s.
	CursorInterval time.Duration
	// Hooks are told what the subscription does.
	Hooks Hooks
}

// Hooks are told what a subscription or a consumer does, for logs and metrics. Nil ones are skipped. They should return soon:
// nothing is read meanwhile. A subscription calls them in the goroutine of its loop; a consumer in goroutines of its own,
// Settled beside the others.
type Hooks struct {
	// Connected is called with the first frame of each connection.
	Connected func(first *Frame)
	// Disconnected is called when a connection was lost or couldn't be made, with the reason and the wait before the next.
	Disconnected func(err error, retryIn time.Duration)
	// Frame is called with each frame before its events are delivered, the first one included.
	Frame func(*Frame)
	// Gap is called when retention has removed events before they were delivered.
	Gap func(*Gap)
	// Settled is called by a consumer with what became of each settlement: the result of Delivery.Wait.
	Settled func(d *Delivery, status AckStatus, err error)
}

// OnGap is what to do about a gap.
type OnGap = strawv1.OnGap

const (
	// FailOnGap ends the subscription with an *Error of reason CURSOR_EXPIRED.
	FailOnGap = strawv1.OnGap_FAIL
	// ContinueOnGap yields a *GapError and goes on from the oldest event.
	ContinueOnGap = strawv1.OnGap_CONTINUE
)

// Start is where a subscription begins. The zero value is Latest.
type Start struct {
	apply func(*strawv1.SubscribeRequest)
}

// Earliest begins with the oldest event that the gateway still has.
func Earliest() Start { return position(strawv1.StartPosition_EARLIEST) }

// Latest begins with what is appended from now on.
func Latest() Start { return position(strawv1.StartPosition_LATEST) }

func position(p strawv1.StartPosition) Start {
	return Start{func(r *strawv1.SubscribeRequest) { r.Start = &strawv1.SubscribeRequest_StartPosition{StartPosition: p} }}
}

// After begins strictly after a cursor of an event or frame. An empty one is refused by the gateway: it is more likely a
// position that was lost than one that never was.
func After(cursor string) Start {
	return Start{func(r *strawv1.SubscribeRequest) { r.Start = &strawv1.SubscribeRequest_After{After: cursor} }}
}

// At begins with the first event that was received at or after a time, which must not be in the future.
func At(t time.Time) Start {
	return Start{func(r *strawv1.SubscribeRequest) {
		r.Start = &strawv1.SubscribeRequest_StartTime{StartTime: timestamppb.New(t)}
	}}
}

func (o *SubscribeOptions) request() *strawv1.SubscribeRequest {
	r := &strawv1.SubscribeRequest{
		Types:                    o.Types,
		AllowUnseenTypes:         o.AllowUnseenTypes,
		Filter:                   o.Filter,
		OnGap:                    o.OnGap,
		IncludeRaw:               o.IncludeRaw,
		EndAtHead:                o.EndAtHead,
		MaxDeliveriesPerResponse: int32(o.MaxDeliveries),
	}
	if o.HeartbeatInterval != 0 {
		r.HeartbeatInterval = durationpb.New(o.HeartbeatInterval)
	}
	if o.Start.apply != nil {
		o.Start.apply(r)
	}
	return r
}

// Subscribe streams events in log order, each once, and reconnects by itself. The gateway is called when the loop begins;
// each loop over the result is a subscription of its own.
//
// The sequence ends without an error only with EndAtHead. Otherwise it ends by the loop being left, or by a last error: the
// context's cause, an *Error that a retry can't help, or one of the cursor store. With ContinueOnGap it may also yield
// a *GapError, which isn't the last. The event is nil beside an error.
func (c *Client) Subscribe(ctx context.Context, opts SubscribeOptions) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		r := newReader(c, opts)
		err := r.run(ctx, func(f *Frame) bool {
			for _, d := range f.GetDeliveries() {
				if !yield(d.GetEvent(), nil) {
					return false
				}
				r.processed(d.GetEvent().GetCursor())
			}
			return f.GetGap() == nil || yield(nil, &GapError{f.GetGap()})
		})
		if err != nil && !errors.Is(err, errLeft) {
			yield(nil, err)
		}
	}
}

// Frames is Subscribe with whole frames: heartbeats, gaps and how much is left to read (Frame.Backlog; zero means caught
// up) are visible. A frame counts as processed once the loop's body has come to its end with it. A gap is a frame with Gap
// set, not an error.
func (c *Client) Frames(ctx context.Context, opts SubscribeOptions) iter.Seq2[*Frame, error] {
	return func(yield func(*Frame, error) bool) {
		r := newReader(c, opts)
		err := r.run(ctx, func(f *Frame) bool { return yield(f, nil) })
		if err != nil && !errors.Is(err, errLeft) {
			yield(nil, err)
		}
	}
}
