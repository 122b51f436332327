package rpc

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// TestCallsOfOneKindAreBounded has one caller hold as many calls as it may: its next waits and is refused, with when to try
// again, while another caller's, and calls of other kinds, go through.
func TestCallsOfOneKindAreBounded(t *testing.T) {
	limits := newCallLimits()
	from := func(ctx context.Context, ip string) context.Context {
		return peer.NewContext(ctx, &peer.Peer{Addr: &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}})
	}
	list := &grpc.UnaryServerInfo{FullMethod: strawv1.EventService_ListEvents_FullMethodName}
	get := &grpc.UnaryServerInfo{FullMethod: strawv1.EventService_GetEvent_FullMethodName}
	release := make(chan struct{})
	var working, ended sync.WaitGroup
	for range maxCallerCalls {
		working.Add(1)
		ended.Go(func() {
			_, err := limits.unary(from(t.Context(), "192.0.2.1"), nil, list, func(context.Context, any) (any, error) {
				working.Done()
				<-release
				return nil, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	working.Wait()
	at := func(ip string, info *grpc.UnaryServerInfo) error {
		ctx, cancel := context.WithTimeout(from(t.Context(), ip), 100*time.Millisecond)
		defer cancel()
		_, err := limits.unary(ctx, nil, info, func(context.Context, any) (any, error) { return nil, nil })
		return err
	}
	refusal := status.Convert(at("192.0.2.1", list))
	if refusal.Code() != codes.ResourceExhausted {
		t.Errorf("one too many got %v", refusal)
	}
	var reason, retry bool
	for _, d := range refusal.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			reason = d.GetReason() == strawv1.ErrorReason_OVERLOADED.String()
		case *errdetails.RetryInfo:
			retry = d.GetRetryDelay().AsDuration() > 0
		}
	}
	if !reason || !retry {
		t.Errorf("the refusal says %v", refusal.Details())
	}
	if err := at("192.0.2.1", get); err != nil {
		t.Errorf("a call of another kind got %v", err)
	}
	if err := at("192.0.2.2", list); err != nil {
		t.Errorf("another caller got %v", err)
	}
	close(release)
	ended.Wait()
	if err := at("192.0.2.1", list); err != nil {
		t.Errorf("once others had ended, a call got %v", err)
	}
}
