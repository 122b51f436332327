package e2e

import (
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// A silencer passes bytes on between one client and the gateway until it is told to swallow them. It closes nothing: to
// either side the other just falls silent, as when a cable is pulled.
type silencer struct {
	addr   string
	silent atomic.Bool
}

func newSilencer(t *testing.T, gateway string) *silencer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &silencer{addr: l.Addr().String()}
	go func() {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", gateway)
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { _, _ = client.Close(), server.Close() })
		go s.pass(server, client)
		s.pass(client, server)
	}()
	return s
}

func (s *silencer) pass(to io.Writer, from io.Reader) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if s.silent.Load() {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// TestHalfOpenSubscriberIsGone pulls a subscriber's cable: its stream must end within the keepalive's time and timeout.
func TestHalfOpenSubscriberIsGone(t *testing.T) {
	t.Parallel() // it is a wait of forty seconds
	g := startGateway(t, t.TempDir())
	cable := newSilencer(t, g.grpc)
	conn, err := grpc.NewClient(cable.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := strawv1.NewEventServiceClient(conn).Subscribe(t.Context(), &strawv1.SubscribeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	status := strawv1.NewGatewayServiceClient(g.dial())
	streams := func() int64 {
		s, err := status.GetStatus(t.Context(), &strawv1.GetStatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return s.GetStreamCount()
	}
	if n := streams(); n != 1 {
		t.Fatalf("%d streams are open, want 1", n)
	}
	cable.silent.Store(true)
	began := time.Now()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for ; streams() != 0; <-tick.C {
		if time.Since(began) > 50*time.Second {
			t.Fatal("the stream of a silent peer is open after 50 s; the keepalive's time and timeout are 30 s and 10 s")
		}
	}
	if took := time.Since(began); took < 5*time.Second {
		t.Errorf("the stream ended after %v: not by the keepalive", took)
	}
}

// TestHalfOpenSubscribersOverHTTPAreGone makes peers deaf to all that the gateway's machine sends, so that nothing of theirs
// answers: one that waits at the head, and one that was in the middle of much. Their streams must end, long before TCP gives
// up by itself.
func TestHalfOpenSubscribersOverHTTPAreGone(t *testing.T) {
	t.Parallel() // it is a wait of a minute
	g := startGateway(t, t.TempDir())
	g.fill(t, 20, 512<<10)
	status := strawv1.NewGatewayServiceClient(g.dial())
	streams := func() int64 {
		s, err := status.GetStatus(t.Context(), &strawv1.GetStatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return s.GetStreamCount()
	}
	for _, query := range []string{"heartbeatInterval=5s", "startPosition=EARLIEST"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(g.http, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := askHTTP("/v1/events:subscribe?"+query, "*/*")(g, conn); err != nil {
			t.Fatal(err)
		}
		deafen(t, conn.(*net.TCPConn))
	}
	if n := streams(); n != 2 {
		t.Fatalf("%d streams are open, want 2", n)
	}
	began := time.Now()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for ; streams() != 0; <-tick.C {
		if time.Since(began) > 2*time.Minute {
			t.Fatalf("%d streams of silent peers are open after two minutes", streams())
		}
	}
	if took := time.Since(began); took < 30*time.Second {
		t.Errorf("the streams ended after %v: not by the peers' silence", took)
	}
}

// deafen makes the kernel drop whatever comes for a connection, before TCP sees it.
func deafen(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}
	var failed error
	if err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
	}); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
}
