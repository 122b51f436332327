package listen

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// net/http asks for this before it lets the system send a file.
var _ io.ReaderFrom = (*Conn)(nil)

// patience is how long a test waits for what must happen at once.
const patience = 20 * time.Second

// told records what an Observer is told.
type told struct {
	mu     sync.Mutex
	ended  map[Reason]int
	failed int
}

func (o *told) ConnectionEnded(_ string, why Reason) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended == nil {
		o.ended = map[Reason]int{}
	}
	o.ended[why]++
}

func (o *told) AcceptFailed(string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failed++
}

func (o *told) wantEnded(t *testing.T, want map[Reason]int) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if diff := cmp.Diff(want, o.ended); diff != "" {
		t.Errorf("connections ended (-want +got):\n%s", diff)
	}
}

func (o *told) failures() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.failed
}

// open listens on loopback, where addresses count, until the test ends.
func open(t *testing.T, o Options) (*Listener, *told) {
	t.Helper()
	seen := &told{}
	o.Name, o.Observer, o.Logger = "test", seen, slog.New(slog.DiscardHandler)
	l, err := Open("127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, seen
}

// hold accepts connections and leaves them open until the test ends.
func hold(t *testing.T, l *Listener) {
	var open []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("accept: %v", err)
				}
				return
			}
			open = append(open, c)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
		for _, c := range open {
			_ = c.Close()
		}
	})
}

// from connects from an address of 127/8.
func from(t *testing.T, l *Listener, address string) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: patience}
	c, err := dialer.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ; !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// wantClosed waits for the other end to close a connection.
func wantClosed(t *testing.T, what string, c net.Conn) {
	t.Helper()
	_, err := c.Read(make([]byte, 1))
	if ne, ok := errors.AsType[net.Error](err); err == nil || ok && ne.Timeout() {
		t.Errorf("%s stays open: %v", what, err)
	}
}

func TestTotal(t *testing.T) {
	l, seen := open(t, Options{Max: 3})
	var open []net.Conn
	accept := func() {
		t.Helper()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	for range 3 {
		from(t, l, "127.0.0.1") // exempt from an address's share, not from the whole
		accept()
	}
	beyond := from(t, l, "127.0.0.1")
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		accept()
	}()
	wantClosed(t, "one beyond the total", beyond)
	_, _ = open[0].Close(), open[0].Close() // a place is given back once
	from(t, l, "127.0.0.1")
	<-accepted
	if n := l.Open(); n != 3 {
		t.Errorf("%d are open", n)
	}
	seen.wantEnded(t, map[Reason]int{PortFull: 1})
	for _, c := range open {
		_ = c.Close()
	}
	if n := l.Open(); n != 0 || len(l.peers) != 0 {
		t.Errorf("%d are open in the end, of %v", n, l.peers)
	}
}

func TestShareOfAnAddress(t *testing.T) {
	l, seen := open(t, Options{Max: 100, MaxPerAddress: 2, Peers: Peers{
		CountLoopback: true, Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.9.0/24")},
	}})
	hold(t, l)
	for range 2 {
		from(t, l, "127.0.0.2")
	}
	wantClosed(t, "a third from an address", from(t, l, "127.0.0.2"))
	for range 2 {
		from(t, l, "127.0.0.3")
	}
	for range 10 {
		from(t, l, "127.0.9.9")
	}
	eventually(t, "the others are in", func() bool { return l.Open() == 2+2+10 })
	seen.wantEnded(t, map[Reason]int{AddressFull: 1})
}

func TestPeers(t *testing.T) {
	for _, c := range []struct {
		address, want string
		exempt        bool
	}{
		{"192.0.2.1", "192.0.2.1", false},
		{"::ffff:192.0.2.1", "192.0.2.1", false},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", false},
		{"2001:db8:1:2:ffff::", "2001:db8:1:2::", false},
		{"fe80::1%eth0", "fe80::", false},
		{"127.0.0.1", "127.0.0.1", true},
		{"127.9.9.9", "127.9.9.9", true},
		{"::ffff:127.0.0.1", "127.0.0.1", true},
		{"::1", "::", true},
		{"10.1.2.3", "10.1.2.3", true},
		{"::ffff:10.1.2.3", "10.1.2.3", true},
		{"2001:db8:9::7", "2001:db8:9::", true},
	} {
		p := Peers{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:9::7/128")}}
		addr, exempt := p.Of(&net.TCPAddr{IP: netip.MustParseAddr(c.address).AsSlice(), Zone: netip.MustParseAddr(c.address).Zone(), Port: 1})
		if addr.String() != c.want || exempt != c.exempt {
			t.Errorf("%s counts for %v, exempt %v; want %s, %v", c.address, addr, exempt, c.want, c.exempt)
		}
		if _, exempt := (Peers{CountLoopback: true}).OfAddr(netip.MustParseAddr(c.address)); exempt {
			t.Errorf("%s is exempt although loopback counts", c.address)
		}
	}
}

// serve serves a handler on a listener that evicts, until the test ends.
func serve(t *testing.T, l *Listener, handler http.Handler) {
	t.Helper()
	s := &http.Server{Handler: handler, ReadHeaderTimeout: patience}
	Attach(s)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func wantOK(t *testing.T, c net.Conn) {
	t.Helper()
	b := make([]byte, 1024)
	n, err := c.Read(b)
	if err != nil || !strings.HasPrefix(string(b[:n]), "HTTP/1.1 200 ") {
		t.Fatalf("answered %q, %v", b[:n], err)
	}
}

// waiting counts the connections that wait.
func waiting(l *Listener) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		if c.waiting.Load() != 0 {
			n++
		}
	}
	return n
}

const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// Whoever waits longest makes room: one that never sent a byte, one whose request doesn't end, one that is idle. One that
// waits for the gateway doesn't.
func TestWhoMakesRoom(t *testing.T) {
	l, seen := open(t, Options{Max: 5, Evict: true})
	release := make(chan struct{})
	inside := make(chan struct{})
	serve(t, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/busy":
			close(inside)
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case "/proven":
			r.Context().Value(connKey{}).(*Conn).Prove()
		}
	}))
	n := 0
	enter := func(text string) net.Conn {
		t.Helper()
		n++
		c := from(t, l, "127.0.0.1")
		send(t, c, text)
		if strings.HasSuffix(text, "\r\n\r\n") {
			wantOK(t, c)
		}
		// All are in, and all but the busy one wait.
		eventually(t, "it waits", func() bool { return l.Open() == min(n, 5) && waiting(l) == min(n, 5)-1 })
		return c
	}
	n++
	busy := from(t, l, "127.0.0.1")
	send(t, busy, "GET /busy HTTP/1.1\r\nHost: x\r\n\r\n")
	<-inside
	proven := enter("GET /proven HTTP/1.1\r\nHost: x\r\n\r\n")
	silent := enter("")
	idle := enter(get)
	slow := enter("GET / HTT")
	for _, next := range []struct {
		what string
		net.Conn
	}{{"one that never sent a byte", silent}, {"an idle one", idle}, {"one whose request doesn't end", slow}} {
		enter(get)
		wantClosed(t, next.what, next.Conn)
	}
	for range 3 { // from here on new ones make room for others
		enter(get)
	}
	seen.wantEnded(t, map[Reason]int{Evicted: 6})
	send(t, proven, get)
	wantOK(t, proven)
	close(release)
	wantOK(t, busy)
}

// A request that arrives has a start over connections that do nothing, but not for long.
func TestWhatArrivesHasAStart(t *testing.T) {
	l, _ := open(t, Options{Max: 2, Evict: true})
	hold(t, l)
	for range 2 {
		from(t, l, "127.0.0.1")
	}
	eventually(t, "both are in", func() bool { return l.Open() == 2 })
	l.mu.Lock()
	defer l.mu.Unlock()
	var conns []*Conn
	for c := range l.conns {
		conns = append(conns, c)
	}
	arriving, other := conns[0], conns[1]
	ConnState(arriving, http.StateActive)
	other.Wait()
	if first := l.longestWaiting()[0].conn; first != other {
		t.Error("the one whose request arrives makes room first")
	}
	arriving.Wait()
	other.wait(arrival)
	if first := l.longestWaiting()[0].conn; first != arriving {
		t.Error("the one that waits longer doesn't make room first")
	}
}

// Where nobody waits, a new one is closed at once, and gets in when somebody has gone.
func TestNobodyMakesRoom(t *testing.T) {
	l, seen := open(t, Options{Max: 2, Evict: true})
	release := make(chan struct{})
	inside := make(chan struct{}, 2)
	serve(t, l, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/busy" {
			inside <- struct{}{}
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
	}))
	for range 2 {
		send(t, from(t, l, "127.0.0.1"), "GET /busy HTTP/1.1\r\nHost: x\r\n\r\n")
		<-inside
	}
	for range 3 {
		wantClosed(t, "one beyond the total", from(t, l, "127.0.0.1"))
	}
	close(release)
	eventually(t, "one gets in", func() bool {
		c := from(t, l, "127.0.0.1")
		defer c.Close()
		if _, err := io.WriteString(c, get); err != nil {
			return false
		}
		n, _ := c.Read(make([]byte, 1))
		return n > 0
	})
	if seen.ended[PortFull] < 3 {
		t.Errorf("told of %v", seen.ended)
	}
}
