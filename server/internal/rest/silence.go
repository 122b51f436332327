package rest

import (
	"context"
	"net"
	"sync"
	"time"
)

// A stream lasts as long as its peer's machine answers, however little it reads: TCP's own keepalive sees to a connection
// that is idle, but what was sent and isn't acknowledged it sends again for a quarter of an hour.
const (
	// silenceLimit is how long a peer may answer nothing although it was asked again and again; gRPC's keepalive allows as much.
	silenceLimit = 40 * time.Second
	silenceCheck = 10 * time.Second
)

// connKey is the key of a request's connection in its context.
type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// A silenceWatch ends a connection whose peer is gone without a word.
type silenceWatch struct {
	conn net.Conn

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

// watchSilence watches the connection of a request, by its context, until it is told to stop.
func watchSilence(ctx context.Context) (stop func()) {
	conn, ok := ctx.Value(connKey{}).(net.Conn)
	if !ok {
		return func() {}
	}
	w := &silenceWatch{conn: conn}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(silenceCheck, w.look)
	return w.stop
}

func (w *silenceWatch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	if isSilent(w.conn) {
		_ = w.conn.Close() // the request ends with it
		return
	}
	w.timer.Reset(silenceCheck)
}

func (w *silenceWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.timer.Stop()
}
