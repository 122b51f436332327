package rpc

import (
	"context"

	"google.golang.org/grpc/codes"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/stream"
)

// durable is Subscribe for a consumer of a durable subscription.
func (s *eventService) durable(ctx context.Context, req *strawv1.SubscribeRequest, send func(*stream.Frame) error) error {
	id := req.GetSubscriptionId()
	if s.subscriptions == nil {
		return fail(codes.Unimplemented, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "subscription_id"},
			"subscription_id: this gateway's store has no durable subscriptions; leave it out and keep the cursor yourself")
	}
	if field := foreignToDurable(req); field != "" {
		return invalidField(field, "it must be unset beside subscription_id: the subscription says what is sent, and from where")
	}
	heartbeat, err := heartbeatOf(req.GetHeartbeatInterval())
	if err != nil {
		return err
	}
	consumer, err := s.subscriptions.Consume(ctx, id, int(req.GetMaxOutstanding()))
	if err != nil {
		return subscriptionError(id, err)
	}
	return subscriptionError(id, s.streams.Durable(ctx, consumer, stream.DurableRequest{
		Heartbeat: heartbeat, MaxDeliveries: maxDeliveries(req), IncludeRaw: req.GetIncludeRaw(),
	}, send))
}

// foreignToDurable names a field that is set and belongs to cursor mode.
func foreignToDurable(req *strawv1.SubscribeRequest) string {
	switch {
	case len(req.GetTypes()) > 0:
		return "types"
	case req.GetAllowUnseenTypes():
		return "allow_unseen_types"
	case req.GetFilter() != "":
		return "filter"
	case req.GetOnGap() != strawv1.OnGap_ON_GAP_UNSPECIFIED:
		return "on_gap"
	case req.GetEndAtHead():
		return "end_at_head"
	}
	switch req.GetStart().(type) {
	case *strawv1.SubscribeRequest_After:
		return "after"
	case *strawv1.SubscribeRequest_StartTime:
		return "start_time"
	case *strawv1.SubscribeRequest_StartPosition:
		return "start_position"
	}
	return ""
}
