package app

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore"
)

// TestReady has the gateway not ready while the disk is full and while it drains, and ready by itself once there is room.
func TestReady(t *testing.T) {
	fs := vfs.NewMem()
	room := func(mebibytes uint64) {
		fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: mebibytes << 20, TotalBytes: 1 << 30})
	}
	room(500)
	log, err := pebblestore.Open("store", pebblestore.Options{FS: fs, Logger: slog.New(slog.DiscardHandler), MemtableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}()
	g := &gateway{log: log}
	if err := g.ready(); err != nil {
		t.Fatalf("with room: %v", err)
	}
	for range 2 {
		room(0)
		eventually(t, "not ready on a full disk", func() bool {
			err := g.ready()
			return err != nil && strings.Contains(err.Error(), "is free on the disk")
		})
		if _, err := log.Append(context.Background(), &event.Draft{Source: "s", ID: "x", Type: "y"}); !errors.Is(err, event.ErrFull) {
			t.Fatalf("append on a full disk: %v", err)
		}
		room(500)
		eventually(t, "ready again", func() bool { return g.ready() == nil })
	}
	g.draining.Store(true)
	if err := g.ready(); err == nil || !strings.Contains(err.Error(), "shutting down") {
		t.Fatalf("while draining: %v", err)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ; !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}
