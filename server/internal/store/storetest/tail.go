package storetest

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// strictTail holds the engine to the contract of a Tail.
type strictTail struct {
	t      *testing.T
	log    atomic.Pointer[store.Log]
	inside atomic.Int32
	at     atomic.Uint64
	mu     sync.Mutex
	events []event.Stored
}

func (s *strictTail) Publish(events []event.Stored) {
	if s.inside.Add(1) != 1 {
		s.t.Error("the tail was told by two goroutines at once")
	}
	defer s.inside.Add(-1)
	if len(events) == 0 {
		s.t.Error("the tail was told of nothing")
	}
	for _, e := range events {
		if uint64(e.Seq) != s.at.Load()+1 {
			s.t.Errorf("the tail was told of %d after %d", e.Seq, s.at.Load())
		}
		if l := *s.log.Load(); l.Bounds().Head < e.Seq || l.Types().Name(e.Type) == "" {
			s.t.Errorf("the tail was told of %d before it could be read", e.Seq)
		}
		s.at.Store(uint64(e.Seq))
	}
	s.mu.Lock()
	s.events = append(s.events, events...)
	s.mu.Unlock()
}

func testTail(t *testing.T, h Harness) {
	tail := &strictTail{t: t}
	for round := range 2 {
		l := h.Open(t, Setup{Tail: tail})
		tail.log.Store(&l)
		var wg sync.WaitGroup
		for n := range 500 {
			wg.Go(func() {
				r, err := l.Append(context.Background(), draft(round*500+n))
				if err != nil || tail.at.Load() < uint64(r.Seq) {
					t.Errorf("append of %d returned before the tail was told: %v", r.Seq, err)
				}
				if r, err := l.Append(context.Background(), draft(round*500+n)); err != nil || !r.Duplicate {
					t.Errorf("append again: %+v, %v", r, err)
				}
			})
		}
		wg.Wait()
		if len(tail.events) != (round+1)*500 {
			t.Fatalf("the tail was told of %d events", len(tail.events))
		}
		for _, e := range tail.events {
			id := draft(int(e.Seq)).Source
			if s, err := l.Get(context.Background(), id, idOf(t, l, e)); err != nil || s.Seq != e.Seq || !bytes.Equal(s.Encoded, e.Encoded) {
				t.Fatalf("the tail was told something else of %d than is stored: %v", e.Seq, err)
			}
		}
		closeLog(t, l)
	}
}

func idOf(t TB, l store.Log, s event.Stored) string {
	t.Helper()
	e, err := s.Decode(l.Identity())
	if err != nil {
		t.Fatalf("%v", err)
	}
	return e.Id
}

func testObserver(t *testing.T, h Harness) {
	rec := newRecorder()
	l := h.Open(t, Setup{Observer: rec})
	appendAll(t, l, drafts(0, 400))
	checkReceiptKind(t, l, draft(7), false)
	closeLog(t, l)
	close(rec.synced)
	total := 0
	for n := range rec.synced {
		if n == 0 {
			t.Error("a sync of no events was told")
		}
		total += n
	}
	if total != 400 {
		t.Fatalf("syncs of %d events were told, want 400", total)
	}
}
