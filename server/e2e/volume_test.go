package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// A volume is a small disk of its own, where the machine lets one be mounted.
type volume struct {
	t   *testing.T
	dir string
}

// newVolume mounts a disk of a GiB. It returns nil where that isn't permitted: the store's own tests then have the same on a disk
// that pretends (TestOpenOnFullDisk, TestWritesOnFullDisk, TestFloor), and the gateway's readiness (TestReady).
func newVolume(t *testing.T) *volume {
	t.Helper()
	v := &volume{t, t.TempDir()}
	if err := syscall.Mount("tmpfs", v.dir, "tmpfs", 0, "size=1g"); err != nil {
		t.Logf("no disk can be mounted here (%v): the others have to tell", err)
		return nil
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(v.dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return v
}

func (v *volume) filler() string { return filepath.Join(v.dir, "filler") }

// fill takes all the room there is.
func (v *volume) fill() {
	v.t.Helper()
	f, err := os.OpenFile(v.filler(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		v.t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 4 << 10} {
		for b := make([]byte, size); err == nil; {
			_, err = f.Write(b)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			v.t.Fatal(err)
		}
		err = nil
	}
}

func (v *volume) empty() {
	v.t.Helper()
	if err := os.Remove(v.filler()); err != nil {
		v.t.Fatal(err)
	}
}

func awaitThat(t *testing.T, g *gateway, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ; !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s\n%s", what, g.logs)
		}
	}
}

// TestSmallVolume runs a gateway on a disk of a GiB: it takes webhooks; once the disk is full, to the last byte, it refuses them,
// isn't ready, reads and answers all calls that write; and all goes on by itself when there is room. Killed on the full disk, it
// starts again when there is room, and heeds signals until then.
func TestSmallVolume(t *testing.T) {
	v := newVolume(t)
	if v == nil {
		return
	}
	g := startGateway(t, v.dir)
	g.mustPost(`{"id":"evt_0","type":"x"}`)
	health := healthv1.NewHealthClient(g.dial())
	healthy := func() bool {
		r, err := health.Check(context.Background(), &healthv1.HealthCheckRequest{})
		return err == nil && r.GetStatus() == healthv1.HealthCheckResponse_SERVING
	}
	ready := func() bool { code, _ := g.ask("/readyz"); return code == http.StatusOK }
	awaitThat(t, g, "it is ready", func() bool { return ready() && healthy() })

	v.fill()
	awaitThat(t, g, "it isn't ready any more", func() bool { return !ready() && !healthy() })
	if code, body, err := g.post(http.DefaultClient, `{"id":"evt_1","type":"x"}`); err != nil || code != http.StatusServiceUnavailable {
		t.Errorf("a webhook on a full disk: %d %s %v", code, body, err)
	}
	began := time.Now()
	_, err := strawv1.NewSubscriptionServiceClient(g.dial()).CreateSubscription(context.Background(),
		&strawv1.CreateSubscriptionRequest{Subscription: &strawv1.Subscription{Id: "s"}})
	if !strings.Contains(fmt.Sprint(status.Convert(err).Details()), "STORAGE_FULL") || time.Since(began) > 10*time.Second {
		t.Errorf("CreateSubscription on a full disk, after %v: %v", time.Since(began), err)
	}
	if events := g.everything(context.Background()); len(events) != 1 {
		t.Errorf("%d events can be read", len(events))
	}
	v.empty()
	awaitThat(t, g, "it is ready again", func() bool { return ready() && healthy() })
	g.mustPost(`{"id":"evt_1","type":"x"}`)

	v.fill()
	g.kill()
	v.fill()
	again, _ := startOnFullDisk(t, v)
	if err := again.terminate(); err != nil {
		t.Errorf("ended while it waits for room: %v", err)
	}
	again, listening := startOnFullDisk(t, v)
	v.empty()
	select {
	case <-listening:
	case <-time.After(time.Minute):
		t.Fatalf("with room again it doesn't start\n%s", again.logs)
	}
	again.mustPost(`{"id":"evt_2","type":"x"}`)
	if events := again.everything(context.Background()); len(events) != 3 {
		t.Errorf("%d events are there", len(events))
	}
	if err := again.terminate(); err != nil {
		t.Error(err)
	}
}

// startOnFullDisk starts a gateway that can't open its store yet, and returns once it has said so. It must have said that alone.
func startOnFullDisk(t *testing.T, v *volume) (*gateway, <-chan struct{}) {
	t.Helper()
	bin, err := buildStraw()
	if err != nil {
		t.Fatal(err)
	}
	g, listening := launchBinary(t, nil, bin, v.dir)
	awaitThat(t, g, "it says that it waits", func() bool { return strings.Contains(g.logs.String(), "has no room") })
	if text := g.logs.String(); strings.Count(text, "\n") > 3 {
		t.Errorf("on a full disk the log says\n%s", text)
	}
	return g, listening
}
