package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// retained appends enough for retention to remove something twice, and does so once.
func retained(t *testing.T, h Harness, l store.Log) (all []*event.Draft, floor event.Sequence) {
	t.Helper()
	all = appendAll(t, l, mixed(0, 4*h.RetainStep+100))
	through := event.Sequence(2*h.RetainStep + 10)
	floor = h.Retain(t, l, through)
	if floor == 0 || floor > through || l.Bounds().Floor != floor {
		t.Fatalf("retention through %d left the floor at %d, %+v", through, floor, l.Bounds())
	}
	return all, floor
}

func testRetention(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	all, floor := retained(t, h, l)
	checkRetained(t, l, all, floor)
	checkStats(t, l, all, 0)
	if next := h.Retain(t, l, event.Sequence(len(all))); next <= floor || next > event.Sequence(len(all)) {
		t.Fatalf("retention moved the floor from %d to %d", floor, next)
	}
	checkRetained(t, l, all, l.Bounds().Floor)
	all = append(all, appendAll(t, l, mixed(len(all), len(all)+10))...)
	checkRetained(t, l, all, l.Bounds().Floor)
}

// checkRetained compares the log with the events that are left above a floor.
func checkRetained(t TB, l store.Log, all []*event.Draft, floor event.Sequence) {
	t.Helper()
	ctx := context.Background()
	checkRead(t, l, floor, all[floor:])
	for _, after := range []event.Sequence{0, 1, floor / 2, floor - 1} {
		if _, err := l.Read(ctx, after, nil); !errors.Is(err, event.ErrPassed) {
			t.Fatalf("read after %d with the floor at %d: %v", after, floor, err)
		}
		if _, err := l.Raw(ctx, after+1); !errors.Is(err, event.ErrPassed) {
			t.Fatalf("raw of %d with the floor at %d: %v", after+1, floor, err)
		}
		if _, err := l.Get(ctx, event.SourceJuicebox, all[after].ID); !errors.Is(err, event.ErrNotFound) {
			t.Fatalf("get of %d with the floor at %d: %v", after+1, floor, err)
		}
	}
	if int(floor) < len(all) {
		s, err := l.Get(ctx, event.SourceJuicebox, all[floor].ID)
		if err != nil || s.Seq != floor+1 {
			t.Fatalf("get of the oldest: %d, %v", s.Seq, err)
		}
	}
	checkBefore(t, l, epoch.Add(-1), floor)
	for _, at := range extremes {
		want := floor
		if at.After(epoch) {
			want = event.Sequence(len(all))
		}
		checkBefore(t, l, at, want)
	}
}

func testRetentionDedup(t *testing.T, h Harness) {
	l := h.Open(t, Setup{})
	all, floor := retained(t, h, l)
	for range 2 {
		for _, i := range []int{0, 1, int(floor) / 2, int(floor) - 1, int(floor)} {
			checkReceipt(t, l, all[i], store.Receipt{Seq: event.Sequence(i + 1), Duplicate: true})
			checkReceipt(t, l, makeDraft(all[i].ID, "t", epoch, []byte("other")), store.Receipt{Seq: event.Sequence(i + 1), Duplicate: true, Conflict: true})
		}
		closeLog(t, l)
		l = h.Open(t, Setup{})
	}
	closeLog(t, l)
}

func testRetentionReopen(t *testing.T, h Harness) {
	l := h.Open(t, Setup{})
	all, floor := retained(t, h, l)
	closeLog(t, l)
	l = open(t, h, Setup{})
	if b := l.Bounds(); b != (store.Bounds{Floor: floor, Head: event.Sequence(len(all))}) {
		t.Fatalf("the bounds are %+v, the floor was %d", b, floor)
	}
	checkRetained(t, l, all, floor)
	checkStats(t, l, all, 0)
	all = append(all, appendAll(t, l, mixed(len(all), len(all)+h.RetainStep))...)
	checkRetained(t, l, all, floor)
}

// testRetentionRace lets readers of everything run into retention. They may be told that it has passed them, and never
// anything else.
func testRetentionRace(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	all := appendAll(t, l, mixed(0, 6*h.RetainStep))
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { readRacing(t, l, all, &stop) })
	}
	for through := h.RetainStep; through <= len(all); through += h.RetainStep {
		h.Retain(t, l, event.Sequence(through))
	}
	stop.Store(true)
	wg.Wait()
	checkRetained(t, l, all, l.Bounds().Floor)
}

func readRacing(t *testing.T, l store.Log, all []*event.Draft, stop *atomic.Bool) {
	at := event.Sequence(0)
	for !stop.Load() {
		seg, err := l.Read(context.Background(), at, nil)
		if errors.Is(err, event.ErrPassed) {
			if floor := l.Bounds().Floor; floor <= at {
				t.Errorf("passed after %d with the floor at %d", at, floor)
				return
			}
			at = l.Bounds().Floor
			continue
		}
		if err != nil {
			t.Errorf("read after %d: %v", at, err)
			return
		}
		for i, entry := range seg.View() {
			if want := at + event.Sequence(i) + 1; entry.Seq != want {
				t.Errorf("read %d instead of %d", entry.Seq, want)
				return
			}
		}
		if at = seg.Through(); at >= event.Sequence(len(all)) {
			at = l.Bounds().Floor
		}
		_, err = l.Before(context.Background(), all[at/2].ReceiveTime)
		if err != nil {
			t.Errorf("before: %v", err)
		}
	}
}
