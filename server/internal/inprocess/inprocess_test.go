package inprocess_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/inprocess"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A service answers as each test says.
type service struct {
	strawv1.UnimplementedEventServiceServer
	get       func(context.Context, *strawv1.GetEventRequest) (*strawv1.Event, error)
	subscribe func(*strawv1.SubscribeRequest, grpc.ServerStreamingServer[strawv1.SubscribeResponse]) error
}

func (s *service) GetEvent(ctx context.Context, req *strawv1.GetEventRequest) (*strawv1.Event, error) {
	return s.get(ctx, req)
}

func (s *service) Subscribe(req *strawv1.SubscribeRequest, out grpc.ServerStreamingServer[strawv1.SubscribeResponse]) error {
	return s.subscribe(req, out)
}

// connect registers the service and returns a client of it. When the test ends, so must all calls.
func connect(t *testing.T, s *service, change ...func(*inprocess.Options)) (*inprocess.Conn, strawv1.EventServiceClient) {
	t.Helper()
	o := inprocess.Options{Codec: encoding.GetCodecV2("proto"), MaxRequest: 1 << 10}
	for _, c := range change {
		c(&o)
	}
	conn := inprocess.New(o)
	strawv1.RegisterEventServiceServer(conn, s)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := conn.Shutdown(ctx); err != nil {
			t.Errorf("calls go on after the test: %v", err)
		}
	})
	return conn, strawv1.NewEventServiceClient(conn)
}

func TestACallArrivesAsOverANetwork(t *testing.T) {
	caller := &peer.Peer{Addr: &net.TCPAddr{IP: net.IPv4(203, 0, 113, 9), Port: 4711}}
	request := &strawv1.GetEventRequest{Id: "evt_1"}
	_, client := connect(t, &service{get: func(ctx context.Context, req *strawv1.GetEventRequest) (*strawv1.Event, error) {
		if p, _ := peer.FromContext(ctx); p != caller {
			t.Errorf("the peer is %v", p)
		}
		in, _ := metadata.FromIncomingContext(ctx)
		if diff := cmp.Diff(metadata.MD{"traceparent": {"t"}}, in); diff != "" {
			t.Errorf("incoming metadata (-want +got):\n%s", diff)
		}
		if out, _ := metadata.FromOutgoingContext(ctx); len(out) != 0 {
			t.Errorf("metadata %v would go on to whom the service calls", out)
		}
		if _, ok := ctx.Deadline(); !ok {
			t.Error("the deadline is lost")
		}
		if method, _ := grpc.Method(ctx); method != strawv1.EventService_GetEvent_FullMethodName {
			t.Errorf("the method is %q", method)
		}
		if req != request {
			t.Error("the request was copied")
		}
		if err := grpc.SetHeader(ctx, metadata.Pairs("a", "1")); err != nil {
			t.Error(err)
		}
		if err := grpc.SendHeader(ctx, metadata.Pairs("a", "2")); err != nil {
			t.Error(err)
		}
		if grpc.SetHeader(ctx, metadata.Pairs("a", "3")) == nil {
			t.Error("a header was set after it was sent")
		}
		return &strawv1.Event{Id: "evt_1", Raw: []byte("raw")}, grpc.SetTrailer(ctx, metadata.Pairs("b", "4"))
	}})
	ctx, cancel := context.WithTimeout(peer.NewContext(t.Context(), caller), time.Minute)
	defer cancel()
	var header, trailer metadata.MD
	got, err := client.GetEvent(metadata.AppendToOutgoingContext(ctx, "Traceparent", "t"), request, grpc.Header(&header), grpc.Trailer(&trailer))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&strawv1.Event{Id: "evt_1", Raw: []byte("raw")}, got, protocmp.Transform()); diff != "" {
		t.Errorf("the response (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]metadata.MD{{"a": {"1", "2"}}, {"b": {"4"}}}, []metadata.MD{header, trailer}); diff != "" {
		t.Errorf("header and trailer (-want +got):\n%s", diff)
	}
}

// TestTheResponseIsNotTheServices shows that a caller may set fields of what it got: a service may have answered with a message
// that it keeps.
func TestTheResponseIsNotTheServices(t *testing.T) {
	kept := &strawv1.Event{Id: "evt_1", Cursor: "c1"}
	_, client := connect(t, &service{get: func(context.Context, *strawv1.GetEventRequest) (*strawv1.Event, error) { return kept, nil }})
	got, err := client.GetEvent(t.Context(), &strawv1.GetEventRequest{})
	if err != nil {
		t.Fatal(err)
	}
	got.Cursor = "other"
	if kept.GetCursor() != "c1" {
		t.Errorf("the service's message was changed: %v", kept)
	}
}

func TestErrorsAreThoseOfANetwork(t *testing.T) {
	described, err := status.New(codes.NotFound, "no such event").WithDetails(&errdetails.ErrorInfo{Reason: "EVENT_NOT_FOUND"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		err     error
		code    codes.Code
		details int
	}{
		"a status":        {described.Err(), codes.NotFound, 1},
		"a cancellation":  {context.Canceled, codes.Canceled, 0},
		"another error":   {errors.New("a slip"), codes.Unknown, 0},
		"a deadline":      {context.DeadlineExceeded, codes.DeadlineExceeded, 0},
		"a wrapped error": {errors.Join(errors.New("a slip"), described.Err()), codes.NotFound, 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, client := connect(t, &service{
				get: func(context.Context, *strawv1.GetEventRequest) (*strawv1.Event, error) { return nil, c.err },
				subscribe: func(*strawv1.SubscribeRequest, grpc.ServerStreamingServer[strawv1.SubscribeResponse]) error {
					return c.err
				},
			})
			_, unary := client.GetEvent(t.Context(), &strawv1.GetEventRequest{})
			_, streamed := receive(t, client)
			for _, got := range []error{unary, streamed} {
				if s := status.Convert(got); s.Code() != c.code || len(s.Details()) != c.details {
					t.Errorf("got %v with %v", got, s.Details())
				}
			}
		})
	}
}

// receive subscribes and returns the first message.
func receive(t *testing.T, client strawv1.EventServiceClient) (*strawv1.SubscribeResponse, error) {
	t.Helper()
	stream, err := client.Subscribe(t.Context(), &strawv1.SubscribeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return stream.Recv()
}

func TestWhatIsRefused(t *testing.T) {
	conn, client := connect(t, &service{})
	large := &strawv1.GetEventRequest{Id: strings.Repeat("x", 2<<10)}
	if _, err := client.GetEvent(t.Context(), large); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a request that is too large: %v", err)
	}
	stream, err := client.Subscribe(t.Context(), &strawv1.SubscribeRequest{Filter: strings.Repeat("x", 2<<10)})
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a stream's request that is too large: %v", err)
	}
	if err := conn.Invoke(t.Context(), "/straw.v1.EventService/Nope", large, large); status.Code(err) != codes.Unimplemented {
		t.Errorf("a method that isn't there: %v", err)
	}
	if _, err := conn.NewStream(t.Context(), &grpc.StreamDesc{}, "/straw.v1.EventService/Nope"); status.Code(err) != codes.Unimplemented {
		t.Errorf("a stream that isn't there: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.GetEvent(ended, &strawv1.GetEventRequest{}); status.Code(err) != codes.Canceled {
		t.Errorf("a call whose caller is gone: %v", err)
	}
}

func TestInterceptorsStandAroundInOrder(t *testing.T) {
	var order []string
	_, client := connect(t, &service{
		get: func(context.Context, *strawv1.GetEventRequest) (*strawv1.Event, error) { return &strawv1.Event{}, nil },
		subscribe: func(*strawv1.SubscribeRequest, grpc.ServerStreamingServer[strawv1.SubscribeResponse]) error {
			return nil
		},
	}, func(o *inprocess.Options) {
		for _, name := range []string{"outer", "inner"} {
			o.Unary = append(o.Unary, func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
				order = append(order, name+info.FullMethod+req.(*strawv1.GetEventRequest).GetId())
				return next(ctx, req)
			})
			o.Stream = append(o.Stream, func(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
				order = append(order, name+info.FullMethod)
				return next(srv, s)
			})
		}
	})
	if _, err := client.GetEvent(t.Context(), &strawv1.GetEventRequest{Id: "x"}); err != nil {
		t.Fatal(err)
	}
	if _, err := receive(t, client); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	get, subscribe := strawv1.EventService_GetEvent_FullMethodName, strawv1.EventService_Subscribe_FullMethodName
	if diff := cmp.Diff([]string{"outer" + get + "x", "inner" + get + "x", "outer" + subscribe, "inner" + subscribe}, order); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAStreamHandsOverOneMessageAtATime has a service that sends as fast as it may, to a caller that comes for two messages.
func TestAStreamHandsOverOneMessageAtATime(t *testing.T) {
	sent, blocked := make(chan int, 100), make(chan error, 1)
	_, client := connect(t, &service{subscribe: func(req *strawv1.SubscribeRequest, s grpc.ServerStreamingServer[strawv1.SubscribeResponse]) error {
		for n := 0; ; n++ {
			if err := s.Send(&strawv1.SubscribeResponse{Cursor: req.GetFilter(), Backlog: uint64(n)}); err != nil {
				blocked <- err
				return err
			}
			sent <- n
		}
	}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := client.Subscribe(ctx, &strawv1.SubscribeRequest{Filter: "f"})
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(2) {
		got, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if want := (&strawv1.SubscribeResponse{Cursor: "f", Backlog: n}); !proto.Equal(want, got) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	for n := range 2 {
		if got := <-sent; got != n {
			t.Fatalf("the service has sent %d, want %d", got, n)
		}
	}
	select {
	case n := <-sent:
		t.Errorf("message %d went without a receiver", n)
	case <-time.After(100 * time.Millisecond):
	}
	cancel()
	if err := <-blocked; status.Code(err) != codes.Canceled {
		t.Errorf("the service that waits for its caller got %v", err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("the caller got %v", err)
	}
}

func TestStreamsHaveMetadata(t *testing.T) {
	_, client := connect(t, &service{subscribe: func(_ *strawv1.SubscribeRequest, s grpc.ServerStreamingServer[strawv1.SubscribeResponse]) error {
		s.SetTrailer(metadata.Pairs("b", "2"))
		if err := s.SendHeader(metadata.Pairs("a", "1")); err != nil {
			return err
		}
		return s.Send(&strawv1.SubscribeResponse{})
	}})
	var trailer metadata.MD
	stream, err := client.Subscribe(t.Context(), &strawv1.SubscribeRequest{}, grpc.Trailer(&trailer))
	if err != nil {
		t.Fatal(err)
	}
	if header, err := stream.Header(); err != nil || header.Get("a")[0] != "1" {
		t.Errorf("the header is %v, %v", header, err)
	}
	for _, want := range []error{nil, io.EOF, io.EOF} {
		if _, err := stream.Recv(); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	for _, got := range []metadata.MD{trailer, stream.Trailer()} {
		if diff := cmp.Diff(metadata.MD{"b": {"2"}}, got); diff != "" {
			t.Errorf("trailer (-want +got):\n%s", diff)
		}
	}
}

// TestShutdownWaits shows that nothing begins after it, and that it ends when the last call has.
func TestShutdownWaits(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	conn, client := connect(t, &service{get: func(context.Context, *strawv1.GetEventRequest) (*strawv1.Event, error) {
		close(entered)
		<-leave
		return &strawv1.Event{}, nil
	}})
	answered := make(chan error)
	go func() {
		_, err := client.GetEvent(context.Background(), &strawv1.GetEventRequest{})
		answered <- err
	}()
	<-entered
	hurried, cancel := context.WithCancel(t.Context())
	cancel()
	if err := conn.Shutdown(hurried); !errors.Is(err, context.Canceled) {
		t.Errorf("with a call open and no time: %v", err)
	}
	if _, err := client.GetEvent(t.Context(), &strawv1.GetEventRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("a call afterwards: %v", err)
	}
	close(leave)
	if err := conn.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
}
