package straw_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// proxy is a TCP proxy that misbehaves. Each connection's treatment is chosen when it is accepted.
type proxy struct {
	listener net.Listener
	target   string
	treat    func(connection int) treatment
	conns    sync.WaitGroup

	mu   sync.Mutex
	open map[net.Conn]bool
}

// treatment says what happens to the bytes from the gateway to the client. The zero value passes everything.
type treatment struct {
	cutAfter  int // bytes, then both sides are closed; 0 is never
	hangAfter int // bytes, then nothing more is passed and nothing closed; 0 is never
}

func newProxy(t *testing.T, target string, treat func(connection int) treatment) *proxy {
	t.Helper()
	p := &proxy{listener: listen(t, "127.0.0.1:0"), target: target, treat: treat, open: map[net.Conn]bool{}}
	p.conns.Go(func() { p.accept(t.Context()) })
	t.Cleanup(p.close)
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	for c := range p.open {
		c.Close()
	}
	p.open = nil
	p.mu.Unlock()
	p.conns.Wait()
}

// cut closes the connections that are open now.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.Close()
	}
	clear(p.open)
}

func (p *proxy) accept(ctx context.Context) {
	for n := 1; ; n++ {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := new(net.Dialer).DialContext(ctx, "tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		if !p.track(client, server) {
			return
		}
		how := p.treat(n)
		p.conns.Go(func() { _, _ = io.Copy(server, client); server.Close() })
		p.conns.Go(func() { how.pass(client, server) })
	}
}

// track makes close close the connections; false if it already has.
func (p *proxy) track(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.open == nil {
			c.Close()
			continue
		}
		p.open[c] = true
	}
	return p.open != nil
}

// pass copies until either side ends or it is time to misbehave; how a side ended makes no difference.
func (how treatment) pass(client, server net.Conn) {
	if how.hangAfter > 0 {
		_, _ = io.CopyN(client, server, int64(how.hangAfter))
		_, _ = io.Copy(io.Discard, server)
		return
	}
	var passed io.Reader = server
	if how.cutAfter > 0 {
		passed = io.LimitReader(server, int64(how.cutAfter))
	}
	_, _ = io.Copy(client, passed)
	client.Close()
	server.Close()
}
