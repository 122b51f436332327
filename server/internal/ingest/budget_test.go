package ingest

import (
	"net/netip"
	"testing"
	"time"
)

// One address gets half of the memory, a proxy all that is left, and what is given back is there again.
func TestBudgetIsShared(t *testing.T) {
	const limit, piece = 64 << 20, 32 << 10
	b := newBudget(limit)
	grab := func(addr string, exempt bool) (in *incoming) {
		in = &incoming{since: time.Now(), peer: netip.MustParseAddr(addr), exempt: exempt, released: make(chan struct{})}
		for b.take(in, piece) {
		}
		return in
	}
	one := grab("192.0.2.1", false)
	again := grab("192.0.2.1", false)
	if one.held != limit/2 || again.held != 0 {
		t.Errorf("one address gets %d bytes and %d", one.held, again.held)
	}
	proxy := grab("10.0.0.1", true)
	other := grab("192.0.2.2", false)
	if proxy.held != limit/2 || other.held != 0 {
		t.Errorf("a proxy gets %d bytes, and another address then %d", proxy.held, other.held)
	}
	b.release(proxy)
	if other = grab("192.0.2.2", false); other.held != limit/2 {
		t.Errorf("with the proxy's given back, another address gets %d", other.held)
	}
	b.release(one)
	b.release(other)
	if b.used != 0 || len(b.held) != 0 || len(b.coming) != 0 {
		t.Errorf("in the end %d bytes are used, by %v, and %d bodies are coming", b.used, b.held, len(b.coming))
	}
}

// The port that faces the internet waits for nobody longer than this, unless it is told otherwise.
func TestDefaultTimeouts(t *testing.T) {
	s := NewServer(Options{}).http
	for _, c := range []struct {
		name      string
		got, want float64 // seconds
	}{
		{"headers", s.ReadHeaderTimeout.Seconds(), 5},
		{"request", s.ReadTimeout.Seconds(), 10},
		{"answer", s.WriteTimeout.Seconds(), 15},
		{"idle", s.IdleTimeout.Seconds(), 60},
		{"append", s.Handler.(*handler).AppendTimeout.Seconds(), 8},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v s, want %v s", c.name, c.got, c.want)
		}
	}
}
