package stream_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/filter"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore"
	"github.com/straw-gateway/straw/server/internal/stream"
)

// liveHeap is what is in use after a collection.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // what the first one's cleanups let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// read reads the whole log with a filter, which is compiled for it as for a caller's request.
func (h *house) read(ctx context.Context, source string, send func(*stream.Frame) error) error {
	s, err := filter.New(nil, source, h.log.Types())
	if err != nil {
		return err
	}
	req := h.request(0)
	req.Selection, req.EndAtHead = s, true
	return h.streams.Cursor(ctx, req, send)
}

func drop(*stream.Frame) error { return nil }

// appendMany appends events that come in many at once, "evt_0" and so on.
func (h *house) appendMany(n int) {
	h.t.Helper()
	const callers = 50
	var done sync.WaitGroup
	for caller := range callers {
		done.Go(func() {
			for i := caller; i < n; i += callers {
				id := fmt.Sprint("evt_", i)
				encoded, err := proto.Marshal(&strawv1.Event{Id: id, Type: "a", Source: event.SourceJuicebox})
				if err == nil {
					_, err = h.log.Append(context.Background(), &event.Draft{Source: event.SourceJuicebox, ID: id, Type: "a", ReceiveTime: time.Now(), Encoded: encoded})
				}
				if err != nil {
					h.t.Error(err)
				}
			}
		})
	}
	done.Wait()
}

// TestFiltersLeaveNothingBehind has readers with filters come and go over a ring full of events. What they leave in memory is
// bounded, however many they were: who chooses how many filters there are is a caller.
func TestFiltersLeaveNothingBehind(t *testing.T) {
	const events = 1500
	const most = 512 << 10 // bytes that may be left; an answer for each event in a word of its own would take 7 KiB a filter
	h := newHouse(t, 0, pebblestore.Retention{})
	defer h.stop()
	h.appendMany(events)
	same := `event.id.startsWith("evt_7777")`
	if err := h.read(t.Context(), same, drop); err != nil { // what every gateway has once
		t.Fatal(err)
	}
	for name, run := range map[string]func() error{
		"one filter, a reader after the other": func() error {
			for range 150 {
				if err := h.read(t.Context(), same, drop); err != nil {
					return err
				}
			}
			return nil
		},
		"one filter, many readers at once": func() error {
			for range 100 {
				if err := h.together(2, func(int) string { return same }); err != nil {
					return err
				}
			}
			return nil
		},
		"a filter each, many readers at once": func() error {
			for round := range 3 {
				if err := h.together(50, func(i int) string { return fmt.Sprintf(`event.id == "evt_%d"`, round*50+i) }); err != nil {
					return err
				}
			}
			return nil
		},
		"a filter for two, many readers at once": func() error {
			for round := range 3 {
				if err := h.together(100, func(i int) string { return fmt.Sprintf(`event.id == "evt_%d%d"`, round, i/2) }); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := liveHeap()
			if err := run(); err != nil {
				t.Fatal(err)
			}
			if grown := liveHeap() - before; grown > most {
				t.Errorf("they are gone and have left %d KiB behind", grown>>10)
			} else {
				t.Logf("%d KiB are left", grown>>10)
			}
		})
	}
}

// together runs readers that are all there before the first of them reads on.
func (h *house) together(n int, source func(i int) string) error {
	var there, done sync.WaitGroup
	there.Add(n)
	errs := make([]error, n)
	for i := range n {
		done.Go(func() {
			arrive := sync.OnceFunc(func() { there.Done(); there.Wait() })
			defer arrive()
			errs[i] = h.read(context.Background(), source(i), func(*stream.Frame) error { arrive(); return nil })
		})
	}
	done.Wait()
	return errors.Join(errs...)
}

// TestDecodedEventsAreBounded reads a whole ring with a filter: of what is decoded for it, a part is kept for other readers,
// not all, which would take several times of what the ring does.
func TestDecodedEventsAreBounded(t *testing.T) {
	const events = 10_000
	h := newHouse(t, 2<<20, pebblestore.Retention{})
	defer h.stop()
	h.appendMany(events)
	before := liveHeap()
	if err := h.read(t.Context(), `event.id == "evt_7"`, drop); err != nil {
		t.Fatal(err)
	}
	if grown := liveHeap() - before; grown > 1<<20 {
		t.Errorf("a filter was asked about %d events, and %d KiB are kept", events, grown>>10)
	}
}
