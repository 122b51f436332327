package straw

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

const (
	// defaultHeartbeat is assumed of a gateway that doesn't announce one.
	defaultHeartbeat = 15 * time.Second
	// firstFramePatience is how long connecting may take; the gateway sends its first frame at once.
	firstFramePatience = 20 * time.Second
)

var (
	// errSilent ends a connection that has missed its heartbeats.
	errSilent = errors.New("no frame came in time, so the connection is taken for dead")
	// errEarlyEnd is a stream that ended with OK although it was not to end.
	errEarlyEnd = errors.New("the stream ended without a reason")
	// errLeft tells that the loop was left.
	errLeft = errors.New("left")
)

// A subscription is one loop over the stream, across its connections. Only its cursor saver is used by two goroutines.
type subscription struct {
	client  *Client
	request *strawv1.SubscribeRequest
	hooks   Hooks
	cursors *cursorSaver // nil without a CursorStore
	cursor  string       // everything up to here is processed; empty before the first frame

	// own is a connection of this subscription alone, made when the one before fell silent: what made that deaf, perhaps
	// a proxy that answers pings for a dead gateway, may stay so for as long as it lives.
	own       *grpc.ClientConn
	connected bool          // a first frame came, on any connection
	failures  int           // in a row
	pause     time.Duration // that a gateway going away has asked for
}

func newSubscription(c *Client, opts SubscribeOptions) *subscription {
	return &subscription{client: c, request: opts.request(), hooks: opts.Hooks,
		cursors: newCursorSaver(opts.CursorStore, opts.CursorInterval)}
}

// run connects again and again, and hands each frame to deliver, which returns false to leave. It returns nil at the head,
// errLeft, the context's cause, or what a retry can't help.
func (s *subscription) run(ctx context.Context, deliver func(*Frame) bool) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.client.closed, func() { cancel(ErrClosed) })()
	defer s.disown()
	if s.cursor, err = s.cursors.load(ctx); err != nil {
		return err
	}
	defer func() {
		if saveErr := s.cursors.flush(); err == nil {
			err = saveErr
		} else if saveErr != nil && !errors.Is(err, saveErr) {
			err = errors.Join(err, saveErr)
		}
	}()
	for {
		err := s.connect(ctx, deliver)
		switch {
		case errors.Is(err, io.EOF) && s.request.EndAtHead:
			return nil
		case errors.Is(err, errLeft):
			return err
		case s.client.closed.Err() != nil:
			return ErrClosed
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !s.recoverable(err):
			return err
		}
		if err := s.retreat(ctx, err); err != nil {
			return err
		}
	}
}

// connect makes one connection and reads it to its end.
func (s *subscription) connect(ctx context.Context, deliver func(*Frame) bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(firstFramePatience, func() { cancel(errSilent) })
	defer watchdog.Stop()
	if s.cursor != "" {
		After(s.cursor).apply(s.request)
	}
	stream, err := s.events().Subscribe(ctx, s.request)
	if err != nil {
		return ended(ctx, err)
	}
	var patience time.Duration
	for {
		frame, err := stream.Recv()
		if err != nil {
			return ended(ctx, err)
		}
		// A loop may take any time over its events: only waiting for a frame is timed.
		watchdog.Stop()
		if patience == 0 {
			patience = s.welcome(frame)
		} else {
			s.failures = 0 // not by the first frame, or a stream that always dies at the same event would be retried at full speed
		}
		if err := s.take(frame, deliver); err != nil {
			return err
		}
		watchdog.Reset(patience)
	}
}

// welcome notes a connection's first frame and returns how long to wait for each further one.
func (s *subscription) welcome(first *Frame) time.Duration {
	s.connected = true
	if s.hooks.Connected != nil {
		s.hooks.Connected(first)
	}
	interval := first.GetHeartbeatInterval().AsDuration()
	if interval <= 0 {
		interval = defaultHeartbeat
	}
	return interval * 5 / 2
}

// take delivers a frame and notes how far the log is processed.
func (s *subscription) take(f *Frame, deliver func(*Frame) bool) error {
	if s.hooks.Frame != nil {
		s.hooks.Frame(f)
	}
	if away := f.GetGoingAway(); away != nil {
		s.pause = away.GetRetryDelay().AsDuration()
	}
	if !deliver(f) {
		return errLeft
	}
	s.processed(f.GetCursor())
	return s.cursors.failed()
}

func (s *subscription) processed(cursor string) {
	if cursor == "" {
		return
	}
	s.cursor = cursor
	if s.cursors != nil {
		s.cursors.note(cursor)
	}
}

// ended returns why a stream did.
func ended(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errSilent) {
		return cause
	}
	return err
}

// recoverable tells whether connecting again can help.
func (s *subscription) recoverable(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, errSilent) {
		return true
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false // the cursor store's
	}
	switch e.Reason {
	case strawv1.ErrorReason_TOO_MANY_STREAMS, strawv1.ErrorReason_RATE_LIMITED:
		// The gateway may not yet know that the stream before is lost. At the first try it is simply so.
		return s.connected
	}
	return e.retryable()
}

// retreat waits before the next connection. After silence that will be a new one.
func (s *subscription) retreat(ctx context.Context, err error) error {
	s.failures++
	delay := s.pause + jitter(s.failures)
	s.pause = 0
	if errors.Is(err, io.EOF) {
		err = errEarlyEnd
	}
	if s.hooks.Disconnected != nil {
		s.hooks.Disconnected(err, delay)
	}
	if errors.Is(err, errSilent) {
		s.disown()
		conn, err := s.client.dial()
		if err != nil {
			return err
		}
		s.own = conn
	}
	return sleep(ctx, delay)
}

func (s *subscription) events() strawv1.EventServiceClient {
	if s.own != nil {
		return strawv1.NewEventServiceClient(s.own)
	}
	return s.client.Events()
}

func (s *subscription) disown() {
	if s.own != nil {
		_ = s.own.Close() // a second Close is all that it could complain about
		s.own = nil
	}
}
