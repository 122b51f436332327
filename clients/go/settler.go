package straw

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

const (
	// Settlements are gathered for so long, or until there are so many, unless nothing else is left to wait for.
	maxGather    = 10 * time.Millisecond
	maxGathered  = 1000
	callPatience = 10 * time.Second // for one try
)

// A settler is the part of a consumer that sends settlements, one call at a time, until each is answered. It is guarded by
// the consumer's lock, the channels aside.
type settler struct {
	pending     []*Delivery // settled, and not in a call
	sending     int
	awaited     bool // somebody waits for a confirmation
	ended       bool
	unconfirmed int           // given up
	woken       chan struct{} // there may be something to send
	retry       chan struct{} // trying again may help
}

func (s *settler) add(d *Delivery) { s.pending = append(s.pending, d) }

// poke makes whoever listens look again; if that is to happen anyway it does nothing.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// settle notes what the program makes of a delivery.
func (k *consumer) settle(d *Delivery, how settlement) {
	how.reason = cutReason(how.reason)
	k.mu.Lock()
	defer k.mu.Unlock()
	if d.stage != begun {
		return
	}
	d.stage, d.settlement = settled, how
	if k.settler.ended {
		k.confirm(d, 0, ErrUnconfirmed)
	} else {
		k.settler.add(d)
	}
	if k.loop {
		k.running--
		k.offer()
		k.checkDrained()
	}
	if len(k.settler.pending) == 1 || k.urgent() {
		poke(k.settler.woken)
	}
}

// urgent tells whether there is no use in gathering more.
func (k *consumer) urgent() bool {
	n := len(k.settler.pending)
	return n >= maxGathered || n >= k.options.Concurrency || n >= len(k.held) || k.settler.awaited || k.stopped
}

// confirmation returns what is closed with a delivery's result.
func (k *consumer) confirmation(d *Delivery) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if d.done == nil {
		d.done = make(chan struct{})
		if d.stage == done {
			close(d.done)
		}
	}
	if d.stage == settled {
		k.settler.awaited = true
		poke(k.settler.woken)
	}
	return d.done
}

// awaitSettled waits until everything that was settled is confirmed or given up.
func (k *consumer) awaitSettled() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.settler.pending)+k.settler.sending > 0 {
		k.quiet.Wait()
	}
}

// settleAll sends settlements until the calls' context has ended, and then gives up those that are left.
func (k *consumer) settleAll() {
	for failures := 0; ; {
		batch := k.gather()
		if batch == nil {
			return
		}
		var failed error
		for how, same := range bySettlement(batch) {
			failed = errors.Join(failed, k.send(how, same))
		}
		if failed == nil {
			failures = 0
			continue
		}
		failures++
		k.awaitRetry(jitter(failures))
	}
}

// awaitRetry waits, but not when a new connection is there.
func (k *consumer) awaitRetry(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-k.settler.retry:
	case <-k.calls.Done():
	}
}

// gather waits until settlements are to be sent, and takes them; nil once the calls' context has ended and there are none.
func (k *consumer) gather() (batch []*Delivery) {
	var enough <-chan time.Time
	late := false
	for {
		batch, waiting := k.takeSettled(late)
		switch {
		case batch != nil || k.settler.ended:
			return batch
		case waiting && enough == nil:
			enough = time.After(maxGather)
		}
		select {
		case <-k.settler.woken:
		case <-enough:
			late = true
		case <-k.calls.Done():
		}
	}
}

// takeSettled takes what is to be sent now, and tells whether something waits.
func (k *consumer) takeSettled(late bool) (batch []*Delivery, waiting bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := &k.settler
	over := k.calls.Err() != nil
	n := min(len(s.pending), maxGathered)
	if n == 0 {
		s.ended = over
		return nil, false
	}
	if !late && !over && !k.urgent() {
		return nil, true
	}
	batch, s.pending = s.pending[:n:n], s.pending[n:]
	s.sending, s.awaited = n, false
	return batch, false
}

// bySettlement sorts deliveries by what is to be made of them.
func bySettlement(batch []*Delivery) map[settlement][]*Delivery {
	sorted := map[settlement][]*Delivery{}
	for _, d := range batch {
		sorted[d.settlement] = append(sorted[d.settlement], d)
	}
	return sorted
}

// send makes one call, and takes note of the answer. The error says why it is to be repeated.
func (k *consumer) send(how settlement, batch []*Delivery) error {
	ids := k.ackIDs(batch)
	results, err := k.call(how, ids)
	if err == nil && len(results) != len(ids) {
		err = fmt.Errorf("straw: the gateway answered %d ack ids with %d results", len(ids), len(results))
	}
	told, err := k.answered(batch, ids, results, err)
	if hook := k.options.Hooks.Settled; hook != nil {
		for _, d := range told {
			hook(d, d.status, d.err)
		}
	}
	return err
}

func (k *consumer) ackIDs(batch []*Delivery) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	ids := make([]string, len(batch))
	for i, d := range batch {
		ids[i] = d.sending.ackID
	}
	return ids
}

// answered takes note of what became of a call. It returns what the program is to be told of, and an error if the call is to
// be repeated.
func (k *consumer) answered(batch []*Delivery, ids []string, results []*strawv1.AckResult, err error) (told []*Delivery, again error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer k.quiet.Broadcast()
	s := &k.settler
	s.sending -= len(batch)
	if err != nil && repeatable(err) && k.calls.Err() == nil {
		s.pending = append(s.pending, batch...)
		return nil, err
	}
	if k.calls.Err() != nil && err != nil {
		err = ErrUnconfirmed
		s.unconfirmed += len(batch)
	}
	for i, d := range batch {
		status, failed := AckStatus(0), err
		if err == nil {
			status = results[i].GetStatus()
			if status == Stale && d.renew(ids[i]) {
				s.add(d)
				poke(s.woken)
				continue
			}
			if status != Acked && status != AlreadyAcked {
				failed = &SettlementError{status, d.Event.GetId()}
			}
		}
		k.confirm(d, status, failed)
		if !d.unbegun {
			told = append(told, d)
		}
	}
	return told, nil
}

// renew makes the settlement count for a newer sending than that of the ack id; false if none has come.
func (d *Delivery) renew(ackID string) bool {
	if next := d.successor; next != nil {
		d.sending, d.successor = next.sending, nil
	}
	return d.sending.ackID != ackID
}

// confirm ends a delivery.
func (k *consumer) confirm(d *Delivery, status AckStatus, err error) {
	d.stage, d.status, d.err = done, status, err
	if key := keyOf(d.Event); k.held[key] == d {
		delete(k.held, key)
	}
	if next := d.successor; next != nil && k.connected && next.sending.connection == k.connection {
		k.enqueue(next)
	}
	if d.done != nil {
		close(d.done)
	}
}

// repeatable tells whether settling again can help.
func repeatable(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	return e.retryable() || e.Reason == strawv1.ErrorReason_RATE_LIMITED || e.Reason == strawv1.ErrorReason_OVERLOADED
}

func (k *consumer) call(how settlement, ids []string) ([]*strawv1.AckResult, error) {
	ctx, cancel := context.WithTimeout(k.calls, callPatience)
	defer cancel()
	stub := strawv1.NewSubscriptionServiceClient(k.link.conn())
	if how.kind == ack {
		r, err := stub.Acknowledge(ctx, &strawv1.AcknowledgeRequest{SubscriptionId: k.options.Subscription, AckIds: ids})
		return r.GetResults(), err
	}
	req := &strawv1.NackRequest{SubscriptionId: k.options.Subscription, AckIds: ids, Reason: how.reason}
	switch how.kind {
	case nackAfter:
		req.Action = &strawv1.NackRequest_RetryDelay{RetryDelay: durationpb.New(how.delay)}
	case deadLetter:
		req.Action = &strawv1.NackRequest_DeadLetter{DeadLetter: true}
	case release:
		req.Action = &strawv1.NackRequest_Release{Release: true}
	}
	r, err := stub.Nack(ctx, req)
	return r.GetResults(), err
}
