package store

import (
	"context"
	"slices"
	"time"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
)

// Exports keep what the gateway knows of the files that Juicebox announces: one record for each generation of an export, and
// how far the log was looked at for announcements. They keep no file and no link.
//
// All methods are safe for concurrent use. A method that changes something returns once the change is durable. Records are
// never removed: an export that is announced again after years gets a generation that it never had, so that what the gateway
// appends about it has an id of its own. Beside the errors that a method names, all may fail with ctx.Err(),
// event.ErrOverloaded and event.ErrUnavailable (trying again is safe), and event.ErrCorrupt.
type Exports interface {
	// Progress is the position up to which the log was looked at for announcements; zero at first. It never falls.
	Progress() event.Sequence

	// Announce begins the next generation of each announced export, in their order, and raises the progress; either all of it
	// happens or nothing. What the progress has passed is left out, so that doing it again is safe. It returns the
	// generations that it began.
	Announce(ctx context.Context, through event.Sequence, announced []Announcement) ([]Export, error)

	// Refetch begins another generation for the announcement of an export's newest one. Error: event.ErrExportNotFound.
	Refetch(ctx context.Context, id string, now time.Time) (Export, error)

	// Get returns the newest generation of an export. Error: event.ErrExportNotFound.
	Get(ctx context.Context, id string) (Export, error)

	// Generation returns one generation of an export. Error: event.ErrExportNotFound.
	Generation(ctx context.Context, key ExportKey) (Export, error)

	// Update replaces a generation by what change makes of a copy of it. Changes of one export follow one another. The record
	// may change its state as ExportMayBecome says; its id, generation and announcement stay. An error of change is returned
	// as it is, and changes nothing. Error: event.ErrExportNotFound.
	Update(ctx context.Context, key ExportKey, change func(*Export) error) (Export, error)

	// List returns the newest generation of the exports that are in one of the states, or of all without any, newest first:
	// at most limit of those whose number is below before, or from the newest with zero. It looks at a bounded number, so a
	// page may be short or empty. next is the before of the next page; zero if there is none.
	List(ctx context.Context, before uint64, limit int, states ...strawv1.Export_State) (page []Export, next uint64, err error)

	// Unsettled returns the generations that aren't settled and whose number is above after, oldest first, at most limit.
	Unsettled(ctx context.Context, after uint64, limit int) ([]Export, error)

	// Available returns the generations that are AVAILABLE and whose number is above after, oldest first, at most limit.
	Available(ctx context.Context, after uint64, limit int) ([]Export, error)

	// Counts returns how many generations are in each state. Cheap enough for every scrape.
	Counts() map[strawv1.Export_State]int64
}

// An ExportKey names one generation of an export.
type ExportKey struct {
	ID         string
	Generation int64
}

// An Announcement is an export.ready event, as far as Exports keep it.
type Announcement struct {
	ExportID string
	// Seq and EventID are the event's.
	Seq     event.Sequence
	EventID string
	Format  string
	// LinkExpires is when the link dies.
	LinkExpires time.Time
	// Time is when it was looked at.
	Time time.Time
}

// An Export is one generation of an export.
type Export struct {
	// Record is the export as callers see it. Shared, unless Update handed it out: never change it.
	Record *strawv1.Export
	// Number counts the generations of all exports in the order in which they were begun, from 1.
	Number uint64
	// Seq and EventID are those of the event that announced it.
	Seq     event.Sequence
	EventID string
	// Settled: nothing is left to be done, and the log tells how it ended.
	Settled bool
}

// Key names the generation.
func (e Export) Key() ExportKey {
	return ExportKey{ID: e.Record.GetId(), Generation: e.Record.GetGeneration()}
}

// becomes lists the states that may follow each state.
var becomes = map[strawv1.Export_State][]strawv1.Export_State{
	strawv1.Export_PENDING:     {strawv1.Export_DOWNLOADING, strawv1.Export_AVAILABLE, strawv1.Export_EXPIRED, strawv1.Export_FAILED},
	strawv1.Export_DOWNLOADING: {strawv1.Export_PENDING, strawv1.Export_AVAILABLE, strawv1.Export_EXPIRED, strawv1.Export_FAILED},
	strawv1.Export_AVAILABLE:   {strawv1.Export_PURGED},
}

// ExportMayBecome says whether a generation may go from one state to another, or stay as it is.
func ExportMayBecome(from, to strawv1.Export_State) bool {
	if from == to {
		return true
	}
	return slices.Contains(becomes[from], to)
}
