package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/ingest"
	"github.com/straw-gateway/straw/server/internal/signature"
	"github.com/straw-gateway/straw/server/internal/store"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore"
)

// A gate is a disk whose log files sync only while it is open.
type gate struct {
	vfs.FS
	mu      sync.Mutex
	changed *sync.Cond
	closed  bool
	waiting int
}

func newGate() *gate {
	g := &gate{FS: vfs.Default}
	g.changed = sync.NewCond(&g.mu)
	return g
}

func (g *gate) set(closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = closed
	g.changed.Broadcast()
}

func (g *gate) pass() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting++
	for g.closed {
		g.changed.Wait()
	}
	g.waiting--
}

// held waits until a sync waits at the closed gate.
func (g *gate) held(t *testing.T) {
	t.Helper()
	eventually(t, "a sync is under way", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.waiting > 0
	})
}

func (g *gate) wrap(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return gatedFile{f, g}, nil
}

func (g *gate) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.FS.Create(name, c)
	return g.wrap(name, f, err)
}

func (g *gate) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.FS.ReuseForWrite(old, name, c)
	return g.wrap(name, f, err)
}

type gatedFile struct {
	vfs.File
	gate *gate
}

func (f gatedFile) Sync() error     { f.gate.pass(); return f.File.Sync() }
func (f gatedFile) SyncData() error { f.gate.pass(); return f.File.SyncData() }
func (f gatedFile) SyncTo(n int64) (bool, error) {
	f.gate.pass()
	return f.File.SyncTo(n)
}

// openGated serves with a real log on a gated disk, which is open.
func openGated(t *testing.T, o ingest.Options) (*gateway, *gate) {
	t.Helper()
	disk := newGate()
	log := openLog(t, t.TempDir(), pebblestore.Options{FS: disk})
	o.Log = log
	g := open(t, o)
	g.log = log
	t.Cleanup(func() { disk.set(false) })
	return g, disk
}

// A countedLog tells how many appends are under way.
type countedLog struct {
	*pebblestore.Log
	waiting atomic.Int64
}

func (l *countedLog) Append(ctx context.Context, d *event.Draft) (store.Receipt, error) {
	l.waiting.Add(1)
	defer l.waiting.Add(-1)
	return l.Log.Append(ctx, d)
}

// A hundred senders of one event are all answered by its one fsync, and none before.
func TestConcurrentDeliveriesOfOneEvent(t *testing.T) {
	disk := newGate()
	log := &countedLog{Log: openLog(t, t.TempDir(), pebblestore.Options{FS: disk})}
	g := open(t, ingest.Options{Log: log})
	g.log = log.Log
	disk.set(true)
	const senders = 100
	replies := make(chan reply, senders)
	for range senders {
		w := g.dial().send(signed(webhook("evt_1")))
		go func() { replies <- w.reply() }()
	}
	disk.held(t)
	eventually(t, "all wait for the log", func() bool { return log.waiting.Load() == senders })
	if len(replies) != 0 || g.head() != 0 {
		t.Errorf("%d answered and %d shown before the fsync", len(replies), g.head())
	}
	disk.set(false)
	stored := 0
	for range senders {
		got := <-replies
		switch got.body {
		case `{"received":true}`:
			stored++
		case `{"received":true,"duplicate":true}`:
		default:
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	if stored != 1 || g.head() != 1 {
		t.Errorf("stored %d times, %d in the log", stored, g.head())
	}
}

// The sender hangs up while its event waits for the disk: it is stored, once, and the retry learns so.
func TestSenderHangsUp(t *testing.T) {
	g, disk := openGated(t, ingest.Options{})
	disk.set(true)
	w := g.dial().send(signed(webhook("evt_1")))
	disk.held(t)
	if err := w.SetLinger(0); err != nil { // closes with a reset
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	disk.set(false)
	eventually(t, "the event is stored", func() bool { return g.stored("evt_1") })
	if got := g.exchange(signed(webhook("evt_1"))); got.body != `{"received":true,"duplicate":true}` {
		t.Errorf("the retry is answered %d %s", got.status, got.body)
	}
	if g.seen.appended != 2 { // the event and its retry
		t.Errorf("%d appends were timed, want 2", g.seen.appended)
	}
	if g.head() != 1 || g.seen.stored() != 1 {
		t.Errorf("%d in the log, stored %d times", g.head(), g.seen.stored())
	}
}

// A disk that stalls beyond the deadline: 503 for all, at the deadline, and what was sent may still be stored.
func TestStalledDisk(t *testing.T) {
	g, disk := openGated(t, ingest.Options{AppendTimeout: 100 * time.Millisecond})
	disk.set(true)
	start := time.Now()
	for i := range 3 {
		if got := g.exchange(signed(webhook(fmt.Sprint("evt_", i)))); got.status != 503 || got.header.Get("Retry-After") == "" {
			t.Errorf("%d %s", got.status, got.raw)
		}
	}
	if took := time.Since(start); took < 300*time.Millisecond {
		t.Errorf("given up after %v", took)
	}
	disk.set(false)
	for i := range 3 {
		eventually(t, "the retry is taken", func() bool { return g.exchange(signed(webhook(fmt.Sprint("evt_", i)))).status == 200 })
	}
	if g.head() != 3 {
		t.Errorf("%d in the log", g.head())
	}
}

// Replayed long after, to another process: a duplicate.
func TestReplayAfterARestart(t *testing.T) {
	dir := t.TempDir()
	for i, want := range []string{`{"received":true}`, `{"received":true,"duplicate":true}`} {
		log := openLog(t, dir, pebblestore.Options{})
		g := open(t, ingest.Options{Log: log})
		for _, body := range []string{webhook("evt_1"), "without an id"} {
			if got := g.exchange(signed(body)); got.body != want {
				t.Errorf("run %d: %s, want %s", i, got.body, want)
			}
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Secrets rotate through the file while webhooks pour in, signed with whichever secret is current; none is refused.
func TestRotationUnderLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	publish := func(secrets ...string) {
		t.Helper()
		if err := os.WriteFile(path+"~", []byte(strings.Join(secrets, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+"~", path); err != nil {
			t.Fatal(err)
		}
	}
	publish("generation-0")
	secrets, err := signature.Open(nil, path, 0)
	if err != nil {
		t.Fatal(err)
	}
	g := open(t, ingest.Options{Secrets: secrets})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := secrets.Watch(ctx, slog.New(slog.NewTextHandler(g.logged, nil))); err != nil {
			t.Error(err)
		}
	})

	var mu sync.RWMutex // held for reading while a webhook is under way with the current secret
	current, sent := "generation-0", 0
	for sender := range 4 {
		running.Go(func() {
			w := g.dial()
			for i := 0; ctx.Err() == nil; i++ {
				mu.RLock()
				body := webhook(fmt.Sprintf("evt_%d_%d", sender, i))
				got := w.send(request(body, fmt.Sprint("Content-Length: ", len(body)),
					"x-juicebox-signature: "+signature.Sign([]byte(current), []byte(body)))).reply()
				mu.RUnlock()
				if got.status != 200 {
					t.Errorf("%d %s", got.status, got.body)
					return
				}
			}
		})
	}
	for generation := 1; generation <= 5; generation++ {
		old, next := current, fmt.Sprint("generation-", generation)
		publish(next, old)
		eventually(t, "both secrets count", func() bool { return len(secrets.Status()) == 2 })
		mu.Lock()
		current, sent = next, g.seen.stored()
		mu.Unlock()
		eventually(t, "webhooks come in with the new secret", func() bool { return g.seen.stored() > sent+20 })
		publish(next)
		eventually(t, "the old secret is gone", func() bool { return len(secrets.Status()) == 1 })
		if used := secrets.Status()[0].LastUsed; used.IsZero() {
			t.Error("the new secret was never used")
		}
	}
	stop()
	running.Wait()
	if n := g.seen.stored(); n < 100 || int(g.head()) != n {
		t.Errorf("%d stored, %d in the log: too few to mean anything, or not the same", n, g.head())
	}
}

// Shutting down waits for the webhooks under way.
func TestShutdownWaits(t *testing.T) {
	g, disk := openGated(t, ingest.Options{})
	disk.set(true)
	w := g.dial().send(signed(webhook("evt_1")))
	disk.held(t)
	done := make(chan error, 1)
	go func() { done <- g.server.Shutdown(t.Context()) }()
	eventually(t, "new connections are refused", func() bool {
		c, err := net.Dial("tcp", g.addr)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	disk.set(false)
	if got := w.reply(); got.status != 200 {
		t.Errorf("%d", got.status)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if !g.stored("evt_1") {
		t.Error("not stored")
	}
}

// However long the log may take, there is time left to write the answer.
func TestAnswerBeforeTheWriteTimeout(t *testing.T) {
	g := open(t, ingest.Options{WriteTimeout: 1200 * time.Millisecond, Log: appendFunc(
		func(ctx context.Context, _ *event.Draft) (store.Receipt, error) {
			<-ctx.Done()
			return store.Receipt{}, ctx.Err()
		})})
	if got := g.exchange(signed(webhook("evt_1"))); got.status != 503 {
		t.Errorf("%d", got.status)
	}
}
