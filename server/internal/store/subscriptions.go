package store

import (
	"context"
	"time"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
)

// Subscriptions keep for each durable subscription which events of the log it still owes to its consumers. Each of them is
// sent until it is settled: acknowledged, or dead-lettered after too many failures.
//
// All methods are safe for concurrent use. A method that changes something returns once the change is durable; if its
// context ends before, or it fails with event.ErrUnavailable, the change may have been made or not, and doing it again is
// safe. Beside the errors that a method names, all may fail with ctx.Err(), event.ErrUnavailable and event.ErrCorrupt, and
// all that name an existing subscription with event.ErrSubscriptionNotFound.
//
// Whoever consumes a subscription and whoever settles its deliveries may be different processes on different machines: an
// ack id alone says what is settled. Ack ids are opaque, can't be forged, and outlive restarts.
type Subscriptions interface {
	// Create makes a subscription of a definition that is complete: every default is filled in, and what is output-only is
	// not set. It owes the matching events after a position. The definition must not be changed afterwards. Errors:
	// event.ErrSubscriptionExists, with the one that has this id; event.ErrPassed if retention has removed the event after
	// the position; event.ErrTooManySubscriptions; those of filter.New.
	Create(ctx context.Context, definition *strawv1.Subscription, after event.Sequence) (Subscription, error)

	// Get returns a subscription with its figures as they are now.
	Get(ctx context.Context, id string) (Subscription, error)

	// List returns at most limit subscriptions with an id greater than after, by id, and whether there are more.
	List(ctx context.Context, after string, limit int) (page []Subscription, more bool, err error)

	// Update replaces a definition by what change makes of the current one; it must not change the one that it gets, nor the
	// id or the start. An error of change is returned as it is, and changes nothing; neither does it to return the definition
	// that it got. change may be called again if another Update comes first. Changed types or a changed filter apply to what was not sent yet; what was sent stays owed.
	Update(ctx context.Context, id string, change func(Subscription) (*strawv1.Subscription, error)) (Subscription, error)

	// Delete removes a subscription with all that it owes and its dead letters, and ends its consumers with
	// event.ErrSubscriptionNotFound. One that is created with its id later has none of its ack ids.
	Delete(ctx context.Context, id string) error

	// Seek makes the subscription owe every matching event after a position, settled or not, and none before. Failures and
	// attempts start from zero; ack ids given out before are stale. Dead letters stay on record. Consumers stay. Error:
	// event.ErrPassed if retention has removed the event after the position.
	Seek(ctx context.Context, id string, after event.Sequence) error

	// Consume adds a consumer. It gets no more while outstanding deliveries of its own are unsettled; zero means as many as
	// the subscription lets be in flight. Close the consumer when done.
	Consume(ctx context.Context, id string, outstanding int) (Consumer, error)

	// Acknowledge settles deliveries. The statuses are those of the ack ids, in their order: ACKED for what this call has
	// settled, however late and by whichever attempt; ALREADY_ACKED for what isn't owed any more; STALE for what predates a
	// seek; INVALID for what is no ack id of this subscription. After ACKED or ALREADY_ACKED is returned the event isn't
	// sent again, unless a seek or Redeliver owes it anew. Idempotent.
	Acknowledge(ctx context.Context, id string, ackIDs []string) ([]strawv1.AckResult_Status, error)

	// Nack gives deliveries back. Statuses as of Acknowledge; ACKED means taken, and STALE is also what isn't the latest
	// attempt. A sending fails once, however often it is nacked.
	Nack(ctx context.Context, id string, ackIDs []string, how Nack) ([]strawv1.AckResult_Status, error)

	// ExtendDeadline grants deliveries a full ack deadline from now. Statuses as of Nack; ACKED means granted. A delivery
	// whose deadline has passed is granted one too, unless it was sent again; the failure stays counted. Grants are
	// forgotten by a restart, as deadlines are.
	ExtendDeadline(ctx context.Context, id string, ackIDs []string) ([]strawv1.AckResult_Status, error)

	// DeadLetters returns the dead letters after a position, in log order, and whether there are more: at most limit, and
	// as many as their events fit in size bytes, but one at least.
	DeadLetters(ctx context.Context, id string, after event.Sequence, limit, size int) (page []DeadLetter, more bool, err error)

	// Redeliver owes dead-lettered events again, removes their records and starts their failures from zero. It returns how
	// many there were of those that are named. dryRun only counts. Attempts go on from where they were.
	Redeliver(ctx context.Context, id string, which Choice, dryRun bool) (int64, error)

	// Purge removes dead letters for good. It returns how many there were of those that are named. dryRun only counts.
	Purge(ctx context.Context, id string, which Choice, dryRun bool) (int64, error)

	// Stats returns every subscription's figures, by id. Cheap enough for every scrape; Subscription.Definition has the id
	// and perhaps nothing else.
	Stats() []Subscription

	// Close ends the consumers with event.ErrUnavailable, which is no failure of what they were sent, and makes durable what
	// isn't yet. Calls that come later fail with event.ErrUnavailable. Close it before its log. Idempotent.
	Close() error
}

// A Subscription is a definition and its figures at one moment.
type Subscription struct {
	// Definition is as it was created or last updated: complete, without what is output-only. Shared: never change it.
	Definition *strawv1.Subscription
	// ETag changes with the definition, and is never that of another subscription of the same id.
	ETag                   string
	CreateTime, UpdateTime time.Time

	// Scanned is the position up to which the log was looked at for the subscription.
	Scanned event.Sequence
	// Backlog is how many events were not looked at, plus how many are in flight or wait to be redelivered from the dead.
	Backlog int64
	// InFlight is how many events were sent and not settled, those that wait for another attempt included.
	InFlight int64
	// OldestUnacked is when the oldest event was received that isn't settled; zero if there is none.
	OldestUnacked time.Time
	// DeadLetters is how many are on record.
	DeadLetters int64
	// Expired counts the events that retention has removed although they may have been owed: of those that had not been
	// looked at, nobody can tell.
	Expired int64
	// Consumers is how many are open.
	Consumers int

	// Of what follows only the growth counts: it begins from zero with every restart.

	// Delivered counts sendings, Redelivered those of them that weren't the first.
	Delivered, Redelivered int64
	// Acked and DeadLettered count settlements.
	Acked, DeadLettered int64
	// FilterErrors counts the events on which the filter could not be evaluated.
	FilterErrors int64
}

// A Consumer is one taker of a subscription's events. Its methods but Close are for one goroutine.
//
// First sendings go in log order across all consumers of the subscription, redeliveries as they are due. What can be sent is
// shared out among the consumers that wait for it: those that hold least come first, until all hold as much. If one may be in
// flight, the next is sent when the settlement of the one before it is durable, so that no crash turns their order around.
type Consumer interface {
	// Take returns at most most deliveries that can be sent now, perhaps none, and about as many as fit in a frame. It never
	// waits for any: if there are none, the consumer waits for its share, and Ready tells when Take is worth calling again.
	// A delivery's deadline runs from when it was picked for the consumer, at most one call of Take earlier.
	Take(ctx context.Context, most int) (Batch, error)

	// Ready receives when there may be something to take, a gap to tell, or an end: the subscription is deleted or closed,
	// and Take then says so. Spurious ones are possible. The channel is always the same.
	Ready() <-chan struct{}

	// Raw returns a taken event's body as received; nil for one that carries its body itself, or has none.
	Raw(ctx context.Context, seq event.Sequence) ([]byte, error)

	// Close ends the consumer's part. Lost means that its deliveries are lost with it: each unsettled one can be sent again
	// at once, and is a failure unless the consumer was leaving: it had released a delivery, and settled none since that it
	// took later. Without it they stay with whoever has them until their deadlines, which are no failures
	// then: that is how a gateway goes away. Idempotent.
	Close(lost bool)
}

// A Batch is what one Take returns.
type Batch struct {
	Deliveries []Delivery
	// Gap tells that retention removed events that were owed, since the last Take or, for the first consumer after it
	// happened, before that. The oldest event left comes after the position Oldest. Such a batch has no deliveries.
	Gap    bool
	Oldest event.Sequence
}

// A Delivery is an event on its way to a consumer.
type Delivery struct {
	// Segment holds the event at Entry. Shared: never change it.
	Segment *event.Segment
	Entry   event.Entry
	AckID   string
	// Attempt numbers the sendings of the event, from 1. After a crash it may be too low, never too high.
	Attempt int32
}

// Nack says how deliveries are given back. At most one of Delay, DeadLetter and Release is set; with none of them the event
// is sent again after the subscription's backoff. All but Release is a failure.
type Nack struct {
	// Delay is how long to wait before the event is sent again.
	Delay *time.Duration
	// DeadLetter the event now.
	DeadLetter bool
	// Release the event, to be sent again at once to any consumer. It is no failure.
	Release bool
	// Reason is kept with a dead letter; empty for a standard one.
	Reason string
}

// A DeadLetter is an event that failed too often, or that its consumer gave up.
type DeadLetter struct {
	Event event.Stored // a copy of its own; Type may be zero
	// Attempts is how often it was sent.
	Attempts int32
	// Reason says why it failed the last time.
	Reason string
	Time   time.Time
}

// A Choice names dead letters.
type Choice struct {
	// All of them; then EventIDs is empty.
	All bool
	// EventIDs are ids of events of any source. Those that name no dead letter are passed over.
	EventIDs []string
}
