// Package listen is how the gateway's ports take connections: so many on each port, so many from one address, and never the
// last descriptors of the process, which the store needs for its files. Where a port is full, an HTTP server's connection that
// has waited longest makes room for a new one.
//
// It never reads or writes on a connection, believes no header about who a peer is, and never ends a server because a
// connection couldn't be accepted.
package listen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// A Reason is why a connection was ended by a limit. Its text serves as a metric label.
type Reason string

// The reasons.
const (
	AddressFull Reason = "address"     // its address has its share of the port's connections; it was closed at once
	PortFull    Reason = "total"       // the port has all its connections, and none that waits; it was closed at once
	Scarce      Reason = "descriptors" // the process has few descriptors left, and no connection waits; it was closed at once
	Evicted     Reason = "evicted"     // it had waited longest, and made room for a new one
)

// Reasons lists every Reason.
func Reasons() []Reason { return []Reason{AddressFull, PortFull, Scarce, Evicted} }

// An Observer is told of connections that don't get through, for metrics. Its methods must not block.
type Observer interface {
	// ConnectionEnded: a limit ended a connection of the named listener.
	ConnectionEnded(listener string, why Reason)
	// AcceptFailed: the named listener could not accept; it tries again.
	AcceptFailed(listener string)
}

// Options say what a Listener admits.
type Options struct {
	// Name is the listener's in logs and metrics.
	Name string
	// Max is how many connections may be open at once, and MaxPerAddress how many of them from one address that isn't exempt;
	// zero is no bound.
	Max, MaxPerAddress int
	// Peers says which addresses are exempt from MaxPerAddress.
	Peers Peers
	// Evict makes room by ending the connection that has waited longest, of those that Attach or Conn.Wait tell of.
	Evict bool
	// Observer is told of what doesn't get through; nil for nobody.
	Observer Observer
	// Logger takes what operators should know; nil for slog.Default().
	Logger *slog.Logger
}

// A Listener is a net.Listener of TCP with limits. Its connections are *Conn.
type Listener struct {
	*net.TCPListener
	options Options
	done    chan struct{}
	once    sync.Once

	mu      sync.Mutex
	conns   map[*Conn]struct{}
	peers   map[netip.Addr]int // connections of addresses that aren't exempt
	victims []victim           // who makes room next
	barren  time.Time          // nobody waited then
	said    map[string]time.Time
}

// Open listens on an address, host:port.
func Open(addr string, o Options) (*Listener, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%s isn't an address of TCP", addr), l.Close())
	}
	return newListener(tcp, o), nil
}

func newListener(tcp *net.TCPListener, o Options) *Listener {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	return &Listener{
		TCPListener: tcp, options: o, done: make(chan struct{}),
		conns: map[*Conn]struct{}{}, peers: map[netip.Addr]int{}, said: map[string]time.Time{},
	}
}

// Close ends Accept. Connections that are open stay so.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.TCPListener.Close()
}

// Open is how many connections are open.
func (l *Listener) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// Pauses after a failure to accept; the first is doubled until the last.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// Accept returns the next connection that is within the limits. It fails only once the listener is closed: whatever else is
// wrong, such as no descriptor being left, is waited for. A server that gave up would not come back.
func (l *Listener) Accept() (net.Conn, error) {
	pause := firstPause
	for {
		tcp, err := l.AcceptTCP()
		if err == nil {
			if c := l.admit(tcp); c != nil {
				return c, nil
			}
			pause = firstPause
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		l.troubled(err)
		select {
		case <-l.done:
			return nil, net.ErrClosed
		case <-time.After(pause):
			pause = min(2*pause, lastPause)
		}
	}
}

// troubled tells of a failure to accept, and gives a descriptor back if that is what is missing.
func (l *Listener) troubled(err error) {
	l.options.Observer.AcceptFailed(l.options.Name)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.maySay("accept") {
		l.options.Logger.Warn("connections can't be accepted; it is tried again", "port", l.options.Name, "error", err)
	}
	if l.options.Evict && (errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)) {
		l.evict()
	}
}

// admit takes a connection in, or closes it at once: in the backlog it would only keep others waiting.
func (l *Listener) admit(tcp *net.TCPConn) *Conn {
	c := &Conn{TCPConn: tcp, listener: l}
	c.peer, c.exempt = l.options.Peers.Of(tcp.RemoteAddr())
	c.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if why := l.refusal(c); why != "" {
		l.options.Observer.ConnectionEnded(l.options.Name, why)
		if l.maySay(string(why)) {
			l.options.Logger.Warn("a connection was refused", "port", l.options.Name, "reason", why, "remote", tcp.RemoteAddr(),
				"open", len(l.conns), "max", l.options.Max, "max_per_address", l.options.MaxPerAddress)
		}
		_ = tcp.Close() // nobody is served on it
		return nil
	}
	l.conns[c] = struct{}{}
	if !c.exempt {
		l.peers[c.peer]++
	}
	return c
}

// refusal says why a connection can't be admitted; empty if it can.
func (l *Listener) refusal(c *Conn) Reason {
	var why Reason
	switch o := l.options; {
	case !c.exempt && o.MaxPerAddress > 0 && l.peers[c.peer] >= o.MaxPerAddress:
		return AddressFull
	case o.Max > 0 && len(l.conns) >= o.Max:
		why = PortFull
	case scarce(c.TCPConn):
		why = Scarce
	default:
		return ""
	}
	if l.options.Evict && l.evict() {
		return ""
	}
	return why
}

// forget takes a connection off the list; false if it is off already. The lock is held.
func (l *Listener) forget(c *Conn) bool {
	if _, open := l.conns[c]; !open {
		return false
	}
	delete(l.conns, c)
	if !c.exempt {
		if l.peers[c.peer]--; l.peers[c.peer] == 0 {
			delete(l.peers, c.peer)
		}
	}
	return true
}

// sayEvery is how often what anybody can provoke is logged.
const sayEvery = 10 * time.Second

// maySay reports whether something hasn't been said for a while, and takes it for said. The lock is held.
func (l *Listener) maySay(what string) bool {
	now := time.Now()
	if last, ever := l.said[what]; ever && now.Sub(last) < sayEvery {
		return false
	}
	l.said[what] = now
	return true
}

type nobody struct{}

func (nobody) ConnectionEnded(string, Reason) {}
func (nobody) AcceptFailed(string)            {}
