package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// receive waits for something that should happen at once.
func receive[T any](t *testing.T, what string, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatalf("%s didn't happen", what)
	}
	return v
}

// recorder is a Tail and an Observer that keeps what it is told.
type recorder struct {
	events chan []event.Stored
	synced chan int
}

func newRecorder() *recorder {
	return &recorder{events: make(chan []event.Stored, 10_000), synced: make(chan int, 10_000)}
}

func (r *recorder) Publish(events []event.Stored) { r.events <- append([]event.Stored{}, events...) }

func (r *recorder) Synced(n int, _ time.Duration) { r.synced <- n }

func testDurability(t *testing.T, h Harness) {
	rec := newRecorder()
	l := open(t, h, Setup{Tail: rec, Observer: rec})
	mustAppend(t, l, draft(1))
	held, release := h.HoldSync()
	var released atomic.Bool
	var wg sync.WaitGroup
	check := func(d *event.Draft) {
		r, err := l.Append(context.Background(), d)
		if err != nil || r.Duplicate || !released.Load() {
			t.Errorf("append %s returned %+v, %v; the sync was released: %v", d.ID, r, err, released.Load())
		}
	}
	wg.Go(func() { check(makeDraft("held", "brand.new", epoch, nil)) })
	receive(t, "the held sync", held)
	// Many more follow, and are written behind the one that is held.
	for n := 2; n < 600; n++ {
		wg.Go(func() { check(draft(n)) })
	}
	for range 200 {
		checkUnseen(t, l)
	}
	if n := len(rec.events); n != 1 {
		t.Errorf("the tail was told %d times before the sync", n)
	}
	released.Store(true)
	release()
	wg.Wait()
	if _, known := l.Types().Number("brand.new"); !known || l.Bounds().Head != 600 {
		t.Fatalf("after the sync, the head is %d", l.Bounds().Head)
	}
}

// checkUnseen looks everywhere for more than the first event.
func checkUnseen(t *testing.T, l store.Log) {
	t.Helper()
	ctx := context.Background()
	if b := l.Bounds(); b.Head != 1 {
		t.Fatalf("the head is %d before the sync", b.Head)
	}
	if seg, err := l.Read(ctx, 1, nil); err != nil || !seg.Empty() || seg.Through() != 1 {
		t.Fatalf("read sees events before the sync, %v", err)
	}
	if _, err := l.Get(ctx, event.SourceJuicebox, "held"); !errors.Is(err, event.ErrNotFound) {
		t.Fatalf("get before the sync: %v", err)
	}
	if _, err := l.Raw(ctx, 2); !errors.Is(err, event.ErrNotFound) {
		t.Fatalf("raw before the sync: %v", err)
	}
	if seq, err := l.Before(ctx, epoch.Add(time.Hour)); err != nil || seq != 1 {
		t.Fatalf("before is %d before the sync, %v", seq, err)
	}
	if _, known := l.Types().Number("brand.new"); known {
		t.Fatal("a type is known before the sync")
	}
	if s := l.Stats(); sum(s.ByType) != 1 {
		t.Fatalf("the stats count %v before the sync", s.ByType)
	}
}

func sum(counts []int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

func testDuplicateWaits(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	mustAppend(t, l, draft(1))
	held, release := h.HoldSync()
	var released atomic.Bool
	var fresh atomic.Int64
	var wg sync.WaitGroup
	again := func() {
		r, err := l.Append(context.Background(), draft(2))
		if err != nil || r.Seq != 2 || r.Conflict || !released.Load() {
			t.Errorf("%+v, %v; the sync was released: %v", r, err, released.Load())
		}
		if !r.Duplicate {
			fresh.Add(1)
		}
	}
	wg.Go(again)
	receive(t, "the held sync", held)
	for range 50 {
		wg.Go(again)
	}
	for range 200 {
		if b := l.Bounds(); b.Head != 1 {
			t.Errorf("the head is %d before the sync", b.Head)
		}
	}
	released.Store(true)
	release()
	wg.Wait()
	if fresh.Load() != 1 {
		t.Fatalf("%d of 51 were told that theirs is new", fresh.Load())
	}
}

func testContext(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.Append(ended, draft(1)); !errors.Is(err, context.Canceled) {
		t.Fatalf("append: %v", err)
	}
	if _, err := l.Read(ended, 0, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("read: %v", err)
	}
	if _, err := l.Before(ended, epoch); !errors.Is(err, context.Canceled) {
		t.Fatalf("before: %v", err)
	}
	if l.Bounds().Head != 0 {
		t.Fatal("an append whose context had ended was stored")
	}
	held, release := h.HoldSync()
	waiting, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := l.Append(waiting, draft(1))
		done <- err
	}()
	receive(t, "the held sync", held)
	cancel()
	if err := receive(t, "the end of a cancelled append", done); !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled append: %v", err)
	}
	release()
	// It may have been stored or not; either way it is there once, afterwards.
	r, err := l.Append(context.Background(), draft(1))
	if err != nil || r.Seq != 1 {
		t.Fatalf("the retry: %+v, %v", r, err)
	}
	checkRead(t, l, 0, drafts(1, 2))
}
