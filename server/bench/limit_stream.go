package main

import (
	"encoding/json"
	"net"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
)

// LeanConfig is what the lean program holds and how it serves it.
type LeanConfig struct {
	// Fill is how many events its log holds at the start.
	Fill int
	// Repeat is how many times over a reader that starts at the earliest is sent them; 0 means once.
	Repeat int
	// Single sends one event a message instead of all that wait, up to a segment.
	Single bool
}

// lean is the least that a gateway can do: webhooks are appended to a log in memory, and each subscriber is sent what it
// hasn't seen yet, in batches of bytes that were encoded once. Nothing is stored, filtered, limited, measured or logged.
type lean struct {
	config  LeanConfig
	log     *leanLog
	trailer mem.SliceBuffer
	stops   []func()
}

func openLean(config LeanConfig) (*lean, any, error) {
	l := &lean{config: config, log: newLeanLog()}
	l.trailer = mem.SliceBuffer(frameTrailer())
	addrs, err := l.serve()
	if err == nil {
		err = l.log.fill(config.Fill)
	}
	if err != nil {
		l.close()
		return nil, nil, err
	}
	return l, addrs, nil
}

// frameTrailer is the cursor and backlog that each of Straw's frames ends with, so that both sides' clients decode the same.
func frameTrailer() []byte {
	b := protowire.AppendTag(nil, 2, protowire.BytesType)
	b = protowire.AppendString(b, event.Identity{}.Cursor(1))
	b = protowire.AppendTag(b, 3, protowire.VarintType)
	return protowire.AppendVarint(b, 1000)
}

func (l *lean) serve() (addrs Addresses, err error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return addrs, err
	}
	server := grpc.NewServer(grpc.Creds(insecure.NewCredentials()), grpc.ForceServerCodecV2(frameCodec{}))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: strawv1.EventService_ServiceDesc.ServiceName,
		Streams: []grpc.StreamDesc{{StreamName: "Subscribe", ServerStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
			return l.subscribe(stream)
		}}},
	}, nil)
	go func() { _ = server.Serve(listener) }()
	l.stops = append(l.stops, server.Stop)
	addrs.GRPC = listener.Addr().String()

	var stopWebhook, stopMetrics func()
	if addrs.Webhook, stopWebhook, err = serveHTTP(newLeanWebhook(l.log.append)); err != nil {
		return addrs, err
	}
	l.stops = append(l.stops, stopWebhook)
	if addrs.HTTP, stopMetrics, err = serveMetrics(); err != nil {
		return addrs, err
	}
	l.stops = append(l.stops, stopMetrics)
	return addrs, nil
}

func (l *lean) subscribe(stream grpc.ServerStream) error {
	var request strawv1.SubscribeRequest
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	first, err := proto.Marshal(&strawv1.SubscribeResponse{HeartbeatInterval: durationpb.New(15 * time.Second)})
	if err != nil {
		return err
	}
	reader := l.log.atHead()
	if err := stream.SendMsg(frame{mem.SliceBuffer(first)}); err != nil {
		return err
	}
	if request.GetStartPosition() == strawv1.StartPosition_EARLIEST {
		reader = &leanReader{log: l.log}
	}
	if request.GetEndAtHead() {
		return l.replay(stream)
	}
	return l.follow(stream, reader)
}

// most is how many deliveries go into one message.
func (l *lean) most() int {
	if l.config.Single {
		return 1
	}
	return 256
}

func (l *lean) replay(stream grpc.ServerStream) error {
	for range max(l.config.Repeat, 1) {
		reader := &leanReader{log: l.log}
		for {
			b, n := reader.next(l.most())
			if n == 0 {
				break
			}
			if err := l.send(stream, b); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lean) follow(stream grpc.ServerStream, reader *leanReader) error {
	for {
		wake := *l.log.wake.Load()
		b, n := reader.next(l.most())
		if n > 0 {
			if err := l.send(stream, b); err != nil {
				return err
			}
			continue
		}
		select {
		case <-wake:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func (l *lean) send(stream grpc.ServerStream, deliveries []byte) error {
	return stream.SendMsg(frame{mem.SliceBuffer(deliveries), l.trailer})
}

func (l *lean) do(verb string, _ json.RawMessage) (any, error) {
	if verb != "size" {
		return nil, errVerb(verb)
	}
	return l.log.size(), nil
}

func (l *lean) close() {
	for _, stop := range slices.Backward(l.stops) {
		stop()
	}
}
