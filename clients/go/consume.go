package straw

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// ConsumeOptions says what to consume, and how. Only Subscription is needed.
type ConsumeOptions struct {
	// Subscription is the id of a durable subscription. It must exist: create it with Client.Subscriptions or
	// `straw subscription create`.
	Subscription string
	// Concurrency is how many deliveries may be with the program at once. Default 16; up to as many again wait in the client,
	// so that nobody waits for the network. With 1 they come one by one.
	Concurrency int
	// DrainTimeout bounds how long the program may take over what it has once the consumer is to stop. Default 30 s.
	DrainTimeout time.Duration
	// IncludeRaw fills Event.Raw with the webhook's body.
	IncludeRaw bool
	// HeartbeatInterval is as in SubscribeOptions.
	HeartbeatInterval time.Duration
	// Hooks are told what the consumer does.
	Hooks Hooks
}

const (
	defaultConcurrency  = 16
	maxOutstanding      = 1000
	defaultDrainTimeout = 30 * time.Second
)

func (o *ConsumeOptions) complete() error {
	if o.Subscription == "" {
		return errors.New("straw: ConsumeOptions.Subscription is empty; name the durable subscription to consume")
	}
	if o.Concurrency <= 0 {
		o.Concurrency = defaultConcurrency
	}
	if o.DrainTimeout <= 0 {
		o.DrainTimeout = defaultDrainTimeout
	}
	return nil
}

func (o *ConsumeOptions) request() *strawv1.SubscribeRequest {
	r := &strawv1.SubscribeRequest{
		SubscriptionId: o.Subscription,
		MaxOutstanding: int32(min(2*o.Concurrency, maxOutstanding)),
		IncludeRaw:     o.IncludeRaw,
	}
	if o.HeartbeatInterval != 0 {
		r.HeartbeatInterval = durationpb.New(o.HeartbeatInterval)
	}
	return r
}

// ErrUnconfirmed tells of a settlement that the gateway had not confirmed when the consumer ended. It may have been made or
// not: if not, the event comes again.
var ErrUnconfirmed = errors.New("straw: the consumer ended before the gateway had confirmed the settlement")

// A PanicError is what Consume panics with after a handler did.
type PanicError struct {
	// Value is what the handler panicked with; nil if it ended its goroutine with runtime.Goexit.
	Value any
	// Stack is the handler's.
	Stack []byte
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("straw: a handler panicked: %v\n\n%s", e.Value, e.Stack)
}

// Unwrap returns the value if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Consume calls handle with each event that a durable subscription owes, several at once, until the context ends. Any number
// of consumers, in any number of processes, share a subscription. It reconnects as Subscribe does.
//
// When handle returns nil, the event is acknowledged, and when it returns an error, it is given back with the error's text as
// the reason, to come again later; unless handle has settled the delivery itself. Acknowledgements travel together, behind the
// scenes, and are repeated until the gateway has answered; Hooks.Settled and Delivery.Wait tell its answer. Deadlines are
// extended while handle runs. An event that comes again while the program still has it, after a lost connection, isn't handled
// twice at once: its settlement counts for the newest sending. Handlers must nevertheless bear an event coming twice.
//
// When the context ends, Consume takes no more, lets the handlers end and confirms what they settled; what was not begun is
// given back without a failure. Then it returns nil. (What the gateway sends in the moment between the giving back and the end
// of the stream, if no other consumer is there to have it, counts as lost, which is a failure.) A handler's context has the
// values of ctx, but ends only if DrainTimeout passes: then its event is given back, and Consume returns an error without
// waiting for it. It drains also when the client is closed, returning ErrClosed, or when something else fails that a retry
// can't help, such as SUBSCRIPTION_NOT_FOUND, returning that *Error.
//
// A handler that panics has failed: its event is given back, the consumer drains, and then Consume panics with a *PanicError.
// A program that would rather go on recovers within handle.
func (c *Client) Consume(ctx context.Context, opts ConsumeOptions, handle func(context.Context, *Delivery) error) error {
	k, err := newConsumer(ctx, c, opts)
	if err != nil {
		return err
	}
	k.employ = func() { k.work(func(d *Delivery) { k.handle(d, handle) }) }
	k.start()
	<-k.stopping
	err = k.drain()
	if p := k.panicked.Load(); p != nil {
		panic(p)
	}
	return err
}

// handle calls the program's handler and settles what that hasn't.
func (k *consumer) handle(d *Delivery, handle func(context.Context, *Delivery) error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		p := &PanicError{Value: recover(), Stack: debug.Stack()}
		d.Nack(fmt.Sprintf("the handler panicked: %v", p.Value))
		k.panicked.CompareAndSwap(nil, p)
		k.stop(nil)
	}()
	err := handle(k.handlers, d)
	returned = true
	if err != nil {
		d.Nack(err.Error())
	} else {
		d.Ack()
	}
}

// Deliveries is Consume as a loop: it yields each event that a durable subscription owes, and the loop settles it, at once or
// later from any goroutine. No more than Concurrency unsettled ones are with the program, so a loop that gathers a batch
// needs at least as many. One that is never settled stays with the program for as long as the loop runs.
//
// The sequence ends without an error when the context ends, and else with a last error as Consume. Before, it waits for what
// is unsettled, up to DrainTimeout. Leaving the loop does so too; the delivery in the loop's body, if it isn't settled, is
// given back then, without a failure by break or return, and as failed by a panic; Hooks.Settled and Delivery.Wait alone tell
// what couldn't be confirmed. It may also yield a *GapError, which isn't the last. The delivery is nil beside an error.
func (c *Client) Deliveries(ctx context.Context, opts ConsumeOptions) iter.Seq2[*Delivery, error] {
	return func(yield func(*Delivery, error) bool) {
		k, err := newConsumer(ctx, c, opts)
		if err == nil {
			k.loop = true
			k.start()
			var left bool
			if left, err = k.yieldAll(yield); left {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// yieldAll yields until the consumer is to stop or the loop is left, and drains.
func (k *consumer) yieldAll(yield func(*Delivery, error) bool) (left bool, err error) {
	var current *Delivery // in the loop's body
	inBody := false
	defer func() {
		if current != nil && inBody {
			current.Nack("the program panicked")
		} else if current != nil {
			current.Release()
		}
		k.stop(nil)
		err = k.drain()
	}()
	for {
		d, gap := k.next(false)
		if d == nil && gap == nil {
			return false, nil
		}
		var failed error
		if gap != nil {
			failed = &GapError{gap}
		}
		current, inBody = d, true
		more := yield(d, failed)
		inBody = false
		if !more {
			return true, nil
		}
		current = nil
	}
}
