package ingest

import (
	"bytes"
	"context"
	"net"
	"net/http"

	"github.com/straw-gateway/straw/server/internal/listen"
)

// A request with both a Content-Length and chunks is how one request is smuggled inside another past a proxy that reads the
// other of the two. net/http takes the chunks and hides the length, so the connection keeps each request's head as it
// came, for the rare request that has chunks.

// maxHead is more than net/http takes for a head.
const maxHead = maxHeaderBytes + 8<<10

// keepHead is the room for heads that a connection keeps while it waits.
const keepHead = 4 << 10

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, limited: listen.Of(c)}, nil
}

// A conn records the head of the request that is being read. Its fields belong to whichever goroutine net/http lets read; the
// handler looks at them before it reads the body, and connState between requests, when nobody reads.
type conn struct {
	net.Conn
	limited *listen.Conn // under Conn; nil on a listener without limits
	head    []byte
	full    bool // nothing more needs recording
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !c.full {
		c.record(p[:n])
	}
	return n, err
}

// CloseWrite lets net/http close gently, so that the sender of a body that is too large still gets its answer.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

var endOfHead = []byte("\r\n\r\n")

// record keeps b up to the end of the head. It doesn't see an end that falls between two reads; it then keeps more.
func (c *conn) record(b []byte) {
	if end := bytes.Index(b, endOfHead); end >= 0 {
		b, c.full = b[:end+len(endOfHead)], true
	}
	c.head = append(c.head, b[:min(len(b), maxHead-len(c.head))]...)
	c.full = c.full || len(c.head) == maxHead
}

func (c *conn) forget() {
	c.full = false
	if c.head = c.head[:0]; cap(c.head) > keepHead {
		c.head = nil
	}
}

type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// connState forgets a request's head once it is answered and net/http has stopped reading, and before it reads the next.
func connState(nc net.Conn, s http.ConnState) {
	c, ok := nc.(*conn)
	if !ok {
		return
	}
	if s == http.StateIdle {
		c.forget()
	}
	if c.limited != nil {
		listen.ConnState(c.limited, s)
	}
}

// limitedConn is the connection of a request as its listener knows it; nil on a listener without limits.
func limitedConn(r *http.Request) *listen.Conn {
	if c, ok := r.Context().Value(connKey{}).(*conn); ok {
		return c.limited
	}
	return nil
}

// ambiguous reports whether a chunked request has a Content-Length too. It also says so where it can't know, because the
// request came before the one ahead of it was answered.
func ambiguous(r *http.Request) bool {
	c, ok := r.Context().Value(connKey{}).(*conn)
	if !ok {
		return true
	}
	head := bytes.TrimLeft(c.head, "\r\n")
	line := []byte(r.Method + " " + r.RequestURI + " " + r.Proto)
	// net/http may have read the first byte while it still wrote the previous answer.
	if !bytes.HasPrefix(head, line) && !bytes.HasPrefix(head, line[1:]) {
		return true
	}
	const name = "content-length:"
	for line := range bytes.Lines(head) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return false
		}
		if len(line) >= len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return true
		}
	}
	return true // the end of the head is missing
}
