package straw

import (
	"context"
	"fmt"
	"strings"
	"time"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// A Delivery is an event that a durable subscription owes, on its way to the program. Settle it with one of Ack, Nack,
// NackAfter, DeadLetter and Release: the first counts, later ones do nothing. They don't wait; Wait does. Safe for concurrent
// use. Until it is settled its deadline is extended again and again.
type Delivery struct {
	// Event is what is delivered.
	Event *Event
	// Attempt numbers the sendings of the event, from 1. After a crash of the gateway it may be too low, never too high.
	Attempt int

	// What follows is guarded by the consumer's lock.
	consumer   *consumer
	sending    sending // the newest one
	stage      stage
	settlement settlement
	unbegun    bool      // given back without having been with the program
	successor  *Delivery // came while the event's giving back was unconfirmed
	overtaken  string    // the ack id that couldn't be extended any more
	status     AckStatus
	err        error
	done       chan struct{} // made for whoever waits, closed with the result
}

// A sending is one of the times that an event came.
type sending struct {
	ackID      string
	attempt    int
	connection int // that brought it
}

// A stage is how far a delivery has come.
type stage int

const (
	queued  stage = iota // not begun
	begun                // with the program
	settled              // by the program, and not confirmed
	done
)

// A settlement is what a program makes of a delivery. Those that are equal travel in one call.
type settlement struct {
	kind   settlementKind
	delay  time.Duration
	reason string
}

type settlementKind int

const (
	ack settlementKind = iota
	nack
	nackAfter
	deadLetter
	release
)

// AckStatus is how a settlement ended.
type AckStatus = strawv1.AckResult_Status

const (
	// Acked is done, durably. The event isn't sent again, unless it was given back.
	Acked = strawv1.AckResult_ACKED
	// AlreadyAcked is no longer owed: acknowledged or dead-lettered before, or sought past.
	AlreadyAcked = strawv1.AckResult_ALREADY_ACKED
	// Stale predates a seek or, for what is given back, isn't the latest sending. It had no effect.
	Stale = strawv1.AckResult_STALE
	// Invalid is not a delivery of this subscription, perhaps because that was deleted and created anew. It had no effect.
	Invalid = strawv1.AckResult_INVALID
)

// A SettlementError says that a settlement had no effect.
type SettlementError struct {
	Status  AckStatus
	EventID string
}

func (e *SettlementError) Error() string {
	return fmt.Sprintf("straw: settling event %q had no effect: the gateway answered %s", e.EventID, e.Status)
}

// Ack acknowledges: the event has been dealt with.
func (d *Delivery) Ack() { d.consumer.settle(d, settlement{kind: ack}) }

// Nack gives the event back as failed, to be sent again after the subscription's backoff, or dead-lettered if that was one
// failure too many. The reason is kept with a dead letter; it is cut at 1,024 bytes.
func (d *Delivery) Nack(reason string) { d.consumer.settle(d, settlement{kind: nack, reason: reason}) }

// NackAfter is Nack with a wait of its own, at most a day.
func (d *Delivery) NackAfter(wait time.Duration, reason string) {
	d.consumer.settle(d, settlement{kind: nackAfter, delay: min(max(wait, 0), maxRetryDelay), reason: reason})
}

// DeadLetter puts the event among the dead letters at once.
func (d *Delivery) DeadLetter(reason string) {
	d.consumer.settle(d, settlement{kind: deadLetter, reason: reason})
}

// Release gives the event back without a failure, to be sent again at once, to any consumer.
func (d *Delivery) Release() { d.consumer.settle(d, settlement{kind: release}) }

// What the gateway takes.
const (
	maxRetryDelay = 24 * time.Hour
	maxReason     = 1024 // bytes
)

// cutReason makes a reason one that the gateway takes.
func cutReason(reason string) string {
	reason = strings.ToValidUTF8(reason, "\uFFFD")
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "") // it may end within a character
	}
	return reason
}

// Wait waits until the gateway has confirmed the settlement, which is durable then. The status is Acked or AlreadyAcked if
// the error is nil. Errors: *SettlementError with status Stale or Invalid; with no status, the context's cause, an *Error that
// a retry can't help, or ErrUnconfirmed. Who waits before the delivery is settled waits for that too.
func (d *Delivery) Wait(ctx context.Context) (AckStatus, error) {
	confirmed := d.consumer.confirmation(d)
	select {
	case <-confirmed:
		return d.status, d.err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}
