package conformance

import (
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// Field numbers that no message of straw.v1 has.
const (
	newPayload = 25 // of Event, as a further member of its oneof
	newField   = 900
)

// A newerGateway is no Straw but a small server that speaks straw.v1 as a gateway of years to come might: on the wire are a
// payload, fields and a feature that this version of the API doesn't have. Its whole log is one event with the new payload,
// and one that is known but for new fields.
type newerGateway struct {
	strawv1.UnimplementedEventServiceServer
	listener net.Listener
	server   *grpc.Server
	served   chan struct{}
}

func startNewerGateway() (*newerGateway, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := &newerGateway{listener: l, server: grpc.NewServer(), served: make(chan struct{})}
	strawv1.RegisterEventServiceServer(g.server, g)
	go func() {
		defer close(g.served)
		_ = g.server.Serve(l) // clients notice
	}()
	return g, nil
}

func (g *newerGateway) addr() string { return g.listener.Addr().String() }

func (g *newerGateway) close() {
	g.server.Stop()
	<-g.served
}

// Subscribe sends the log, and then heartbeats unless the call ends at the head.
func (g *newerGateway) Subscribe(r *strawv1.SubscribeRequest, s grpc.ServerStreamingServer[strawv1.SubscribeResponse]) error {
	interval := time.Second
	first := &strawv1.SubscribeResponse{Cursor: "c0", HeartbeatInterval: durationpb.New(interval), Features: []string{"telepathy"}}
	unknown(first.ProtoReflect(), newField)
	moved := &strawv1.Event{Id: "evt-1", Type: "candidate.moved", Source: "juicebox", Cursor: "c1", ReceiveTime: timestamppb.Now()}
	unknown(moved.ProtoReflect(), newPayload)
	alert := &strawv1.SearchAlert{AlertId: "al-1"}
	unknown(alert.ProtoReflect(), newField)
	known := &strawv1.Event{Id: "evt-2", Type: "search.alert", Source: "juicebox", Cursor: "c2", ReceiveTime: timestamppb.Now(),
		Payload: &strawv1.Event_SearchAlert{SearchAlert: alert}}
	unknown(known.ProtoReflect(), newField)
	if r.GetAfter() == "c2" {
		first.Cursor, moved, known = "c2", nil, nil
	}
	if err := s.Send(first); err != nil {
		return err
	}
	if moved != nil {
		log := &strawv1.SubscribeResponse{Cursor: "c2", Deliveries: []*strawv1.Delivery{{Event: moved}, {Event: known}}}
		if err := s.Send(log); err != nil || r.GetEndAtHead() {
			return err
		}
	}
	for tick := time.NewTicker(interval); ; {
		select {
		case <-tick.C:
		case <-s.Context().Done():
			return s.Context().Err()
		}
		if err := s.Send(&strawv1.SubscribeResponse{Cursor: "c2"}); err != nil {
			return fmt.Errorf("send a heartbeat: %w", err)
		}
	}
}

// unknown gives a message a field of this number, which holds a message with a text.
func unknown(m protoreflect.Message, number protowire.Number) {
	text := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "what nobody here knows")
	m.SetUnknown(protowire.AppendBytes(protowire.AppendTag(m.GetUnknown(), number, protowire.BytesType), text))
}
