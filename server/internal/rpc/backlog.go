package rpc

import (
	"container/list"
	"errors"
	"fmt"
	"net"
	"sync"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/credentials"
)

// Bounds on what has been received and isn't dealt with, in bytes; a frame counts for a little more than its own. The transport
// gives each stream a window of its own and no bound to all of them, so that one connection could make it hold gigabytes.
const (
	maxBacklog           = 256 << 20 // of requests that aren't complete, over all connections, and again of those being answered
	maxConnectionBacklog = 64 << 20  // the same, of one connection: a busy client sends dozens of the largest requests side by side
	smallRequest         = 64 << 10  // requests up to this size don't count once they are complete: calls have bounds of their own
)

var (
	errBacklog = fmt.Errorf("the connection has sent more than %d bytes of requests that it doesn't complete", maxConnectionBacklog)
	errEvicted = errors.New("the connection was closed to make room: it has kept an incomplete request for longer than any other")
)

// A backlog counts, for all connections, the bytes of requests that aren't complete, and of large ones that are being answered.
// A connection that sends too much without completing it is closed; if all together do so, the one whose request has been
// incomplete the longest. A large request waits, unread, while too many are being answered.
type backlog struct {
	total, perConnection int

	mu         sync.Mutex
	changed    sync.Cond
	incomplete int
	answering  int
	oldest     list.List // of the *request that have bytes and aren't complete, by when they began
}

func newBacklog(total, perConnection int) *backlog {
	b := &backlog{total: total, perConnection: perConnection}
	b.changed.L = &b.mu
	return b
}

// A request is one that isn't complete, or a large one that is being answered.
type request struct {
	conn     *countedConn
	bytes    int
	complete bool
	place    *list.Element // in oldest
}

// A countedConn is a connection whose requests are counted. The backlog's mutex guards all but the scanners: one goroutine
// reads, and one writes.
type countedConn struct {
	net.Conn
	backlog *backlog
	in, out frameScanner

	incomplete, answering int
	gone                  bool

	requests map[uint32]*request // by stream
}

func (b *backlog) count(conn net.Conn) net.Conn {
	return &countedConn{
		Conn: conn, backlog: b, in: frameScanner{skip: len(http2.ClientPreface)}, requests: map[uint32]*request{},
	}
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if tooMuch := c.in.scan(p[:n], c.received); tooMuch != nil {
		return 0, tooMuch
	}
	return n, err
}

func (c *countedConn) Write(p []byte) (int, error) {
	_ = c.out.scan(p, c.sent) // which has no errors
	return c.Conn.Write(p)
}

func (c *countedConn) Close() error {
	c.backlog.leave(c)
	return c.Conn.Close()
}

func (c *countedConn) received(f http2.FrameHeader) error {
	ends := f.Type != http2.FrameRSTStream && f.Flags.Has(http2.FlagDataEndStream) // HEADERS' flag is the same
	switch f.Type {
	case http2.FrameHeaders, http2.FrameData, http2.FrameRSTStream:
	default:
		return nil
	}
	b := c.backlog
	b.mu.Lock()
	defer b.mu.Unlock()
	r := c.requests[f.StreamID]
	switch {
	case c.gone:
		return errEvicted
	case f.Type == http2.FrameRSTStream:
		b.forget(f.StreamID, r)
	case f.Type == http2.FrameHeaders && r == nil && !ends:
		c.requests[f.StreamID] = &request{conn: c}
	case r == nil || r.complete:
		return nil // the stream has ended, and the transport keeps no more of it
	case ends:
		return b.finish(f.StreamID, r, int(f.Length))
	case f.Type == http2.FrameData && f.Length > 0:
		return b.add(r, int(f.Length)+frameCost)
	}
	return nil
}

// sent notes which requests are answered. An answer begins once its request was read, and may be long in coming.
func (c *countedConn) sent(f http2.FrameHeader) error {
	if f.Type != http2.FrameHeaders && f.Type != http2.FrameRSTStream {
		return nil
	}
	b := c.backlog
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := c.requests[f.StreamID]; r != nil && (r.complete || f.Type == http2.FrameRSTStream || f.Flags.Has(http2.FlagHeadersEndStream)) {
		b.forget(f.StreamID, r)
	}
	return nil
}

// add counts bytes of a request that isn't complete.
func (b *backlog) add(r *request, n int) error {
	if r.bytes == 0 {
		r.place = b.oldest.PushBack(r)
	}
	r.bytes += n
	r.conn.incomplete += n
	b.incomplete += n
	if r.conn.incomplete > b.perConnection {
		return errBacklog
	}
	for b.incomplete > b.total {
		evicted := b.oldest.Front().Value.(*request).conn
		b.drop(evicted)
		if evicted == r.conn {
			return errEvicted
		}
		go func() { _ = evicted.Conn.Close() }() // TLS may take its time to say goodbye, and an error has nobody to act on it
	}
	return nil
}

// finish counts a request as complete, once there is room for one that is large. A connection with no other has room whatever the
// others hold: their answers may wait for peers that don't read.
func (b *backlog) finish(stream uint32, r *request, last int) error {
	size := r.bytes + last
	if size <= smallRequest {
		b.forget(stream, r)
		return nil
	}
	for c := r.conn; !c.gone && c.answering > 0 && (c.answering+size > b.perConnection || b.answering+size > b.total); {
		b.changed.Wait()
	}
	switch {
	case r.conn.gone:
		return errEvicted
	case r.conn.requests[stream] != r:
		return nil // it was given up meanwhile
	}
	b.subtract(r)
	r.complete, r.bytes = true, size
	r.conn.answering += size
	b.answering += size
	return nil
}

// forget removes a request, if there is one.
func (b *backlog) forget(stream uint32, r *request) {
	if r != nil {
		b.subtract(r)
		delete(r.conn.requests, stream)
	}
}

func (b *backlog) subtract(r *request) {
	switch {
	case r.conn.gone || r.bytes == 0:
	case r.complete:
		r.conn.answering -= r.bytes
		b.answering -= r.bytes
		b.changed.Broadcast()
	default:
		r.conn.incomplete -= r.bytes
		b.incomplete -= r.bytes
		b.oldest.Remove(r.place)
	}
	r.bytes = 0
}

// drop forgets all of a connection.
func (b *backlog) drop(c *countedConn) {
	for stream, r := range c.requests {
		b.forget(stream, r)
	}
	c.gone = true
	b.changed.Broadcast()
}

func (b *backlog) leave(c *countedConn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop(c)
}

// countedCredentials are others', with connections whose requests are counted.
type countedCredentials struct {
	credentials.TransportCredentials
	backlog *backlog
}

func (c countedCredentials) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return nil, nil, err
	}
	return c.backlog.count(conn), info, nil
}

func (c countedCredentials) Clone() credentials.TransportCredentials {
	return countedCredentials{c.TransportCredentials.Clone(), c.backlog}
}
