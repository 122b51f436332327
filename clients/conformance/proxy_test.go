package conformance

import (
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
)

// proxy is a TCP proxy that misbehaves as it is told.
type proxy struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup
	passed   atomic.Int64 // bytes to clients

	mu     sync.Mutex
	closed bool
	next   []treatment // of the connections to come, in their order
	open   []*link
}

// treatment says what happens to the bytes from the gateway to the client on one connection. The zero value passes them all.
type treatment struct {
	// CutAfter closes both sides after so many bytes, wherever in a frame that is; 0 is never.
	CutAfter int64 `yaml:"cut_after"`
	// HangAfter passes no more after so many bytes, and closes nothing; 0 is never.
	HangAfter int64 `yaml:"hang_after"`
}

// A link is one connection through the proxy.
type link struct {
	client, server net.Conn
	passed         *atomic.Int64
	mu             sync.Mutex
	hung           bool
}

func newProxy(target string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, target: target}
	p.running.Go(p.accept)
	return p, nil
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// treat says what becomes of the connections to come.
func (p *proxy) treat(next []treatment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = slices.Clone(next)
}

// hang has all open connections pass nothing more from the gateway; the TCP connections stay.
func (p *proxy) hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.open {
		l.hang()
	}
}

// cut closes all open connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.open {
		l.close()
	}
}

func (p *proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.listener.Close()
	p.cut()
	p.running.Wait()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close() // as a load balancer does whose backend is gone
			continue
		}
		l := &link{client: client, server: server, passed: &p.passed}
		how, ok := p.enter(l)
		if !ok {
			l.close()
			return
		}
		p.running.Go(func() { _, _ = io.Copy(server, client); _ = server.Close() })
		p.running.Go(func() {
			how.pass(l)
			p.leave(l)
		})
	}
}

// enter notes a connection and returns its treatment; false if the proxy is closed.
func (p *proxy) enter(l *link) (how treatment, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return how, false
	}
	p.open = append(p.open, l)
	if len(p.next) > 0 {
		how, p.next = p.next[0], p.next[1:]
	}
	return how, true
}

func (p *proxy) leave(l *link) {
	l.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = slices.DeleteFunc(p.open, func(o *link) bool { return o == l })
}

// pass copies until either side ends or it is time to misbehave; how a side ended makes no difference.
func (how treatment) pass(l *link) {
	var passed io.Reader = l.server
	switch {
	case how.HangAfter > 0:
		_, _ = io.CopyN(l, l.server, how.HangAfter)
		l.hang()
	case how.CutAfter > 0:
		passed = io.LimitReader(l.server, how.CutAfter)
	}
	_, _ = io.Copy(l, passed)
}

// Write passes bytes to the client, unless the link hangs.
func (l *link) Write(b []byte) (int, error) {
	l.mu.Lock()
	hung := l.hung
	l.mu.Unlock()
	if hung {
		return len(b), nil
	}
	n, err := l.client.Write(b)
	l.passed.Add(int64(n))
	return n, err
}

func (l *link) hang() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hung = true
}

func (l *link) close() {
	_ = l.client.Close()
	_ = l.server.Close()
}
