package straw

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A consumer takes deliveries off a durable stream, hands them to the program, and sees to it that they are settled. One
// goroutine reads the stream, one extends deadlines, one settles, and up to Concurrency handle.
type consumer struct {
	client  *Client
	options ConsumeOptions
	link    *link
	loop    bool   // the program's loop takes deliveries, and has them until they are settled
	employ  func() // handles until the consumer is to stop; nil with loop

	stopping    chan struct{}   // closed when nothing more is to be begun
	handlers    context.Context // of the handlers; ends with the drain
	endHandlers context.CancelFunc
	stream      context.Context // of the stream
	endStream   context.CancelFunc
	calls       context.Context // of settlements and extensions
	endCalls    context.CancelFunc
	cleanup     []func() bool
	workers     sync.WaitGroup
	background  sync.WaitGroup
	panicked    atomic.Pointer[PanicError] // the first handler that did

	mu         sync.Mutex
	todo       sync.Cond // there may be something to begin
	quiet      sync.Cond // there may be nothing left to confirm
	held       map[eventKey]*Delivery
	queue      []*Delivery // to be begun, in order
	gaps       []*Gap
	running    int  // with the program
	hands      int  // workers
	idle       int  // of those that call next: wait and were not woken
	waking     bool // somebody was woken or employed, and hasn't come yet
	connection int  // number of the current one; 0 before the first
	connected  bool
	stopped    bool
	reason     error
	drained    chan struct{} // closed when nothing is with the program any more
	settler    settler
}

// An eventKey is what an event is known by.
type eventKey struct{ source, id string }

func keyOf(e *Event) eventKey { return eventKey{e.GetSource(), e.GetId()} }

func newConsumer(ctx context.Context, c *Client, o ConsumeOptions) (*consumer, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	if err := c.hold(); err != nil {
		return nil, err
	}
	k := &consumer{
		client: c, options: o, link: &link{client: c}, held: map[eventKey]*Delivery{},
		stopping: make(chan struct{}), drained: make(chan struct{}),
	}
	k.todo.L, k.quiet.L = &k.mu, &k.mu
	k.settler.woken, k.settler.retry = make(chan struct{}, 1), make(chan struct{}, 1)
	base := context.WithoutCancel(ctx) // the stream, the calls and the handlers outlive it, to drain
	k.handlers, k.endHandlers = context.WithCancel(base)
	k.stream, k.endStream = context.WithCancel(base)
	k.calls, k.endCalls = context.WithCancel(base)
	k.cleanup = []func() bool{
		context.AfterFunc(ctx, func() { k.stop(nil) }),
		context.AfterFunc(c.closed, func() { k.stop(ErrClosed) }),
	}
	return k, nil
}

func (k *consumer) start() {
	hooks := k.options.Hooks
	hooks.Connected, hooks.Disconnected = k.onConnected, k.onDisconnected
	r := &reader{link: k.link, request: k.options.request(), hooks: hooks}
	k.background.Go(func() {
		err := r.follow(k.stream, k.receive)
		k.dropQueue()
		if k.stream.Err() == nil {
			k.stop(err)
		}
	})
	k.background.Go(k.extendAll)
	k.background.Go(k.settleAll)
}

// stop makes the consumer drain. The first reason counts.
func (k *consumer) stop(reason error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return
	}
	k.stopped, k.reason = true, reason
	close(k.stopping)
	k.todo.Broadcast()
	poke(k.settler.woken)
	k.checkDrained()
	if !k.connected {
		k.endStream() // what was not begun was lost with the connection, and nothing more is wanted
	}
}

func (k *consumer) checkDrained() {
	if k.stopped && k.running == 0 {
		select {
		case <-k.drained:
		default:
			close(k.drained)
		}
	}
}

func (k *consumer) onConnected(first *Frame) {
	k.mu.Lock()
	k.connected = true
	k.connection++
	k.mu.Unlock()
	poke(k.settler.retry)
	if hook := k.options.Hooks.Connected; hook != nil {
		hook(first)
	}
}

func (k *consumer) onDisconnected(err error, retryIn time.Duration) {
	k.dropQueue()
	if hook := k.options.Hooks.Disconnected; hook != nil {
		hook(err, retryIn)
	}
}

// dropQueue forgets what was not begun: with the connection it is the gateway's again.
func (k *consumer) dropQueue() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.connected = false
	for _, d := range k.queue {
		d.stage = done
		delete(k.held, keyOf(d.Event))
	}
	k.queue = nil
	k.quiet.Broadcast()
	if k.stopped {
		k.endStream()
	}
}

// receive queues a frame's deliveries.
func (k *consumer) receive(f *Frame) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f.GetGap() != nil && k.loop {
		k.gaps = append(k.gaps, f.GetGap())
		k.offer()
	}
	for _, d := range f.GetDeliveries() {
		k.take(&Delivery{Event: d.GetEvent(), Attempt: int(d.GetAttempt()), consumer: k,
			sending: sending{d.GetAckId(), int(d.GetAttempt()), k.connection}})
	}
	return true
}

// take queues a delivery. One of an event that is here already only renews that: it was sent again because its connection
// was lost or its deadline has passed. If the event was given back and that isn't confirmed, the confirmation will tell
// whether it came before or after.
func (k *consumer) take(d *Delivery) {
	old := k.held[keyOf(d.Event)]
	switch {
	case old == nil || d.sought(old):
		k.enqueue(d)
	case old.stage == settled && old.settlement.kind != ack:
		old.successor = d
	default:
		old.sending = d.sending
		if old.stage == queued {
			old.Attempt = d.Attempt
		}
	}
}

func (k *consumer) enqueue(d *Delivery) {
	k.held[keyOf(d.Event)] = d
	k.queue = append(k.queue, d)
	k.offer()
}

// sought tells whether an event comes anew because of a seek, and not because the delivery of it that is here was lost:
// attempts then begin from 1 on the same stream. What was not begun is only renewed by it.
func (d *Delivery) sought(old *Delivery) bool {
	return old.stage != queued && d.sending.connection == old.sending.connection && d.sending.attempt <= old.sending.attempt
}

// offer finds hands for what waits, one pair at a time: whoever comes looks for the next. Handlers that are fast so need few.
func (k *consumer) offer() {
	switch {
	case k.waking || k.stopped || len(k.gaps) == 0 && (len(k.queue) == 0 || k.running >= k.options.Concurrency):
	case k.idle > 0:
		k.idle--
		k.waking = true
		k.todo.Signal()
	case !k.loop && k.hands < k.options.Concurrency:
		k.hands++
		k.waking = true
		k.workers.Go(k.employ)
	}
}

// next waits for something to begin: a delivery or, for a loop, a gap. Neither means that the consumer is to stop. comes tells
// that the caller was employed and now comes for the first time.
func (k *consumer) next(comes bool) (*Delivery, *Gap) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for ; ; comes = true {
		if comes {
			k.waking = false
		}
		switch {
		case k.stopped:
			return nil, nil
		case len(k.gaps) > 0:
			gap := k.gaps[0]
			k.gaps = k.gaps[1:]
			return nil, gap
		case len(k.queue) > 0 && k.running < k.options.Concurrency:
			d := k.queue[0]
			k.queue[0] = nil
			k.queue = k.queue[1:]
			d.stage = begun
			k.running++
			k.offer()
			return d, nil
		}
		k.idle++
		k.todo.Wait()
	}
}

// work handles deliveries until the consumer is to stop.
func (k *consumer) work(handle func(*Delivery)) {
	for comes := true; ; comes = false {
		d, _ := k.next(comes)
		if d == nil {
			return
		}
		func() {
			defer k.finish() // also if the handler ends its goroutine
			handle(d)
		}()
	}
}

// finish notes that the program has one delivery less.
func (k *consumer) finish() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.running--
	k.checkDrained()
}

// settleGrace is how long confirming what was settled may take, once nothing is with the program any more; the drain timeout
// if that is shorter.
const settleGrace = 10 * time.Second

// drain lets the program end with what it has, confirms what it settled, gives back what was not begun, and ends the consumer.
func (k *consumer) drain() error {
	defer k.client.letGo()
	for _, f := range k.cleanup {
		f()
	}
	abandoned := k.awaitProgram()
	poke(k.settler.retry)
	timer := time.AfterFunc(min(settleGrace, k.options.DrainTimeout), k.endCalls)
	defer timer.Stop()
	k.awaitSettled()
	k.giveBack()
	k.awaitSettled()
	k.endStream()
	k.endCalls()
	k.endHandlers()
	if abandoned == 0 {
		k.workers.Wait()
	}
	k.background.Wait()
	k.link.close()

	err := k.reason
	if abandoned > 0 {
		err = errors.Join(err, fmt.Errorf("straw: the program had not ended with %d deliveries %v after the consumer was to stop; they were given back",
			abandoned, k.options.DrainTimeout))
	}
	if n := k.settler.unconfirmed; n > 0 {
		err = errors.Join(err, fmt.Errorf("%w: %d settlements", ErrUnconfirmed, n))
	}
	return err
}

// awaitProgram waits until nothing is with the program; what is there too long is taken away.
func (k *consumer) awaitProgram() (abandoned int) {
	timer := time.NewTimer(k.options.DrainTimeout)
	defer timer.Stop()
	select {
	case <-k.drained:
		return 0
	case <-timer.C:
	}
	k.mu.Lock()
	abandoned = k.running
	var taken []*Delivery
	for _, d := range k.held {
		if d.stage == begun {
			taken = append(taken, d)
		}
	}
	k.mu.Unlock()
	for _, d := range taken {
		d.Release()
	}
	k.endHandlers()
	return abandoned
}

// giveBack releases what was not begun.
func (k *consumer) giveBack() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, d := range k.queue {
		d.stage, d.settlement, d.unbegun = settled, settlement{kind: release}, true
		k.settler.add(d)
	}
	k.queue = nil
	poke(k.settler.woken)
}
