package app

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/straw-gateway/straw/server/internal/config"
)

// TestConnectionsOfAnAddress opens connections to each port of a whole gateway: an address has its share, and a trusted proxy
// only the total.
func TestConnectionsOfAnAddress(t *testing.T) {
	const share, proxied, tried = 2, 6, 6
	dir := t.TempDir()
	c, err := config.Load(config.Input{Flags: pflag.NewFlagSet("none", pflag.ContinueOnError), Environ: []string{
		"STRAW_WEBHOOK_SECRET=a secret of good length", "STRAW_MAX_CONNECTIONS_PER_ADDRESS=2", "STRAW_MAX_CONNECTIONS=100",
		"STRAW_TRUSTED_PROXY=127.0.9.0/24", "STRAW_STORE=pebble:" + filepath.Join(dir, "store"), "STRAW_BLOBS=file:" + filepath.Join(dir, "exports"),
		"STRAW_WEBHOOK_ADDR=127.0.0.1:0", "STRAW_GRPC_ADDR=127.0.0.1:0", "STRAW_HTTP_ADDR=127.0.0.1:0",
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan Addrs, 1), make(chan error, 1)
	go func() {
		ended <- Run(ctx, c, Options{Stderr: io.Discard, CountLoopback: true, Ready: func(a Addrs) { ready <- a }})
	}()
	t.Cleanup(func() { // once the connections are closed
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	var addrs Addrs
	select {
	case addrs = <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	for port, addr := range map[string]string{webhookListener: addrs.Webhook, grpcListener: addrs.GRPC, httpListener: addrs.HTTP} {
		var closed, closedOfProxy atomic.Int64
		for range tried {
			connect(t, addr, "127.0.0.2", &closed)
		}
		for range proxied {
			connect(t, addr, "127.0.9.9", &closedOfProxy)
		}
		eventually(t, port+": what is beyond an address's share is closed", func() bool { return closed.Load() == tried-share })
		if n := closedOfProxy.Load(); n != 0 {
			t.Errorf("%s: %d connections of a trusted proxy were closed", port, n)
		}
	}
}

// connect opens a connection from an address of 127/8, which counts itself once the other side closes it.
func connect(t *testing.T, addr, from string, closed *atomic.Int64) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 30 * time.Second}
	c, err := dialer.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, c) // until it is closed, by whichever side
		closed.Add(1)
	}()
	t.Cleanup(func() {
		_ = c.Close()
		<-done
	})
}
