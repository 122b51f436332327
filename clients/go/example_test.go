package straw_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"

	"google.golang.org/grpc"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// exampleGateway is a gateway with three events, listening on a free port.
func exampleGateway() (target string, stop func()) {
	g := newGateway(0)
	count := int64(42)
	g.events = []*straw.Event{
		{Id: "evt_1", Type: straw.TypeAnalysisCompleted, Cursor: "c1", Payload: &strawv1.Event_AnalysisCompleted{
			AnalysisCompleted: &straw.AnalysisCompleted{AnalysisId: "an_1", ResultCount: &count}}},
		{Id: "evt_2", Type: straw.TypeAnalysisCompleted, Cursor: "c2", Payload: &strawv1.Event_AnalysisCompleted{
			AnalysisCompleted: &straw.AnalysisCompleted{AnalysisId: "an_2"}}},
		{Id: "evt_3", Type: "profile.enriched", Cursor: "c3", Payload: &strawv1.Event_Unrecognized{
			Unrecognized: &straw.Unrecognized{Detail: `"profile.enriched" is not a type that this gateway knows`}}},
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	strawv1.RegisterEventServiceServer(server, g)
	go func() {
		if err := server.Serve(l); err != nil {
			log.Fatal(err)
		}
	}()
	return l.Addr().String(), server.Stop
}

func Example() {
	target, stop := exampleGateway()
	defer stop()

	client, err := straw.Dial(target)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	// Without EndAtHead the loop goes on for ever, through restarts of the gateway and failures of the network.
	opts := straw.SubscribeOptions{Start: straw.Earliest(), EndAtHead: true}
	for event, err := range client.Subscribe(context.Background(), opts) {
		if err != nil {
			log.Fatal(err)
		}
		switch p := straw.Payload(event).(type) {
		case *straw.AnalysisCompleted:
			if p.ResultCount == nil {
				fmt.Println(p.GetAnalysisId(), "timed out")
				continue
			}
			fmt.Println(p.GetAnalysisId(), "has", p.GetResultCount(), "results")
		case *straw.Unrecognized:
			fmt.Println(event.GetId(), "is not typed:", p.GetDetail())
		}
	}
	// Output:
	// an_1 has 42 results
	// an_2 timed out
	// evt_3 is not typed: "profile.enriched" is not a type that this gateway knows
}

// The position is kept in a file, so that the program goes on after a restart where it was.
func ExampleFileCursor() {
	target, stop := exampleGateway()
	defer stop()
	client, err := straw.Dial(target)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	folder, err := os.MkdirTemp("", "straw")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()

	opts := straw.SubscribeOptions{
		Start:       straw.Earliest(), // until the first event is processed
		CursorStore: straw.FileCursor(filepath.Join(folder, "position")),
		EndAtHead:   true,
	}
	for run := 1; run <= 2; run++ {
		for event, err := range client.Subscribe(context.Background(), opts) {
			if err != nil {
				log.Fatal(err)
			}
			if event.GetId() == "evt_3" && run == 1 {
				break // as a crash would: evt_3 comes again
			}
			fmt.Println("run", run, event.GetId())
		}
	}
	// Output:
	// run 1 evt_1
	// run 1 evt_2
	// run 2 evt_3
}

// A durable subscription keeps the position in the gateway. Returning nil acknowledges the event; an error gives it back, to be
// sent again.
func ExampleClient_Consume() {
	target, stop := exampleSubscription()
	defer stop()
	client, err := straw.Dial(target)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	// A program would end with SIGTERM: signal.NotifyContext(context.Background(), syscall.SIGTERM).
	ctx, cancel := context.WithCancel(context.Background())
	opts := straw.ConsumeOptions{Subscription: "billing", Concurrency: 1}
	err = client.Consume(ctx, opts, func(_ context.Context, d *straw.Delivery) error {
		fmt.Println(d.Event.GetId(), "attempt", d.Attempt)
		if d.Event.GetId() == "evt_3" {
			cancel()
		}
		return nil
	})
	fmt.Println("drained:", err)
	// Output:
	// evt_1 attempt 1
	// evt_2 attempt 1
	// evt_3 attempt 1
	// drained: <nil>
}

// A loop settles deliveries itself, and may gather them: here three are stored in one transaction.
func ExampleClient_Deliveries() {
	target, stop := exampleSubscription()
	defer stop()
	client, err := straw.Dial(target)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ctx := context.Background()
	var batch []*straw.Delivery
	for d, err := range client.Deliveries(ctx, straw.ConsumeOptions{Subscription: "billing", Concurrency: 3}) {
		if err != nil {
			log.Fatal(err)
		}
		if batch = append(batch, d); len(batch) < 3 {
			continue
		}
		for _, d := range batch {
			d.Ack()
		}
		for _, d := range batch {
			status, err := d.Wait(ctx)
			fmt.Println(d.Event.GetId(), status, err)
		}
		break
	}
	// Output:
	// evt_1 ACKED <nil>
	// evt_2 ACKED <nil>
	// evt_3 ACKED <nil>
}

// exampleSubscription is a gateway with a durable subscription that owes three events.
func exampleSubscription() (target string, stop func()) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	newLeanDurable([]*straw.Event{{Id: "evt_1"}, {Id: "evt_2"}, {Id: "evt_3"}}, false).register(server)
	go func() {
		if err := server.Serve(l); err != nil {
			log.Fatal(err)
		}
	}()
	return l.Addr().String(), server.Stop
}

// Frames show how far behind the subscription is.
func ExampleClient_Frames() {
	target, stop := exampleGateway()
	defer stop()
	client, err := straw.Dial(target)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	for frame, err := range client.Frames(context.Background(), straw.SubscribeOptions{Start: straw.Earliest()}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(frame.GetDeliveries()), "events,", frame.GetBacklog(), "left")
		if frame.GetBacklog() == 0 {
			fmt.Println("caught up")
			break
		}
	}
	// Output:
	// 0 events, 3 left
	// 3 events, 0 left
	// caught up
}

func ExampleError() {
	target, stop := exampleGateway()
	defer stop()
	client, err := straw.Dial(target)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	for _, err := range client.Subscribe(context.Background(), straw.SubscribeOptions{Start: straw.After("mangled")}) {
		if e, ok := errors.AsType[*straw.Error](err); ok {
			fmt.Println(e.Code, e.Reason)
		}
	}
	// Output: InvalidArgument INVALID_CURSOR
}

func ExampleVerifySignature() {
	body := []byte("what do ya want for nothing?")
	header := "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
	fmt.Println(straw.VerifySignature(body, header, "the next secret", "Jefe"))
	fmt.Println(straw.VerifySignature(body, header, "the next secret"))
	// Output:
	// <nil>
	// straw: the webhook's signature doesn't match
}
