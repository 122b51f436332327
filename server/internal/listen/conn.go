package listen

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"
)

// A Conn is a connection that counts against its listener's limits until it is closed.
type Conn struct {
	*net.TCPConn // all of it, so that net/http can still send files by itself
	listener     *Listener
	peer         netip.Addr
	exempt       bool
	// waiting is since when the connection waits for its peer, in nanoseconds after start; zero while it doesn't.
	waiting atomic.Int64
	proven  atomic.Bool
}

// Close closes the connection and gives its place back.
func (c *Conn) Close() error {
	c.listener.mu.Lock()
	c.listener.forget(c)
	c.listener.mu.Unlock()
	return c.TCPConn.Close()
}

// Peer is the address that the connection counts for, and whether that is exempt from an address's share; see Peers.
func (c *Conn) Peer() (addr netip.Addr, exempt bool) { return c.peer, c.exempt }

// Wait says that from now on the connection waits for its peer, who may be too late: a connection that waits is ended when
// there is no room for another.
func (c *Conn) Wait() { c.wait(0) }

// wait is Wait with a start over others.
func (c *Conn) wait(ahead time.Duration) { c.waiting.Store(int64(time.Since(start)+ahead) + 1) }

// Busy says that the connection waits for the gateway.
func (c *Conn) Busy() { c.waiting.Store(0) }

// Prove says that the peer has shown a secret. Its connection makes room only when there are no others.
func (c *Conn) Prove() {
	if !c.proven.Load() {
		c.proven.Store(true)
	}
}

// start is the beginning of the clock by which connections wait. It can't be set.
var start = time.Now()

// Of returns the Conn under a connection that may be wrapped; nil if there is none.
func Of(c net.Conn) *Conn {
	for {
		switch wrapped := c.(type) {
		case *Conn:
			return wrapped
		case interface{ NetConn() net.Conn }:
			c = wrapped.NetConn()
		default:
			return nil
		}
	}
}

// arrival is what a body may take to arrive, after its head, before a connection that does nothing is preferred to its own.
const arrival = time.Second

// ConnState is a hook of http.Server. A connection waits from the beginning until the handler of a request calls Busy, and
// again once the request is answered.
func ConnState(c net.Conn, s http.ConnState) {
	if s != http.StateActive && s != http.StateIdle {
		return
	}
	limited := Of(c)
	switch {
	case limited == nil:
	case s == http.StateActive:
		limited.wait(arrival)
	default:
		limited.wait(0)
	}
}

type connKey struct{}

// Attach makes a server say which of its connections wait: those without a request whose head is complete. It is called
// before the server serves.
func Attach(s *http.Server) {
	s.ConnState = ConnState
	others := s.ConnContext
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if others != nil {
			ctx = others(ctx, c)
		}
		return context.WithValue(ctx, connKey{}, Of(c))
	}
	handler := s.Handler
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, _ := r.Context().Value(connKey{}).(*Conn); c != nil {
			c.Busy()
		}
		handler.ServeHTTP(w, r)
	})
}
