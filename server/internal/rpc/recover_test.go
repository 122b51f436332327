package rpc

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

func TestAPanicEndsOneCallAlone(t *testing.T) {
	var log bytes.Buffer
	r := recoverer{slog.New(slog.NewTextHandler(&log, nil))}
	_, unary := r.unary(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/m"}, func(context.Context, any) (any, error) { panic("boom") })
	stream := r.stream(nil, nil, &grpc.StreamServerInfo{FullMethod: "/m"}, func(any, grpc.ServerStream) error { panic("boom") })
	for _, err := range []error{unary, stream} {
		if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "boom") {
			t.Errorf("the caller got %v", err)
		}
	}
	if strings.Count(log.String(), "boom") != 2 || !strings.Contains(log.String(), "recover_test.go") {
		t.Errorf("the log has no stack: %s", log.String())
	}
}

func TestCodecPassesMessagesToProtobuf(t *testing.T) {
	want := &strawv1.GetEventRequest{Id: "evt_1"}
	c := newCodec()
	b, err := c.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := new(strawv1.GetEventRequest)
	if err := c.Unmarshal(b, got); err != nil || !proto.Equal(got, want) || c.Name() != "proto" {
		t.Errorf("%s gave %v, %v", c.Name(), got, err)
	}
	if _, err := c.Marshal("no message"); err == nil {
		t.Error("what is no message was encoded")
	}
}
