package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// BareSettlingConfig is how many consumers share how many events in flight.
type BareSettlingConfig struct {
	Consumers, InFlight int
}

// bareSettling is the least that the frames and calls of durable consumers cost: each is sent its share of what may be in
// flight, and as much again as it acknowledges. The deliveries are all the same, encoded beforehand; nothing is looked up,
// remembered, checked or stored.
type bareSettling struct {
	noRequests
	strawv1.UnimplementedSubscriptionServiceServer
	share   int
	event   []byte // an encoded event
	streams []*bareStream
	opened  atomic.Int64
	stop    func()
}

// bareStream is one consumer's.
type bareStream struct {
	settled atomic.Int64 // and not made up for
	more    chan struct{}
}

const (
	bareFrame = 256 // deliveries to a frame, at most
	bareAckID = 32  // bytes of an ack id, as long as Straw's
)

func openBareSettling(config BareSettlingConfig) (*bareSettling, any, error) {
	b := &bareSettling{share: max(1, config.InFlight/config.Consumers)}
	for range config.Consumers {
		b.streams = append(b.streams, &bareStream{more: make(chan struct{}, 1)})
	}
	log := newLeanLog()
	if err := log.fill(1); err != nil {
		return nil, nil, err
	}
	first := (*log.segments.Load())[0]
	entry := first.View()[0]
	b.event = first.Bytes(entry.Event, entry.End)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	server := grpc.NewServer(grpc.Creds(insecure.NewCredentials()), grpc.ForceServerCodecV2(frameCodec{}))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: strawv1.EventService_ServiceDesc.ServiceName,
		Streams: []grpc.StreamDesc{{StreamName: "Subscribe", ServerStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
			return b.subscribe(stream)
		}}},
	}, nil)
	strawv1.RegisterSubscriptionServiceServer(server, b)
	go func() { _ = server.Serve(listener) }()
	b.stop = server.Stop
	return b, Addresses{GRPC: listener.Addr().String()}, nil
}

func (b *bareSettling) CreateSubscription(_ context.Context, r *strawv1.CreateSubscriptionRequest) (*strawv1.Subscription, error) {
	return r.GetSubscription(), nil
}

func (b *bareSettling) DeleteSubscription(context.Context, *strawv1.DeleteSubscriptionRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// Acknowledge says yes to everything, and has the consumer that the first id names sent as much again.
func (b *bareSettling) Acknowledge(_ context.Context, r *strawv1.AcknowledgeRequest) (*strawv1.AcknowledgeResponse, error) {
	ids := r.GetAckIds()
	if len(ids) == 0 || len(ids[0]) != bareAckID {
		return nil, status.Error(codes.InvalidArgument, "no ids of ours")
	}
	n, err := strconv.Atoi(ids[0])
	if err != nil || n >= len(b.streams) {
		return nil, status.Errorf(codes.InvalidArgument, "ack id %q is of no consumer", ids[0])
	}
	s := b.streams[n]
	s.settled.Add(int64(len(ids)))
	select {
	case s.more <- struct{}{}:
	default:
	}
	response := &strawv1.AcknowledgeResponse{Results: make([]*strawv1.AckResult, len(ids))}
	for i, id := range ids {
		response.Results[i] = &strawv1.AckResult{AckId: id, Status: strawv1.AckResult_ACKED}
	}
	return response, nil
}

func (b *bareSettling) subscribe(stream grpc.ServerStream) error {
	var request strawv1.SubscribeRequest
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	n := int(b.opened.Add(1)) - 1
	if n >= len(b.streams) {
		return status.Errorf(codes.ResourceExhausted, "there are %d consumers already", n)
	}
	first, err := proto.Marshal(&strawv1.SubscribeResponse{HeartbeatInterval: durationpb.New(15 * time.Second)})
	if err != nil {
		return err
	}
	if err := stream.SendMsg(frame{mem.SliceBuffer(first)}); err != nil {
		return err
	}
	one := b.delivery(n)
	deliveries := make([]byte, 0, bareFrame*len(one))
	for range bareFrame {
		deliveries = append(deliveries, one...)
	}
	for owed := b.share; ; owed = int(b.streams[n].settled.Swap(0)) {
		for owed > 0 {
			most := min(owed, bareFrame)
			owed -= most
			if err := stream.SendMsg(frame{mem.SliceBuffer(deliveries[:most*len(one)])}); err != nil {
				return err
			}
		}
		select {
		case <-b.streams[n].more:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// delivery is an encoded one for a consumer.
func (b *bareSettling) delivery(consumer int) []byte {
	d := append([]byte{}, b.event...)
	d = protowire.AppendTag(d, 2, protowire.BytesType)
	d = protowire.AppendString(d, fmt.Sprintf("%0*d", bareAckID, consumer))
	d = protowire.AppendTag(d, 3, protowire.VarintType)
	d = protowire.AppendVarint(d, 1)
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), d)
}

func (b *bareSettling) close() { b.stop() }
