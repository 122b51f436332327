package stream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/fanout"
	"github.com/straw-gateway/straw/server/internal/filter"
	"github.com/straw-gateway/straw/server/internal/store"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore"
	"github.com/straw-gateway/straw/server/internal/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A house is a real log with its hub and streams.
type house struct {
	t       testing.TB
	log     *pebblestore.Log
	hub     *fanout.Hub
	streams *stream.Streams
	seen    *counts
	stop    func()
}

func newHouse(t testing.TB, ring int, retention pebblestore.Retention) *house {
	t.Helper()
	h := &house{t: t, hub: fanout.New(ring), seen: &counts{}}
	var err error
	h.log, err = pebblestore.Open("store", pebblestore.Options{
		FS: vfs.NewMem(), Tail: h.hub, Retention: retention, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	h.hub.Open(h.log.Identity(), h.log.Types(), h.log.Bounds().Head)
	h.streams = stream.New(h.log, h.hub, nil, h.seen)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- h.hub.Run(ctx) }()
	h.stop = func() {
		cancel()
		if err := errors.Join(<-done, h.log.Close()); err != nil {
			t.Error(err)
		}
	}
	return h
}

// counts is an Observer.
type counts struct{ opened, closed, frames, deliveries, failed atomic.Int64 }

func (c *counts) Opened(string) { c.opened.Add(1) }
func (c *counts) Closed(string) { c.closed.Add(1) }
func (c *counts) FilterFailed() { c.failed.Add(1) }
func (c *counts) Sent(n int)    { c.frames.Add(1); c.deliveries.Add(int64(n)) }

func (h *house) append(n int) {
	h.t.Helper()
	for range n {
		id := fmt.Sprint("evt_", h.log.Bounds().Head+1)
		encoded, err := proto.Marshal(&strawv1.Event{Id: id, Type: "a", Source: event.SourceJuicebox, Traceparent: strings.Repeat("t", 100)})
		if err != nil {
			h.t.Fatal(err)
		}
		d := &event.Draft{Source: event.SourceJuicebox, ID: id, Type: "a", ReceiveTime: time.Now(), Encoded: encoded}
		if _, err := h.log.Append(context.Background(), d); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *house) request(after event.Sequence) stream.CursorRequest {
	h.t.Helper()
	s, err := filter.New(nil, "", h.log.Types())
	if err != nil {
		h.t.Fatal(err)
	}
	return stream.CursorRequest{Selection: s, After: after, Heartbeat: 15 * time.Second, MaxDeliveries: 256}
}

// decode reads a frame as a client would.
func decode(t testing.TB, f *stream.Frame) *strawv1.SubscribeResponse {
	t.Helper()
	m := new(strawv1.SubscribeResponse)
	if err := proto.Unmarshal(bytes.Join(f.Parts(), nil), m); err != nil {
		t.Fatal(err)
	}
	if len(m.GetDeliveries()) != f.Deliveries() {
		t.Fatalf("the frame says %d deliveries and has %d", f.Deliveries(), len(m.GetDeliveries()))
	}
	return m
}

// retained opens a house whose events before the last mark of 1,024 were removed by retention.
func retained(t testing.TB, ring int) *house {
	t.Helper()
	h := newHouse(t, ring, pebblestore.Retention{Bytes: 1})
	h.append(3000)
	if err := h.log.Retain(context.Background()); err != nil {
		t.Fatal(err)
	}
	if floor := h.log.Bounds().Floor; floor == 0 || floor == h.log.Bounds().Head {
		t.Fatalf("retention left the floor at %d", floor)
	}
	return h
}

func TestGapAtTheStartFails(t *testing.T) {
	h := retained(t, 1)
	defer h.stop()
	err := h.streams.Cursor(t.Context(), h.request(5), func(*stream.Frame) error {
		t.Error("a frame was sent before the refusal")
		return nil
	})
	var gap *stream.GapError
	id := h.log.Identity()
	if !errors.As(err, &gap) || !errors.Is(err, event.ErrPassed) || gap.Requested != id.Cursor(5) || gap.Oldest != id.Cursor(h.log.Bounds().Floor) {
		t.Errorf("got %v", err)
	}
}

func TestGapAtTheStartIsToldAndContinued(t *testing.T) {
	h := retained(t, 1)
	defer h.stop()
	req := h.request(5)
	req.ContinueOnGap, req.EndAtHead = true, true
	var frames []*strawv1.SubscribeResponse
	if err := h.streams.Cursor(t.Context(), req, func(f *stream.Frame) error {
		frames = append(frames, decode(t, f))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	id, floor := h.log.Identity(), h.log.Bounds().Floor
	if frames[0].GetCursor() != id.Cursor(5) || frames[0].GetGap() != nil {
		t.Errorf("the first frame is %v", frames[0])
	}
	gap := frames[1]
	if gap.GetGap().GetRequested() != id.Cursor(5) || gap.GetGap().GetOldest() != id.Cursor(floor) || gap.GetCursor() != id.Cursor(floor) || len(gap.GetDeliveries()) != 0 {
		t.Errorf("the gap frame is %v", gap)
	}
	next := uint64(floor)
	for _, f := range frames[2:] {
		for _, d := range f.GetDeliveries() {
			if next++; d.GetEvent().GetId() != fmt.Sprint("evt_", next) {
				t.Fatalf("%s came instead of evt_%d", d.GetEvent().GetId(), next)
			}
		}
	}
	if next != uint64(h.log.Bounds().Head) {
		t.Errorf("the stream ended at %d, the log at %d", next, h.log.Bounds().Head)
	}
}

// TestGapDuringAStream holds a reader at its first frame until retention has passed it.
func TestGapDuringAStream(t *testing.T) {
	for _, goOn := range []bool{false, true} {
		t.Run(fmt.Sprint("continue=", goOn), func(t *testing.T) {
			h := newHouse(t, 1, pebblestore.Retention{Bytes: 1})
			defer h.stop()
			h.append(3000)
			req := h.request(0)
			req.ContinueOnGap, req.EndAtHead = goOn, true
			var gaps, deliveries int
			first := true
			err := h.streams.Cursor(t.Context(), req, func(f *stream.Frame) error {
				m := decode(t, f)
				deliveries += len(m.GetDeliveries())
				if m.GetGap() != nil {
					gaps++
				}
				if first {
					first = false
					return h.log.Retain(context.Background())
				}
				return nil
			})
			kept := int(h.log.Bounds().Head - h.log.Bounds().Floor)
			switch {
			case goOn && (err != nil || gaps != 1 || deliveries != kept):
				t.Errorf("%v, %d gaps, %d deliveries of %d", err, gaps, deliveries, kept)
			case !goOn && (!errors.Is(err, event.ErrPassed) || deliveries != 0):
				t.Errorf("%v, %d deliveries", err, deliveries)
			}
		})
	}
}

func TestEarliestIsNeverAGap(t *testing.T) {
	h := retained(t, 1)
	defer h.stop()
	req := h.request(h.log.Bounds().Floor)
	req.EndAtHead = true
	if err := h.streams.Cursor(t.Context(), req, func(*stream.Frame) error { return nil }); err != nil {
		t.Error(err)
	}
	if got := h.seen.deliveries.Load(); got != int64(h.log.Bounds().Head-h.log.Bounds().Floor) {
		t.Errorf("%d deliveries", got)
	}
}

// TestHeartbeats runs on a fake clock: an idle minute has a frame every 15 seconds, and a send that took long counts.
func TestHeartbeats(t *testing.T) {
	h := newHouse(t, 0, pebblestore.Retention{})
	defer h.stop()
	log := fixedLog{h.log.Identity(), h.log.Types()}
	synctest.Test(t, func(t *testing.T) {
		hub := fanout.New(0)
		hub.Open(log.Identity(), log.types, 0)
		streams := stream.New(log, hub, nil, &counts{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		var at []string
		selection, err := filter.New(nil, "", log.types)
		if err != nil {
			t.Fatal(err)
		}
		err = streams.Cursor(ctx, stream.CursorRequest{Selection: selection, Heartbeat: 15 * time.Second, MaxDeliveries: 1}, func(*stream.Frame) error {
			at = append(at, time.Since(start).String())
			if len(at) == 2 {
				<-time.After(5 * time.Second) // on the fake clock: a transport that was blocked
			}
			return nil
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if got := strings.Join(at, " "); got != "0s 15s 35s 50s" {
			t.Errorf("frames came at %s", got)
		}
	})
}

// A fixedLog is an empty log that starts no goroutines, for tests on a fake clock.
type fixedLog struct {
	id    event.Identity
	types *event.Types
}

func (l fixedLog) Identity() event.Identity { return l.id }
func (fixedLog) Bounds() store.Bounds       { return store.Bounds{} }
func (l fixedLog) Read(_ context.Context, after event.Sequence, _ func(event.TypeNumber) bool) (*event.Segment, error) {
	return event.NewSegment(l.id, after), nil
}
func (fixedLog) Raw(context.Context, event.Sequence) ([]byte, error) { return nil, event.ErrNotFound }

func TestFilterIsAskedOnceAnEventNotOnceAReader(t *testing.T) {
	h := newHouse(t, 0, pebblestore.Retention{})
	defer h.stop()
	h.append(10)
	for range 5 {
		// Dividing by zero fails, and each failure is counted: that tells how often the filter was asked.
		s, err := filter.New(nil, "1 / int(event.traceparent == 'never' ? '1' : '0') > 0", h.log.Types())
		if err != nil {
			t.Fatal(err)
		}
		w := h.hub.Join(s)
		defer w.Leave()
		req := stream.CursorRequest{Selection: s, Heartbeat: time.Second, MaxDeliveries: 1, EndAtHead: true}
		if err := h.streams.Cursor(t.Context(), req, func(*stream.Frame) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.seen.failed.Load(); got != 10 {
		t.Errorf("the filter was asked %d times about 10 events", got)
	}
}

// TestFailEndsReaders: those that wait, and those that come later, with the log's error.
func TestFailEndsReaders(t *testing.T) {
	h := newHouse(t, 0, pebblestore.Retention{})
	defer h.stop()
	broken := errors.New("broken")
	waiting, ended := make(chan struct{}), make(chan error)
	greeted := sync.OnceFunc(func() { close(waiting) })
	read := func() error {
		return h.streams.Cursor(t.Context(), h.request(0), func(*stream.Frame) error { greeted(); return nil })
	}
	go func() { ended <- read() }()
	<-waiting
	h.streams.Fail(broken)
	h.streams.Drain(stream.GoingAway{}) // changes nothing any more
	for _, err := range []error{<-ended, read()} {
		if !errors.Is(err, broken) {
			t.Errorf("a reader ended with %v", err)
		}
	}
}

// TestReadersAgree has readers with different limits come and resume at random points while events are appended: each must
// see exactly the log.
func TestReadersAgree(t *testing.T) {
	h := newHouse(t, 2*event.SegmentSize, pebblestore.Retention{})
	defer h.stop()
	const total = 5000
	var readers sync.WaitGroup
	for i := range 8 {
		readers.Go(func() {
			if err := readAll(h, i, total); err != nil {
				t.Errorf("reader %d: %v", i, err)
			}
		})
	}
	h.append(total)
	readers.Wait()
	if o, c := h.seen.opened.Load(), h.seen.closed.Load(); o != c || o < 8 {
		t.Errorf("%d streams opened, %d closed", o, c)
	}
}

var errCut = errors.New("cut")

// readAll reads to the end over streams that are cut after a few frames each, resuming from the cursor.
func readAll(h *house, reader, total int) error {
	next, frames := 1, 0
	pos := event.Sequence(0)
	for next <= total {
		req := h.request(pos)
		req.MaxDeliveries = 1 + reader*37
		req.IncludeRaw = reader%2 == 1 // the others get stretches of segments at once
		err := h.streams.Cursor(context.Background(), req, func(f *stream.Frame) error {
			m := decode(h.t, f)
			for _, d := range m.GetDeliveries() {
				if d.GetEvent().GetId() != fmt.Sprint("evt_", next) {
					return fmt.Errorf("%s came instead of evt_%d", d.GetEvent().GetId(), next)
				}
				next++
			}
			var err error
			if pos, err = h.log.Identity().Position(m.GetCursor(), h.log.Bounds().Head); err != nil {
				return err
			}
			if frames++; frames%(reader+3) == 0 || next > total {
				return errCut
			}
			return nil
		})
		if !errors.Is(err, errCut) {
			return err
		}
	}
	return nil
}
