package straw_test

import (
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
	p := &proxy{listener: listen(t, "127.0.0.1:0"), target: target, treat: treat, open: map[net.Conn]bool{}}
	p.conns.Go(p.accept)
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

func (p *proxy) accept() {
	for n := 1; ; n++ {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		if !p.track(client, server) {
			return
		}
		how := p.treat(n)
		p.conns.Go(func() { io.Copy(server, client); server.Close() })
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

func (how treatment) pass(client, server net.Conn) {
	switch {
	case how.cutAfter > 0:
		io.CopyN(client, server, int64(how.cutAfter))
	case how.hangAfter > 0:
		io.CopyN(client, server, int64(how.hangAfter))
		io.Copy(io.Discard, server)
		return
	default:
		io.Copy(client, server)
	}
	client.Close()
	server.Close()
}
