// Package store states what a log engine must do. Engines live below it (pebblestore, natsstore) and each passes the suite
// in storetest; everything above it knows only these interfaces.
//
// It holds no code that stores anything.
package store

import (
	"context"
	"time"

	"github.com/straw-gateway/straw/server/internal/event"
)

// A Log is the one durable, ordered record of events. All methods are safe for concurrent use. No method shows an event
// before it is durable.
type Log interface {
	// Identity names the store and its lineage; constant while it is open.
	Identity() event.Identity

	// Types numbers the event types that the log has seen. Shared and live.
	Types() *event.Types

	// Append stores an event unless the log has ever held one of the same source and id, and returns once it, or the
	// original, is durable. Concurrent appends of one identity store it once. Appends of one caller, made one after the
	// other, keep their order.
	//
	// A context that ends does not take the event back: it may still become durable, and the next Append of it is then a
	// duplicate. Errors: ctx.Err(), event.ErrOverloaded (nothing stored), event.ErrFull (nothing stored),
	// event.ErrUnavailable (unknown), event.ErrCorrupt.
	Append(ctx context.Context, d *event.Draft) (Receipt, error)

	// Bounds returns the readable stretch. Neither bound ever falls.
	Bounds() Bounds

	// Read returns the part of the log that follows a position, as one segment of at most event.SegmentSize bytes (or one
	// larger event). It skips types that want refuses; nil wants all. Segment.Through says how far it has looked: at least
	// one event further than after, unless after is the head; then the segment is empty and Through is after. It looks at
	// a bounded stretch per call, so a call that finds nothing wanted returns soon with Through advanced.
	//
	// Errors: event.ErrPassed if retention has removed the event after the position, event.ErrCorrupt, ctx.Err().
	Read(ctx context.Context, after event.Sequence, want func(event.TypeNumber) bool) (*event.Segment, error)

	// Raw returns an event's body as received. It is nil for an event that carries its body itself (Unrecognized) or has
	// none (the gateway's own). Errors: event.ErrPassed, event.ErrNotFound beyond the head, event.ErrCorrupt.
	Raw(ctx context.Context, seq event.Sequence) ([]byte, error)

	// Get returns an event by its identity. Errors: event.ErrNotFound if it was never stored or retention has removed it,
	// event.ErrCorrupt.
	Get(ctx context.Context, source, id string) (event.Stored, error)

	// Before returns the position before the first event, in log order, that was received at or after t: the head if there
	// is none, and never less than the floor. Errors: event.ErrCorrupt, ctx.Err().
	Before(ctx context.Context, t time.Time) (event.Sequence, error)

	// Stats returns the log's figures. Cheap enough for every scrape.
	Stats() Stats

	// Failed is closed when the log has met an error after which it must not go on: a failed fsync, a corrupt block. Err
	// then says which. The process drains and exits non-zero; it never claims success afterwards.
	Failed() <-chan struct{}
	Err() error

	// Close stops appending, waits for what is in flight, and releases the store. Appends that come later fail with
	// event.ErrUnavailable. Idempotent.
	Close() error
}

// A Receipt says what became of an Append.
type Receipt struct {
	// Seq is the event's place; the original's for a duplicate.
	Seq event.Sequence
	// Duplicate: the log has held an event of this identity before.
	Duplicate bool
	// Conflict: it has, and with another body. The original stays.
	Conflict bool
}

// Bounds is the readable stretch of a log: the events Floor+1 to Head.
type Bounds struct {
	Floor, Head event.Sequence
}

// Stats are a log's figures.
type Stats struct {
	// ByType counts the events ever appended, by type number; index 0 counts the types without a number.
	ByType []int64
	// Unrecognized counts those of them that are Unrecognized.
	Unrecognized int64
	// Duplicates and Conflicts count since the log was opened.
	Duplicates, Conflicts int64
	// SizeBytes is what the store takes on disk.
	SizeBytes int64
	// Problem says why appends are refused now; empty when they aren't. Warning says what will soon be one.
	Problem, Warning string
}

// A Tail is told of events as they become durable, so that readers at the head needn't go to the store. An engine calls it
// from one goroutine, in log order, each event once and without gaps after the head at the time it was opened, before the
// event's Append returns. A Tail must not block. Bounds().Head already includes the events.
type Tail interface {
	Publish(events []event.Stored)
}

// An Observer is told of what an engine does, for metrics. Its methods must not block.
type Observer interface {
	// Synced: one batch of n new events became durable; sync is what its fsync took.
	Synced(n int, sync time.Duration)
}
