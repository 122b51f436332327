package straw_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// BenchmarkReplay reads events as fast as they come, through the client and through the bare generated stub. What counts is
// the ratio; both share the machine with the sender.
//
//	go test -run '^$' -bench Replay -count 5 ./clients/go
func BenchmarkReplay(b *testing.B) {
	target := replayer(b)
	b.Run("client", func(b *testing.B) { benchmarkClient(b, target) })
	b.Run("bare", func(b *testing.B) { benchmarkBare(b, target) })
}

func benchmarkClient(b *testing.B, target string) {
	b.Helper()
	c, err := straw.Dial(target)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.ReportAllocs()
	n := 0
	for e, err := range c.Subscribe(b.Context(), straw.SubscribeOptions{Start: straw.Earliest()}) {
		if err != nil || e.GetId() == "" {
			b.Fatal(e, err)
		}
		if n++; n >= b.N {
			break
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func benchmarkBare(b *testing.B, target string) {
	b.Helper()
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	b.ReportAllocs()
	stream, err := strawv1.NewEventServiceClient(conn).Subscribe(b.Context(), &strawv1.SubscribeRequest{})
	if err != nil {
		b.Fatal(err)
	}
	for n := 0; n < b.N; {
		f, err := stream.Recv()
		if err != nil {
			b.Fatal(err)
		}
		for _, d := range f.GetDeliveries() {
			if d.GetEvent().GetId() == "" {
				b.Fatal(d)
			}
			n++
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkMemory reads events with a saved cursor, and measures the live heap of the client and the sender after each tenth of
// them. It fails if that grows from the second tenth on.
//
//	go test -run '^$' -bench Memory -benchtime 10000000x ./clients/go
func BenchmarkMemory(b *testing.B) {
	c, err := straw.Dial(replayer(b))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	options := straw.SubscribeOptions{Start: straw.Earliest(), CursorStore: straw.FileCursor(filepath.Join(b.TempDir(), "position"))}
	tenth, n := max(1, b.N/10), 0
	var heaps []float64
	for _, err := range c.Subscribe(b.Context(), options) {
		if err != nil {
			b.Fatal(err)
		}
		if n++; n%tenth == 0 {
			heaps = append(heaps, liveHeap())
		}
		if n >= b.N {
			break
		}
	}
	most := slices.Max(heaps)
	b.ReportMetric(most, "MiB")
	if early := slices.Max(heaps[:min(2, len(heaps))]); most > early+1 {
		b.Errorf("the live heap grew from %.1f MiB: %.1f", early, heaps)
	}
}

// liveHeap is in MiB.
func liveHeap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// BenchmarkConsume consumes and acknowledges, through the client and through the bare generated stub, which acknowledges each
// frame before it reads the next. Both may have 1,000 deliveries outstanding.
//
//	go test -run '^$' -bench Consume -count 5 ./clients/go
func BenchmarkConsume(b *testing.B) {
	server := grpc.NewServer()
	var events []*straw.Event
	for i, d := range slices.Repeat(fullFrame().GetDeliveries(), 8) { // more different ones than can be outstanding
		e := proto.CloneOf(d.GetEvent())
		e.Id = fmt.Sprintf("evt_%024d", i)
		events = append(events, e)
	}
	newLeanDurable(events, true).register(server)
	l := listen(b, "127.0.0.1:0")
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); err != nil {
			b.Errorf("serving: %v", err)
		}
	}()
	b.Cleanup(func() { server.Stop(); <-done })
	b.Run("handler", func(b *testing.B) { benchmarkHandler(b, l.Addr().String()) })
	b.Run("iterator", func(b *testing.B) { benchmarkDeliveries(b, l.Addr().String()) })
	b.Run("bare", func(b *testing.B) { benchmarkBareAcks(b, l.Addr().String()) })
}

func benchmarkHandler(b *testing.B, target string) {
	b.Helper()
	c, err := straw.Dial(target)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.ReportAllocs()
	ctx, stop := context.WithCancel(b.Context())
	var n atomic.Int64
	hooks := straw.Hooks{Settled: func(*straw.Delivery, straw.AckStatus, error) {
		if n.Add(1) == int64(b.N) {
			stop()
		}
	}}
	err = c.Consume(ctx, straw.ConsumeOptions{Subscription: "billing", Concurrency: 500, Hooks: hooks}, func(_ context.Context, d *straw.Delivery) error {
		if d.Event.GetId() == "" {
			b.Error("an event without an id")
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func benchmarkDeliveries(b *testing.B, target string) {
	b.Helper()
	c, err := straw.Dial(target)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.ReportAllocs()
	n := 0
	for d, err := range c.Deliveries(b.Context(), straw.ConsumeOptions{Subscription: "billing", Concurrency: 500}) {
		if err != nil || d.Event.GetId() == "" {
			b.Fatal(d, err)
		}
		d.Ack()
		if n++; n >= b.N {
			break
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func benchmarkBareAcks(b *testing.B, target string) {
	b.Helper()
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	b.ReportAllocs()
	stream, err := strawv1.NewEventServiceClient(conn).Subscribe(b.Context(), &strawv1.SubscribeRequest{SubscriptionId: "billing", MaxOutstanding: 1000})
	if err != nil {
		b.Fatal(err)
	}
	settle := strawv1.NewSubscriptionServiceClient(conn)
	for n := 0; n < b.N; {
		f, err := stream.Recv()
		if err != nil {
			b.Fatal(err)
		}
		req := &strawv1.AcknowledgeRequest{SubscriptionId: "billing"}
		for _, d := range f.GetDeliveries() {
			if d.GetEvent().GetId() == "" {
				b.Fatal(d)
			}
			req.AckIds = append(req.AckIds, d.GetAckId())
			n++
		}
		if _, err := settle.Acknowledge(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// replayer is a gateway that sends one full frame, encoded once, for ever.
func replayer(b *testing.B) (target string) {
	b.Helper()
	g := newGateway(0)
	g.script = func(_ int, _ *strawv1.SubscribeRequest, s grpc.ServerStreamingServer[straw.Frame]) error {
		var encoded grpc.PreparedMsg
		if err := encoded.Encode(s, fullFrame()); err != nil {
			return err
		}
		for {
			if err := s.SendMsg(&encoded); err != nil {
				return err
			}
		}
	}
	l := listen(b, "127.0.0.1:0")
	g.serve(b, l)
	return l.Addr().String()
}

func fullFrame() *straw.Frame {
	f := &straw.Frame{Cursor: "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}
	for i := range 256 {
		count, query := int64(i), "senior platform engineer, Berlin"
		f.Deliveries = append(f.Deliveries, &strawv1.Delivery{Event: &straw.Event{
			Id: fmt.Sprintf("evt_%024d", i), Type: straw.TypeAnalysisCompleted, Source: "juicebox", Cursor: f.GetCursor(),
			ReceiveTime: timestamppb.Now(), CreateTime: timestamppb.Now(),
			Payload: &strawv1.Event_AnalysisCompleted{AnalysisCompleted: &straw.AnalysisCompleted{
				AnalysisId: fmt.Sprintf("an_%024d", i), ResultCount: &count, Query: &query}},
		}})
	}
	return f
}
