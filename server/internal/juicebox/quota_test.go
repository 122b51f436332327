package juicebox_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/fanout"
	"github.com/straw-gateway/straw/server/internal/juicebox"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, fs vfs.FS) (*pebblestore.Log, *fanout.Hub) {
	t.Helper()
	hub := fanout.New(0)
	log, err := pebblestore.Open("store", pebblestore.Options{FS: fs, Tail: hub, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	hub.Open(log.Identity(), log.Types(), log.Bounds().Head)
	return log, hub
}

func appendEvent(t *testing.T, log *pebblestore.Log, typ string, payload *strawv1.QuotaWarning) {
	t.Helper()
	e := &strawv1.Event{Id: fmt.Sprint("evt_", log.Bounds().Head+1), Type: typ, Source: event.SourceJuicebox}
	if payload != nil {
		e.Payload = &strawv1.Event_QuotaWarning{QuotaWarning: payload}
	}
	encoded, err := proto.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	_, err = log.Append(t.Context(), &event.Draft{Source: e.Source, ID: e.Id, Type: typ, ReceiveTime: time.Now(), Encoded: encoded})
	if err != nil {
		t.Fatal(err)
	}
}

// follow runs a Quota until it has seen the event, or fails.
func follow(t *testing.T, log *pebblestore.Log, hub *fanout.Hub, then func(), want string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	q := juicebox.NewQuota(log, hub)
	done := make(chan error, 2)
	go func() { done <- q.Run(ctx) }()
	go func() { done <- hub.Run(ctx) }()
	then()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); q.Latest().GetId() != want; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("the latest warning is %v, want %s", q.Latest(), want)
		}
	}
	cancel()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestQuotaFindsTheNewestWarningAndFollows(t *testing.T) {
	fs := vfs.NewMem()
	log, hub := open(t, fs)
	if got := juicebox.NewQuota(log, hub).Latest(); got != nil {
		t.Errorf("before it ran it knew %v", got)
	}
	percent := 90.0
	follow(t, log, hub, func() {
		for range 3 {
			appendEvent(t, log, event.TypeQuotaWarning, &strawv1.QuotaWarning{UsagePercent: &percent})
		}
	}, "evt_3")
	for range 5000 { // far beyond the first stretches of the search
		appendEvent(t, log, event.TypeDatasetUpdated, nil)
	}
	appendEvent(t, log, event.TypeQuotaWarning, nil) // unrecognized: it says nothing about the quota
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	log, hub = open(t, fs)
	defer func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}()
	follow(t, log, hub, func() {}, "evt_3")
	follow(t, log, hub, func() { appendEvent(t, log, event.TypeQuotaWarning, &strawv1.QuotaWarning{}) }, "evt_5005")
}
