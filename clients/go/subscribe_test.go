package straw_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

func TestSubscribeEndsAtHead(t *testing.T) {
	g := newGateway(50)
	c := g.start(t)
	var ids []string
	for e, err := range c.Subscribe(bounded(t), straw.SubscribeOptions{Start: straw.Earliest(), EndAtHead: true}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.GetId())
	}
	if len(ids) != 50 || ids[0] != "evt_1" || ids[49] != "evt_50" {
		t.Errorf("got %d events: %v", len(ids), ids)
	}
}

func TestRequest(t *testing.T) {
	g := newGateway(0)
	c := g.start(t)
	when := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	opts := straw.SubscribeOptions{
		Types: []string{"export.*"}, AllowUnseenTypes: true, Filter: "true", Start: straw.At(when), OnGap: straw.ContinueOnGap,
		IncludeRaw: true, EndAtHead: true, HeartbeatInterval: 5 * time.Second, MaxDeliveries: 12,
	}
	for _, err := range c.Subscribe(bounded(t), opts) {
		t.Errorf("an empty log yielded %v", err)
	}
	want := &strawv1.SubscribeRequest{
		Types: []string{"export.*"}, AllowUnseenTypes: true, Filter: "true", OnGap: strawv1.OnGap_CONTINUE, IncludeRaw: true,
		EndAtHead: true, HeartbeatInterval: durationpb.New(5 * time.Second), MaxDeliveriesPerResponse: 12,
		Start: &strawv1.SubscribeRequest_StartTime{StartTime: timestamppb.New(when)},
	}
	if diff := cmp.Diff(want, g.requests[0], protocmp.Transform()); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

// The transport is cut at any byte, within frames too, again and again.
func TestSubscribeResumesAfterCuts(t *testing.T) {
	const events, cuts = 3000, 12
	g := newGateway(events)
	l := listen(t, "127.0.0.1:0")
	g.serve(t, l)
	rng := rand.New(rand.NewPCG(1, 2))
	p := newProxy(t, l.Addr().String(), func(n int) treatment {
		if n > cuts {
			return treatment{}
		}
		return treatment{cutAfter: 300 + rng.IntN(8000)}
	})
	lost := 0
	hooks := straw.Hooks{Disconnected: func(err error, _ time.Duration) {
		lost++
		if status.Code(err) != codes.Unavailable {
			t.Errorf("lost connection %d: %v", lost, err)
		}
	}}
	read(t, dial(t, p.addr()), straw.SubscribeOptions{Start: straw.Earliest(), Hooks: hooks}, 1, events)
	if lost != cuts {
		t.Errorf("%d connections were lost, want %d", lost, cuts)
	}
}

func TestSubscribeResumesAfterRestart(t *testing.T) {
	g := newGateway(10)
	l := listen(t, "127.0.0.1:0")
	stop := g.serve(t, l)
	c := dial(t, l.Addr().String())
	restarted := false
	hooks := straw.Hooks{Disconnected: func(error, time.Duration) {
		if !restarted {
			restarted = true
			g.append(10)
			g.serve(t, listen(t, l.Addr().String()))
		}
	}, Frame: func(f *straw.Frame) {
		if f.GetCursor() == "c10" {
			go stop()
		}
	}}
	read(t, c, straw.SubscribeOptions{Start: straw.Earliest(), Hooks: hooks}, 1, 20)
	if !restarted {
		t.Error("the gateway was not restarted")
	}
}

// A connection that is open and says nothing more, while its replacement works.
func TestSubscribeNoticesHungConnection(t *testing.T) {
	g := newGateway(500)
	g.heartbeat = 50 * time.Millisecond
	l := listen(t, "127.0.0.1:0")
	g.serve(t, l)
	p := newProxy(t, l.Addr().String(), func(n int) treatment {
		if n <= 2 {
			return treatment{hangAfter: 2000}
		}
		return treatment{}
	})
	var lost []error
	hooks := straw.Hooks{Disconnected: func(err error, _ time.Duration) { lost = append(lost, err) }}
	read(t, dial(t, p.addr()), straw.SubscribeOptions{Start: straw.Earliest(), Hooks: hooks}, 1, 500)
	if len(lost) != 2 {
		t.Errorf("lost connections: %v, want two silent ones", lost)
	}
}

func TestLeftEventIsNotProcessed(t *testing.T) {
	g := newGateway(20)
	c := g.start(t)
	store := &memoryStore{}
	opts := straw.SubscribeOptions{Start: straw.Earliest(), CursorStore: store}
	read(t, c, opts, 1, 10) // returns within the loop with evt_10
	if store.cursor != "c9" {
		t.Errorf("saved %q, want c9", store.cursor)
	}
	read(t, c, opts, 10, 5)
}

func TestSubscribeAgainIsAnew(t *testing.T) {
	c := newGateway(3).start(t)
	seq := c.Subscribe(bounded(t), straw.SubscribeOptions{Start: straw.Earliest(), EndAtHead: true})
	for range 2 {
		n := 0
		for _, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 3 {
			t.Errorf("got %d events, want 3", n)
		}
	}
}

func TestSubscribeEndsWithContext(t *testing.T) {
	c := newGateway(1).start(t)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var last error
	for e, err := range c.Subscribe(ctx, straw.SubscribeOptions{Start: straw.Earliest()}) {
		if err == nil && e.GetId() == "evt_1" {
			cancel(why)
		}
		last = err
	}
	if !errors.Is(last, why) {
		t.Errorf("ended with %v, want the context's cause", last)
	}
}

func TestCloseEndsSubscriptions(t *testing.T) {
	c := newGateway(1).start(t)
	var last error
	for _, err := range c.Subscribe(bounded(t), straw.SubscribeOptions{Start: straw.Earliest()}) {
		if last = err; err == nil {
			c.Close()
		}
	}
	if !errors.Is(last, straw.ErrClosed) {
		t.Errorf("ended with %v, want ErrClosed", last)
	}
}

func TestGap(t *testing.T) {
	gap := &straw.Gap{Requested: "c3", Oldest: "c8"}
	g := newGateway(10)
	g.script = func(_ int, r *strawv1.SubscribeRequest, s grpc.ServerStreamingServer[straw.Frame]) error {
		if r.GetAfter() == "c3" {
			if err := s.Send(&straw.Frame{Cursor: "c8", Backlog: 2, Gap: gap}); err != nil {
				return err
			}
		}
		return g.stream(s, 8, 10, true)
	}
	c := g.start(t)
	opts := straw.SubscribeOptions{Start: straw.After("c3"), OnGap: straw.ContinueOnGap, EndAtHead: true}
	t.Run("among events", func(t *testing.T) {
		var got []string
		for e, err := range c.Subscribe(bounded(t), opts) {
			if lost, ok := errors.AsType[*straw.GapError](err); ok {
				got = append(got, "gap to "+lost.Gap.GetOldest())
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.GetId())
		}
		if want := []string{"gap to c8", "evt_9", "evt_10"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	t.Run("among frames", func(t *testing.T) {
		var got []string
		for f, err := range c.Frames(bounded(t), opts) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s %d events, %d left, gap %v", f.GetCursor(), len(f.GetDeliveries()), f.GetBacklog(), f.Gap != nil))
		}
		want := []string{"c3 0 events, 7 left, gap false", "c8 0 events, 2 left, gap true", "c10 2 events, 0 left, gap false"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("frames (-want +got):\n%s", diff)
		}
	})
}

// A position from an earlier run doesn't make the first refusal look like a reconnect.
func TestTooManyStreamsWithASavedCursor(t *testing.T) {
	g := newGateway(3)
	g.refuse = func(int, *strawv1.SubscribeRequest) error {
		return failure(codes.ResourceExhausted, "TOO_MANY_STREAMS", nil)
	}
	last := drain(t, g.start(t), straw.SubscribeOptions{CursorStore: &memoryStore{cursor: "c1"}})
	if straw.ReasonOf(last) != strawv1.ErrorReason_TOO_MANY_STREAMS || len(g.starts()) != 1 {
		t.Errorf("ended with %v after %d calls", last, len(g.starts()))
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	expired := failure(codes.OutOfRange, "CURSOR_EXPIRED", map[string]string{"oldest": "c8"})
	tooMany := failure(codes.ResourceExhausted, "TOO_MANY_STREAMS", map[string]string{"limit": "1"})
	draining := failure(codes.Unavailable, "DRAINING", nil)
	for _, tc := range []struct {
		name   string
		refuse func(call int) error
		calls  int
		reason straw.Reason // of the last error; unspecified if there is none
	}{
		{"a gateway's own refusal is final", func(int) error { return expired }, 1, strawv1.ErrorReason_CURSOR_EXPIRED},
		{"also when resuming", func(call int) error { return []error{nil, expired}[call-1] }, 2, strawv1.ErrorReason_CURSOR_EXPIRED},
		{"too many streams at first", func(int) error { return tooMany }, 1, strawv1.ErrorReason_TOO_MANY_STREAMS},
		{"too many streams when resuming", func(call int) error { return []error{nil, tooMany, tooMany, nil}[call-1] }, 4, 0},
		{"draining", func(call int) error { return []error{draining, draining, nil, nil}[call-1] }, 4, 0},
		{"a proxy's error", func(call int) error { return []error{status.Error(codes.Internal, "RST_STREAM"), nil, nil}[call-1] }, 3, 0},
		{"a gateway's own INTERNAL", func(int) error { return failure(codes.Internal, "INVALID_FIELD", nil) }, 1, strawv1.ErrorReason_INVALID_FIELD},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(8)
			g.refuse = func(call int, _ *strawv1.SubscribeRequest) error { return tc.refuse(call) }
			streams := 0
			g.script = func(_ int, r *strawv1.SubscribeRequest, s grpc.ServerStreamingServer[straw.Frame]) error {
				if streams++; streams == 1 { // the first stream that is let in dies
					return draining
				}
				return g.stream(s, 0, 8, true)
			}
			var last error
			for _, err := range g.start(t).Subscribe(bounded(t), straw.SubscribeOptions{Start: straw.Earliest(), EndAtHead: true}) {
				last = err
			}
			if got := straw.ReasonOf(last); got != tc.reason || tc.reason == 0 && last != nil {
				t.Errorf("ended with %v, want reason %v", last, tc.reason)
			}
			if got := len(g.starts()); got != tc.calls {
				t.Errorf("%d calls, want %d", got, tc.calls)
			}
		})
	}
}
