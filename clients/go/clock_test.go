package straw_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/durationpb"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// startInMemory serves the gateway without a network, so that a synctest bubble's clock can run.
func (g *gateway) startInMemory(t *testing.T) *straw.Client {
	t.Helper()
	l := bufconn.Listen(1 << 20)
	g.serve(t, l)
	dialer := func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }
	return dial(t, "passthrough:///gateway:9090", straw.WithPlaintext(), straw.WithDialOptions(grpc.WithContextDialer(dialer)))
}

// silent is a stream that says nothing after its first frame.
func silent(_ int, _ *strawv1.SubscribeRequest, s grpc.ServerStreamingServer[straw.Frame]) error {
	<-s.Context().Done()
	return s.Context().Err()
}

func TestSilenceIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(5)
		g.heartbeat = 10 * time.Second
		g.script = func(call int, r *strawv1.SubscribeRequest, s grpc.ServerStreamingServer[straw.Frame]) error {
			if call == 1 {
				return silent(call, r, s)
			}
			return g.stream(s, 0, 5, false)
		}
		begin := time.Now()
		var noticed time.Duration
		hooks := straw.Hooks{Disconnected: func(err error, _ time.Duration) {
			noticed = time.Since(begin)
			if !strings.Contains(err.Error(), "no frame came") {
				t.Errorf("disconnected by %v", err)
			}
		}}
		read(t, g.startInMemory(t), straw.SubscribeOptions{Start: straw.Earliest(), Hooks: hooks}, 1, 5)
		if noticed != 25*time.Second {
			t.Errorf("noticed after %v, want two and a half intervals", noticed)
		}
	})
}

// A loop that takes an hour over an event isn't taken for a silent gateway, and neither is an idle log.
func TestSlowLoopAndIdleLogKeepTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(2)
		c := g.startInMemory(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		heartbeats := 0
		for f, err := range c.Frames(ctx, straw.SubscribeOptions{Start: straw.Earliest()}) {
			if err != nil {
				if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				break
			}
			switch {
			case len(f.GetDeliveries()) > 0:
				<-time.After(time.Hour)
			case f.GetHeartbeatInterval() == nil:
				if heartbeats++; heartbeats == 300 { // more than the hour's, which were waiting
					cancel()
				}
			}
		}
		if got := len(g.starts()); got != 1 {
			t.Errorf("%d connections, want 1", got)
		}
	})
}

func TestGoingAwayIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const delay = 7 * time.Second
		g := newGateway(4)
		g.script = func(call int, _ *strawv1.SubscribeRequest, s grpc.ServerStreamingServer[straw.Frame]) error {
			if call > 1 {
				return g.stream(s, 2, 4, false)
			}
			events, left, _ := g.after(0)
			if err := s.Send(frame(events[:2], 2, left+2)); err != nil {
				return err
			}
			away := &strawv1.GoingAway{RetryDelay: durationpb.New(delay), Reason: "restart"}
			if err := s.Send(&straw.Frame{Cursor: "c2", GoingAway: away}); err != nil {
				return err
			}
			return failure(codes.Unavailable, "DRAINING", nil)
		}
		begin := time.Now()
		read(t, g.startInMemory(t), straw.SubscribeOptions{Start: straw.Earliest()}, 1, 4)
		if took := time.Since(begin); took < delay || took > delay+time.Second {
			t.Errorf("reconnected after %v, want %v and a little", took, delay)
		}
		if got := g.starts(); got[1] != "c2" {
			t.Errorf("resumed after %q, want c2", got[1])
		}
	})
}

// Reconnecting slows down to a pace that a gateway which is away doesn't notice, and never gives up.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(0)
		g.refuse = func(int, *strawv1.SubscribeRequest) error { return failure(codes.Unavailable, "DRAINING", nil) }
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var early, calls int
		var longest time.Duration
		hooks := straw.Hooks{Disconnected: func(_ error, retryIn time.Duration) {
			if calls++; calls <= 3 && retryIn < 400*time.Millisecond {
				early++
			}
			longest = max(longest, retryIn)
		}}
		for _, err := range g.startInMemory(t).Subscribe(ctx, straw.SubscribeOptions{Hooks: hooks}) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
		if early != 3 {
			t.Errorf("%d of the first three waits are short, want all", early)
		}
		// At 7.5 s each on average there are 480 an hour.
		if calls < 350 || calls > 650 || longest > 15*time.Second {
			t.Errorf("%d calls in an hour, waits up to %v", calls, longest)
		}
	})
}

// A stream that dies at each first event must not be retried at full speed.
func TestBackoffGrowsWithoutProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(1)
		g.script = func(int, *strawv1.SubscribeRequest, grpc.ServerStreamingServer[straw.Frame]) error {
			return failure(codes.Unavailable, "STORE_UNAVAILABLE", nil)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		for _, err := range g.startInMemory(t).Subscribe(ctx, straw.SubscribeOptions{}) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
		if got := len(g.starts()); got > 650 {
			t.Errorf("%d calls in an hour", got)
		}
	})
}

// A synced write per event would be the slowest part of a busy program.
func TestCursorIsSavedOnceAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const events = 101
		g := newGateway(events)
		c := g.startInMemory(t)
		store := &memoryStore{}
		n := 0
		for _, err := range c.Subscribe(t.Context(), straw.SubscribeOptions{Start: straw.Earliest(), CursorStore: store, CursorInterval: 5 * time.Second}) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == events {
				// Nothing more comes: the timer saves what is pending, without a frame to drive it.
				<-time.After(6 * time.Second)
				synctest.Wait()
				if store.cursor != "c100" {
					t.Errorf("saved %q while idle, want c100", store.cursor)
				}
				break
			}
			<-time.After(time.Second)
		}
		if len(store.saves) < 15 || len(store.saves) > 21 {
			t.Errorf("%d saves in %d s at one each 5 s: %v", len(store.saves), events, store.saves)
		}
	})
}
