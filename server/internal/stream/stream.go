// Package stream runs one reader's loop: where it is in the log, what it wants of it, how much goes in a frame, and when a
// heartbeat is due. Every reader, live or replaying, runs the same loop: read forward from the own position, wait at the head.
//
// It never buffers for a reader beyond the one frame that is being sent, and knows nothing of gRPC.
package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/fanout"
	"github.com/straw-gateway/straw/server/internal/share"
	"github.com/straw-gateway/straw/server/internal/store"
)

// Log is what a reader needs of a store.Log.
type Log interface {
	Identity() event.Identity
	Bounds() store.Bounds
	Read(ctx context.Context, after event.Sequence, want func(event.TypeNumber) bool) (*event.Segment, error)
	Raw(ctx context.Context, seq event.Sequence) ([]byte, error)
}

// An Observer is told what streams do, for metrics. Its methods must not block.
type Observer interface {
	Opened(mode string)
	Closed(mode string)
	// Sent: one frame with this many deliveries was handed to the transport.
	Sent(deliveries int)
	// FilterFailed: a filter could not be evaluated on an event, which therefore didn't match. Durable subscriptions count
	// theirs themselves.
	FilterFailed()
}

// Modes of a stream, as an Observer hears of them.
const (
	ModeCursor  = "cursor"
	ModeDurable = "durable"
)

// ErrDraining ends every stream when the gateway shuts down.
var ErrDraining = errors.New("the gateway is shutting down")

// A GapError says that retention has removed what a reader was to read next. It wraps event.ErrPassed.
type GapError struct {
	Requested, Oldest string // cursors
}

func (e *GapError) Error() string {
	return fmt.Sprintf("%v; the oldest is after %s", event.ErrPassed, e.Oldest)
}

// Unwrap makes it an event.ErrPassed.
func (e *GapError) Unwrap() error { return event.ErrPassed }

// Streams runs readers over one log.
type Streams struct {
	log      Log
	share    *share.Share
	hub      *fanout.Hub
	observer Observer

	mu     sync.Mutex
	exits  map[chan struct{}]struct{} // of the readers there are
	ended  error                      // why they end; set before the exits are closed
	goAway GoingAway                  // likewise
}

// GoingAway is what readers are told before a drain ends their streams.
type GoingAway struct {
	RetryDelay time.Duration
	Reason     string
}

// New returns the readers' side of a log and the hub that it publishes to. What readers ask of filters and of the store they
// ask in turns of the share; nil: at will.
func New(log Log, hub *fanout.Hub, share *share.Share, observer Observer) *Streams {
	return &Streams{log: log, hub: hub, share: share, observer: observer, exits: map[chan struct{}]struct{}{}}
}

// Drain tells every reader to go away, with the cursor that it has come to, and ends its stream with ErrDraining. It doesn't
// wait for them; a reader that doesn't read can't be told, and ends with its transport. Only the first call of Drain or Fail
// counts.
func (s *Streams) Drain(g GoingAway) { s.end(ErrDraining, g) }

// Fail ends every reader's stream with the log's error, now and from now on. It doesn't wait for them.
func (s *Streams) Fail(err error) { s.end(err, GoingAway{}) }

func (s *Streams) end(reason error, g GoingAway) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return
	}
	s.ended, s.goAway = reason, g
	for exit := range s.exits {
		close(exit)
	}
	clear(s.exits)
}

// enter returns a channel that is closed when a reader must end, for the reason that ended then has. Each reader has its own:
// one for all would be locked by every reader whenever it waits and wakes.
func (s *Streams) enter() (exit chan struct{}, left func()) {
	exit = make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		close(exit)
		return exit, func() {}
	}
	s.exits[exit] = struct{}{}
	return exit, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.exits, exit)
	}
}
