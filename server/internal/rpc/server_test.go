package rpc_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/fanout"
	"github.com/straw-gateway/straw/server/internal/rpc"
	"github.com/straw-gateway/straw/server/internal/signature"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore"
	"github.com/straw-gateway/straw/server/internal/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An api is the services over a real log, served over TCP.
type api struct {
	t       testing.TB
	log     *pebblestore.Log
	streams *stream.Streams
	server  *rpc.Server
	conn    *grpc.ClientConn
	events  strawv1.EventServiceClient
	gateway strawv1.GatewayServiceClient
}

type setup struct {
	store      pebblestore.Options
	maxStreams int
	ring       int
	// more, if set, completes the options.
	more func(*rpc.Options)
}

func newAPI(t testing.TB, s setup) *api {
	t.Helper()
	hub := fanout.New(s.ring)
	s.store.Tail = hub
	s.store.Logger = slog.New(slog.DiscardHandler)
	if s.store.FS == nil {
		s.store.FS = vfs.NewMem()
	}
	log, err := pebblestore.Open("store", s.store)
	if err != nil {
		t.Fatal(err)
	}
	hub.Open(log.Identity(), log.Types(), log.Bounds().Head)
	secrets, err := signature.NewSet([]string{"a secret of some length"})
	if err != nil {
		t.Fatal(err)
	}
	a := &api{t: t, log: log, streams: stream.New(log, hub, nil, quiet{})}
	o := rpc.Options{
		Log: log, Engine: "pebble", Hub: hub, Streams: a.streams, Secrets: secrets, Quota: noQuota{}, Version: "v0.0.0-test",
		Logger: slog.New(slog.DiscardHandler), MaxStreams: s.maxStreams,
	}
	if s.more != nil {
		a.log = log
		s.more(&o)
	}
	a.server = rpc.NewServer(o)
	a.serve(hub)
	return a
}

func (a *api) serve(hub *fanout.Hub) {
	a.t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		a.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	waker, served := make(chan error, 1), make(chan error, 1)
	go func() { waker <- hub.Run(ctx) }()
	go func() { served <- a.server.Serve(lis) }()
	a.conn, err = grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		a.t.Fatal(err)
	}
	a.events, a.gateway = strawv1.NewEventServiceClient(a.conn), strawv1.NewGatewayServiceClient(a.conn)
	a.t.Cleanup(func() {
		_ = a.conn.Close()
		a.server.Stop()
		cancel()
		if err := <-served; err != nil {
			a.t.Error(err)
		}
		if err := <-waker; err != nil {
			a.t.Error(err)
		}
		if err := a.log.Close(); err != nil {
			a.t.Error(err)
		}
	})
}

type quiet struct{}

func (quiet) Opened(string) {}
func (quiet) Closed(string) {}
func (quiet) Sent(int)      {}
func (quiet) FilterFailed() {}

type noQuota struct{}

func (noQuota) Latest() *strawv1.Event { return nil }

// append stores an event of a type with a payload and a body, and returns its id.
func (a *api) append(typ string, payload *strawv1.Event) string {
	a.t.Helper()
	return a.appendAs(fmt.Sprint("evt_", a.log.Bounds().Head+1), typ, payload)
}

func (a *api) appendAs(id, typ string, payload *strawv1.Event) string {
	a.t.Helper()
	e := &strawv1.Event{Id: id, Type: typ, Source: event.SourceJuicebox}
	if payload != nil {
		e.Payload = payload.Payload
	}
	encoded, err := proto.Marshal(e)
	if err != nil {
		a.t.Fatal(err)
	}
	d := &event.Draft{Source: e.Source, ID: id, Type: typ, ReceiveTime: time.Now(), Encoded: encoded, Raw: []byte("body of " + id)}
	if _, err := a.log.Append(a.t.Context(), d); err != nil {
		a.t.Fatal(err)
	}
	return id
}

func quota(percent float64) *strawv1.Event {
	return &strawv1.Event{Payload: &strawv1.Event_QuotaWarning{QuotaWarning: &strawv1.QuotaWarning{UsagePercent: &percent}}}
}

func query(q string) *strawv1.Event {
	return &strawv1.Event{Payload: &strawv1.Event_AnalysisCompleted{AnalysisCompleted: &strawv1.AnalysisCompleted{AnalysisId: "a", Query: &q}}}
}

func (a *api) subscribe(req *strawv1.SubscribeRequest) grpc.ServerStreamingClient[strawv1.SubscribeResponse] {
	a.t.Helper()
	s, err := a.events.Subscribe(a.t.Context(), req)
	if err != nil {
		a.t.Fatal(err)
	}
	return s
}

// recv returns the next frame, which must come.
func (a *api) recv(s grpc.ServerStreamingClient[strawv1.SubscribeResponse]) *strawv1.SubscribeResponse {
	a.t.Helper()
	f, err := s.Recv()
	if err != nil {
		a.t.Fatal(err)
	}
	return f
}

// all runs a subscription with end_at_head to its end and returns its frames.
func (a *api) all(req *strawv1.SubscribeRequest) []*strawv1.SubscribeResponse {
	a.t.Helper()
	req.EndAtHead = true
	s := a.subscribe(req)
	var frames []*strawv1.SubscribeResponse
	for {
		f, err := s.Recv()
		if err == io.EOF {
			return frames
		}
		if err != nil {
			a.t.Fatal(err)
		}
		frames = append(frames, f)
	}
}

func ids(frames ...*strawv1.SubscribeResponse) string {
	var out []string
	for _, f := range frames {
		for _, d := range f.GetDeliveries() {
			out = append(out, d.GetEvent().GetId())
		}
	}
	return strings.Join(out, " ")
}

func earliest() *strawv1.SubscribeRequest {
	return &strawv1.SubscribeRequest{Start: &strawv1.SubscribeRequest_StartPosition{StartPosition: strawv1.StartPosition_EARLIEST}}
}

func after(cursor string) *strawv1.SubscribeRequest {
	return &strawv1.SubscribeRequest{Start: &strawv1.SubscribeRequest_After{After: cursor}}
}

// wantError checks an error's code, reason and metadata, and that it says something.
func wantError(t testing.TB, err error, code codes.Code, reason strawv1.ErrorReason, metadata map[string]string) {
	t.Helper()
	s := status.Convert(err)
	if s.Code() != code {
		t.Fatalf("got %v, want %v %v", err, code, reason)
	}
	for _, d := range s.Details() {
		info, ok := d.(*errdetails.ErrorInfo)
		if !ok || info.GetReason() != reason.String() || info.GetDomain() != "straw.v1" {
			continue
		}
		for k, v := range metadata {
			if info.GetMetadata()[k] != v {
				t.Errorf("metadata %s is %q, want %q (%v)", k, info.GetMetadata()[k], v, err)
			}
		}
		if len(s.Message()) < 20 {
			t.Errorf("the message %q says too little", s.Message())
		}
		return
	}
	t.Errorf("no ErrorInfo of reason %v in %v", reason, s.Details())
}
