package storetest

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

func testReopen(t *testing.T, h Harness) {
	var all []*event.Draft
	// Uneven, so that the engine's own intervals end before, at and after a reopening.
	for _, n := range []int{0, 1, 1022, 1, 1, 2000, 23, 1024} {
		l := h.Open(t, Setup{})
		checkRead(t, l, 0, all)
		checkStats(t, l, all, 0)
		all = append(all, appendAll(t, l, mixed(len(all), len(all)+n))...)
		closeLog(t, l)
	}
	l := open(t, h, Setup{})
	checkRead(t, l, 0, all)
	for range 100 {
		i := rand.IntN(len(all))
		checkReceipt(t, l, all[i], store.Receipt{Seq: event.Sequence(i + 1), Duplicate: true})
		raw, err := l.Raw(context.Background(), event.Sequence(i+1))
		if err != nil || !bytes.Equal(raw, all[i].Raw) {
			t.Fatalf("the body of %d is %q, %v", i+1, raw, err)
		}
	}
}

func testClosed(t *testing.T, h Harness) {
	l := h.Open(t, Setup{})
	mustAppend(t, l, draft(1))
	for range 3 {
		closeLog(t, l)
	}
	ctx := context.Background()
	_, appendErr := l.Append(ctx, draft(2))
	_, readErr := l.Read(ctx, 0, nil)
	_, rawErr := l.Raw(ctx, 1)
	_, getErr := l.Get(ctx, event.SourceJuicebox, draft(1).ID)
	_, beforeErr := l.Before(ctx, epoch)
	for what, err := range map[string]error{"append": appendErr, "read": readErr, "raw": rawErr, "get": getErr, "before": beforeErr} {
		if !errors.Is(err, event.ErrUnavailable) {
			t.Errorf("%s of a closed log: %v", what, err)
		}
	}
	if err := l.Err(); err != nil {
		t.Errorf("closing is a failure: %v", err)
	}
	l.Stats()
	l = open(t, h, Setup{})
	checkRead(t, l, 0, drafts(1, 2))
}

func testCloseDrains(t *testing.T, h Harness) {
	l := h.Open(t, Setup{})
	const n = 500
	var mu sync.Mutex
	stored := map[event.Sequence]*event.Draft{}
	begun := make(chan struct{}, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			begun <- struct{}{}
			r, err := l.Append(context.Background(), draft(i))
			if err != nil {
				if !errors.Is(err, event.ErrUnavailable) {
					t.Errorf("append while closing: %v", err)
				}
				return
			}
			mu.Lock()
			stored[r.Seq] = draft(i)
			mu.Unlock()
		})
		wg.Go(func() {
			if _, err := l.Read(context.Background(), 0, nil); err != nil && !errors.Is(err, event.ErrUnavailable) {
				t.Errorf("read while closing: %v", err)
			}
		})
	}
	for range n / 2 {
		<-begun
	}
	for range 2 {
		wg.Go(func() { closeLog(t, l) })
	}
	wg.Wait()
	l = open(t, h, Setup{})
	for seq, d := range stored {
		s, err := l.Get(context.Background(), d.Source, d.ID)
		if err != nil || s.Seq != seq {
			t.Errorf("%s was acknowledged as %d and is %d, %v", d.ID, seq, s.Seq, err)
		}
	}
	readAll(t, l, 0, nil)
}
