package e2e

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

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
