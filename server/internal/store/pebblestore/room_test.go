package pebblestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/protobuf/types/known/durationpb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/fanout"
	"github.com/straw-gateway/straw/server/internal/store"
)

// A fullFS is a disk that has no room left for as long as full is set: nothing is created, and of what is written the first half
// is taken once.
type fullFS struct {
	vfs.FS
	full  atomic.Bool
	fails atomic.Int64
}

func (f *fullFS) Unwrap() vfs.FS { return f.FS }

func (f *fullFS) check() error {
	if f.full.Load() {
		f.fails.Add(1)
		return syscall.ENOSPC
	}
	return nil
}

func (f *fullFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	file, err := f.FS.Create(name, c)
	return &fullFile{File: file, fs: f}, err
}

func (f *fullFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(old, name, c)
	return &fullFile{File: file, fs: f}, err
}

type fullFile struct {
	vfs.File
	fs   *fullFS
	half bool
}

func (f *fullFile) Write(b []byte) (int, error) {
	err := f.fs.check()
	if err == nil {
		return f.File.Write(b)
	}
	if f.half {
		return 0, err
	}
	f.half = true
	n, writeErr := f.File.Write(b[:len(b)/2])
	return n, errors.Join(err, writeErr)
}

// A lineLog counts what is logged.
type lineLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lineLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lineLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ; !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// TestOpenOnFullDisk opens a store on a disk without room: it waits, says so once, doesn't try thousands of times, ends when it
// is told to, and opens with everything in it once there is room.
func TestOpenOnFullDisk(t *testing.T) {
	mem := newCrashFS()
	fs := &fullFS{FS: mem}
	l, g := mustOpen(t, "store", small(fs)), newWitness()
	appendMany(t, l, g, 0, 3*markEvery)
	left := mem.cut(100, nil) // as kill -9 leaves it: with a write-ahead log to be replayed
	mustClose(t, l)

	fs = &fullFS{FS: left}
	fs.full.Store(true)
	log, ending := &lineLog{}, make(chan struct{})
	o := small(fs)
	o.Logger, o.Ending = slog.New(slog.NewTextHandler(log, nil)), ending
	opened := make(chan error, 1)
	go func() {
		_, err := Open("store", o)
		opened <- err
	}()
	eventually(t, "the store waits for room", func() bool { return fs.fails.Load() >= 5 })
	select {
	case err := <-opened:
		t.Fatalf("open on a full disk: %v", err)
	default:
	}
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "has no room") || len(text) > 400 {
		t.Errorf("the log says\n%s", text)
	}
	close(ending)
	if err := <-opened; !errors.Is(err, event.ErrFull) {
		t.Fatalf("open, told to end: %v", err)
	}

	fs = &fullFS{FS: left.cut(0, nil)}
	fs.full.Store(true)
	o = small(fs)
	reopened := make(chan *Log, 1)
	go func() { reopened <- mustOpen(t, "store", o) }()
	eventually(t, "the store waits for room", func() bool { return fs.fails.Load() >= 3 })
	fs.full.Store(false)
	l = <-reopened
	g.check(t, l)
	appendMany(t, l, g, 10_000, 10_000+markEvery)
	g.check(t, l)
	mustClose(t, l)
}

// TestWritesOnFullDisk has the disk full, under load: no call waits for long, each is told so, nothing fails, and once there is
// room everything goes on.
func TestWritesOnFullDisk(t *testing.T) {
	checkLeaks(t)
	fs := &fullFS{FS: newCrashFS()}
	o := small(fs)
	hub := fanout.New(0)
	o.Tail = hub
	l, g := mustOpen(t, "store", o), newWitness()
	hub.Open(l.Identity(), l.Types(), 0)
	var running sync.WaitGroup
	stopped, stop := context.WithCancel(context.Background())
	running.Go(func() { _ = hub.Run(stopped) })
	defer running.Wait()
	defer stop()
	subs, err := OpenSubscriptions(l, SubscriptionOptions{Hub: hub})
	if err != nil {
		t.Fatal(err)
	}
	exports, err := OpenExports(l)
	if err != nil {
		t.Fatal(err)
	}
	definitionOf := func(id string) *strawv1.Subscription {
		return &strawv1.Subscription{Id: id, AckDeadline: durationpb.New(time.Second), MaxInFlight: 10}
	}
	appendMany(t, l, g, 0, 100)
	ctx := context.Background()
	if _, err := exports.Announce(ctx, 1, []store.Announcement{{Seq: 1, ExportID: "x", EventID: "evt"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := subs.Create(ctx, definitionOf("s"), 0); err != nil {
		t.Fatal(err)
	}

	fs.full.Store(true)
	_ = g.append(withTimeout(t, 100*time.Millisecond), l, 1_000) // somebody finds out
	eventually(t, "the store knows", func() bool { return l.disk.exhaustion() != nil })
	calls := map[string]func(context.Context) error{
		"Append":      func(ctx context.Context) error { return g.append(ctx, l, 1_001) },
		"Create":      func(ctx context.Context) error { _, err := subs.Create(ctx, definitionOf("t"), 0); return err },
		"Acknowledge": func(ctx context.Context) error { _, err := subs.Acknowledge(ctx, "s", []string{"a"}); return err },
		"Nack": func(ctx context.Context) error {
			_, err := subs.Nack(ctx, "s", []string{"a"}, store.Nack{})
			return err
		},
		"Extend": func(ctx context.Context) error { _, err := subs.ExtendDeadline(ctx, "s", []string{"a"}); return err },
		"Seek":   func(ctx context.Context) error { return subs.Seek(ctx, "s", 5) },
		"Redeliver": func(ctx context.Context) error {
			_, err := subs.Redeliver(ctx, "s", store.Choice{All: true}, false)
			return err
		},
		"Purge": func(ctx context.Context) error {
			_, err := subs.Purge(ctx, "s", store.Choice{All: true}, false)
			return err
		},
		"Refetch": func(ctx context.Context) error { _, err := exports.Refetch(ctx, "x", time.Now()); return err },
		"Update": func(ctx context.Context) error {
			_, err := subs.Update(ctx, "s", func(s store.Subscription) (*strawv1.Subscription, error) { return definitionOf("s"), nil })
			return err
		},
		"Delete": func(ctx context.Context) error { return subs.Delete(ctx, "s") },
	}
	began := time.Now()
	for name, call := range calls {
		for range 20 { // none leaves anything behind that others wait for
			if err := call(ctx); !errors.Is(err, event.ErrFull) {
				t.Errorf("%s on a full disk: %v", name, err)
			}
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the calls took %v", took)
	}
	if got := readAll(t, l); got != 100 {
		t.Errorf("%d events can be read", got)
	}
	if v, err := subs.Get(ctx, "s"); err != nil || v.Backlog != 100 {
		t.Errorf("the subscription: %+v, %v", v, err)
	}
	if l.Err() != nil {
		t.Fatalf("the log failed: %v", l.Err())
	}

	fs.full.Store(false)
	eventually(t, "the store goes on", func() bool { return l.disk.exhaustion() == nil })
	for _, name := range []string{"Append", "Create", "Acknowledge", "Nack", "Extend", "Seek", "Redeliver", "Purge", "Refetch", "Update", "Delete"} {
		if err := calls[name](ctx); err != nil {
			t.Errorf("%s once there is room: %v", name, err)
		}
	}
	if err := subs.Close(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	l = mustOpen(t, "store", small(fs))
	g.check(t, l)
	mustClose(t, l)
}

// TestDiskFullAnywhere has the disk be full from each write on, for a moment, while everything is written. Nothing that
// was answered is lost, and the log never fails.
func TestDiskFullAnywhere(t *testing.T) {
	checkLeaks(t)
	fs := &fullFS{FS: newCrashFS()}
	l, g := mustOpen(t, "store", small(fs)), newWitness()
	done := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for n := w; ; n += 8 {
				select {
				case <-done:
					return
				default:
				}
				if err := g.append(withTimeout(t, time.Second), l, n); err != nil && !errors.Is(err, event.ErrFull) && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("append: %v", err)
					return
				}
			}
		})
	}
	for round := range int64(8) {
		head := l.Bounds().Head
		eventually(t, "events are taken", func() bool { return l.Bounds().Head > head+200 })
		fails := fs.fails.Load()
		fs.full.Store(true)
		eventually(t, fmt.Sprint("the disk was found full, round ", round), func() bool { return fs.fails.Load() > fails+round%4 })
		fs.full.Store(false)
	}
	close(done)
	writers.Wait()
	if l.Err() != nil {
		t.Fatalf("the log failed: %v", l.Err())
	}
	mustClose(t, l) // what callers have left behind is written now
	l = mustOpen(t, "store", small(fs))
	g.check(t, l)
	mustClose(t, l)
}

func withTimeout(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
