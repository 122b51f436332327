package straw_test

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gateway is a log in memory behind the real service definition. The event n has the id `evt_n` and the cursor `c<n>`;
// `c0` is the position before the first.
type gateway struct {
	strawv1.UnimplementedEventServiceServer
	strawv1.UnimplementedGatewayServiceServer

	heartbeat time.Duration
	batch     int
	// refuse, if set, answers a Subscribe before its first frame.
	refuse func(call int, r *strawv1.SubscribeRequest) error
	// script, if set, replaces the stream after its first frame.
	script func(call int, r *strawv1.SubscribeRequest, s grpc.ServerStreamingServer[straw.Frame]) error

	mu       sync.Mutex
	events   []*straw.Event
	appended chan struct{}
	requests []*strawv1.SubscribeRequest
}

func newGateway(events int) *gateway {
	g := &gateway{heartbeat: 15 * time.Second, batch: 7, appended: make(chan struct{})}
	g.append(events)
	return g
}

func (g *gateway) append(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for range n {
		i := len(g.events) + 1
		g.events = append(g.events, &straw.Event{
			Id: fmt.Sprintf("evt_%d", i), Type: straw.TypeAnalysisCompleted, Source: "juicebox", Cursor: fmt.Sprintf("c%d", i),
			Payload: &strawv1.Event_AnalysisCompleted{AnalysisCompleted: &straw.AnalysisCompleted{AnalysisId: strings.Repeat("a", i%97+1)}},
		})
	}
	close(g.appended)
	g.appended = make(chan struct{})
}

// after returns at most a batch of events behind a position, how many are left then, and what closes when there are more.
func (g *gateway) after(position int) (events []*straw.Event, left int, more <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	rest := g.events[position:]
	n := min(g.batch, len(rest))
	return rest[:n], len(rest) - n, g.appended
}

func (g *gateway) enter(r *strawv1.SubscribeRequest) (call, position, head int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests = append(g.requests, r)
	call, head = len(g.requests), len(g.events)
	position = head
	if r.GetStartPosition() == strawv1.StartPosition_EARLIEST {
		position = 0
	}
	if start, ok := r.Start.(*strawv1.SubscribeRequest_After); ok {
		position, err = strconv.Atoi(strings.TrimPrefix(start.After, "c"))
		if err != nil {
			err = failure(codes.InvalidArgument, "INVALID_CURSOR", nil)
		}
	}
	return call, position, head, err
}

func (g *gateway) Subscribe(r *strawv1.SubscribeRequest, s grpc.ServerStreamingServer[straw.Frame]) error {
	call, position, head, err := g.enter(r)
	if err == nil && g.refuse != nil {
		err = g.refuse(call, r)
	}
	if err != nil {
		return err
	}
	first := &straw.Frame{Cursor: fmt.Sprintf("c%d", position), Backlog: uint64(head - position), HeartbeatInterval: durationpb.New(g.heartbeat)}
	if err := s.Send(first); err != nil {
		return err
	}
	if g.script != nil {
		return g.script(call, r, s)
	}
	return g.stream(s, position, head, r.GetEndAtHead())
}

func (g *gateway) stream(s grpc.ServerStreamingServer[straw.Frame], position, head int, endAtHead bool) error {
	ticker := time.NewTicker(g.heartbeat)
	defer ticker.Stop()
	for {
		events, left, more := g.after(position)
		if endAtHead && position >= head {
			return nil
		}
		if len(events) == 0 {
			select {
			case <-more:
				continue
			case <-ticker.C:
			case <-s.Context().Done():
				return s.Context().Err()
			}
		}
		position += len(events)
		if err := s.Send(frame(events, position, left)); err != nil {
			return err
		}
	}
}

func frame(events []*straw.Event, position, left int) *straw.Frame {
	f := &straw.Frame{Cursor: fmt.Sprintf("c%d", position), Backlog: uint64(left)}
	for _, e := range events {
		f.Deliveries = append(f.Deliveries, &strawv1.Delivery{Event: e})
	}
	return f
}

// starts returns the positions that the calls began after, in order.
func (g *gateway) starts() (starts []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.requests {
		starts = append(starts, r.GetAfter())
	}
	return starts
}

func failure(code codes.Code, reason string, metadata map[string]string) error {
	s, err := status.New(code, "what happened").WithDetails(&errdetails.ErrorInfo{Domain: "straw.v1", Reason: reason, Metadata: metadata})
	if err != nil {
		panic(err)
	}
	return s.Err()
}

// serve runs the gateway on a listener until the test ends or stop is called.
func (g *gateway) serve(t testing.TB, l net.Listener, opts ...grpc.ServerOption) (stop func()) {
	t.Helper()
	server := grpc.NewServer(opts...)
	strawv1.RegisterEventServiceServer(server, g)
	strawv1.RegisterGatewayServiceServer(server, g)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); err != nil {
			t.Errorf("serving: %v", err)
		}
	}()
	stop = sync.OnceFunc(func() { server.Stop(); <-done })
	t.Cleanup(stop)
	return stop
}

func listen(t testing.TB, address string) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func dial(t *testing.T, target string, opts ...straw.Option) *straw.Client {
	t.Helper()
	c, err := straw.Dial(target, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// start serves the gateway on a free port and returns a client of it.
func (g *gateway) start(t *testing.T) *straw.Client {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	g.serve(t, l)
	return dial(t, l.Addr().String())
}

// bounded is a context that ends long after any healthy test.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, fmt.Errorf("the test took a minute"))
	t.Cleanup(cancel)
	return ctx
}

// read reads events until there are n, and fails the test unless they are evt_from, evt_from+1 and so on.
func read(t *testing.T, c *straw.Client, opts straw.SubscribeOptions, from, n int) {
	t.Helper()
	next := from
	for e, err := range c.Subscribe(bounded(t), opts) {
		if err != nil {
			t.Fatalf("after evt_%d: %v", next-1, err)
		}
		if want := fmt.Sprintf("evt_%d", next); e.GetId() != want {
			t.Fatalf("got %s, want %s", e.GetId(), want)
		}
		if next++; next == from+n {
			return
		}
	}
	t.Fatalf("the stream ended after evt_%d", next-1)
}
