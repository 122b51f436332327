package straw

import (
	"context"
	"errors"
	"io"
	"time"

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

// A reader is one loop over the stream, across its connections. Only its cursor saver and its link are used by two
// goroutines.
type reader struct {
	link    *link
	request *strawv1.SubscribeRequest
	hooks   Hooks
	cursors *cursorSaver // nil without a CursorStore
	cursor  string       // everything up to here is processed; empty before the first frame

	connected bool          // a first frame came, on any connection
	failures  int           // in a row
	pause     time.Duration // that a gateway going away has asked for
}

func newReader(c *Client, opts SubscribeOptions) *reader {
	return &reader{link: &link{client: c}, request: opts.request(), hooks: opts.Hooks,
		cursors: newCursorSaver(opts.CursorStore, opts.CursorInterval)}
}

// run is follow from the saved cursor on, until the client is closed.
func (r *reader) run(ctx context.Context, deliver func(*Frame) bool) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(r.link.client.closed, func() { cancel(ErrClosed) })()
	defer r.link.close()
	if r.cursor, err = r.cursors.load(ctx); err != nil {
		return err
	}
	defer func() {
		if saveErr := r.cursors.flush(); err == nil {
			err = saveErr
		} else if saveErr != nil && !errors.Is(err, saveErr) {
			err = errors.Join(err, saveErr)
		}
	}()
	return r.follow(ctx, deliver)
}

// follow connects again and again, and hands each frame to deliver, which returns false to leave. It returns nil at the
// head, errLeft, the context's cause, or what a retry can't help.
func (r *reader) follow(ctx context.Context, deliver func(*Frame) bool) error {
	for {
		err := r.connect(ctx, deliver)
		switch {
		case errors.Is(err, io.EOF) && r.request.EndAtHead:
			return nil
		case errors.Is(err, errLeft):
			return err
		case r.link.client.closed.Err() != nil:
			return ErrClosed
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !r.recoverable(err):
			return err
		}
		if err := r.retreat(ctx, err); err != nil {
			return err
		}
	}
}

// connect makes one connection and reads it to its end.
func (r *reader) connect(ctx context.Context, deliver func(*Frame) bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(firstFramePatience, func() { cancel(errSilent) })
	defer watchdog.Stop()
	if r.cursor != "" {
		After(r.cursor).apply(r.request)
	}
	stream, err := strawv1.NewEventServiceClient(r.link.conn()).Subscribe(ctx, r.request)
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
			patience = r.welcome(frame)
		} else {
			r.failures = 0 // not by the first frame, or a stream that always dies at the same event would be retried at full speed
		}
		if err := r.take(frame, deliver); err != nil {
			return err
		}
		watchdog.Reset(patience)
	}
}

// welcome notes a connection's first frame and returns how long to wait for each further one.
func (r *reader) welcome(first *Frame) time.Duration {
	r.connected = true
	if r.hooks.Connected != nil {
		r.hooks.Connected(first)
	}
	interval := first.GetHeartbeatInterval().AsDuration()
	if interval <= 0 {
		interval = defaultHeartbeat
	}
	return interval * 5 / 2
}

// take delivers a frame and notes how far the log is processed.
func (r *reader) take(f *Frame, deliver func(*Frame) bool) error {
	if r.hooks.Frame != nil {
		r.hooks.Frame(f)
	}
	if f.GetGap() != nil && r.hooks.Gap != nil {
		r.hooks.Gap(f.GetGap())
	}
	if away := f.GetGoingAway(); away != nil {
		r.pause = away.GetRetryDelay().AsDuration()
	}
	if !deliver(f) {
		return errLeft
	}
	r.processed(f.GetCursor())
	return r.cursors.failed()
}

func (r *reader) processed(cursor string) {
	if cursor == "" {
		return
	}
	r.cursor = cursor
	if r.cursors != nil {
		r.cursors.note(cursor)
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
func (r *reader) recoverable(err error) bool {
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
		return r.connected
	}
	return e.retryable()
}

// retreat waits before the next connection. After silence that will be a new one.
func (r *reader) retreat(ctx context.Context, err error) error {
	r.failures++
	delay := r.pause + jitter(r.failures)
	r.pause = 0
	if errors.Is(err, io.EOF) {
		err = errEarlyEnd
	}
	if r.hooks.Disconnected != nil {
		r.hooks.Disconnected(err, delay)
	}
	if errors.Is(err, errSilent) {
		if err := r.link.renew(); err != nil {
			return err
		}
	}
	return sleep(ctx, delay)
}
