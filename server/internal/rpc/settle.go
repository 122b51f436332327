package rpc

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/store"
)

// maxRetryDelay bounds how long a nacked event may be put off.
const maxRetryDelay = 24 * time.Hour

func (s *subscriptionService) Acknowledge(ctx context.Context, req *strawv1.AcknowledgeRequest) (*strawv1.AcknowledgeResponse, error) {
	statuses, err := s.subscriptions.Acknowledge(ctx, req.GetSubscriptionId(), req.GetAckIds())
	if err != nil {
		return nil, subscriptionError(req.GetSubscriptionId(), err)
	}
	return &strawv1.AcknowledgeResponse{Results: ackResults(req.GetAckIds(), statuses)}, nil
}

func (s *subscriptionService) Nack(ctx context.Context, req *strawv1.NackRequest) (*strawv1.NackResponse, error) {
	how, err := nackOf(req)
	if err != nil {
		return nil, err
	}
	statuses, err := s.subscriptions.Nack(ctx, req.GetSubscriptionId(), req.GetAckIds(), how)
	if err != nil {
		return nil, subscriptionError(req.GetSubscriptionId(), err)
	}
	return &strawv1.NackResponse{Results: ackResults(req.GetAckIds(), statuses)}, nil
}

func nackOf(req *strawv1.NackRequest) (store.Nack, error) {
	how := store.Nack{Reason: req.GetReason()}
	switch action := req.GetAction().(type) {
	case *strawv1.NackRequest_RetryDelay:
		d := action.RetryDelay
		if d == nil {
			d = new(durationpb.Duration)
		}
		if err := checkDuration("retry_delay", d, 0, maxRetryDelay); err != nil {
			return how, err
		}
		delay := d.AsDuration()
		how.Delay = &delay
	case *strawv1.NackRequest_DeadLetter:
		how.DeadLetter = action.DeadLetter
	case *strawv1.NackRequest_Release:
		how.Release = action.Release
	}
	return how, nil
}

func (s *subscriptionService) ExtendDeadline(ctx context.Context, req *strawv1.ExtendDeadlineRequest) (*strawv1.ExtendDeadlineResponse, error) {
	statuses, err := s.subscriptions.ExtendDeadline(ctx, req.GetSubscriptionId(), req.GetAckIds())
	if err != nil {
		return nil, subscriptionError(req.GetSubscriptionId(), err)
	}
	return &strawv1.ExtendDeadlineResponse{Results: ackResults(req.GetAckIds(), statuses)}, nil
}

func ackResults(ids []string, statuses []strawv1.AckResult_Status) []*strawv1.AckResult {
	all := make([]strawv1.AckResult, len(ids))
	results := make([]*strawv1.AckResult, len(ids))
	for i := range ids {
		all[i].AckId, all[i].Status = ids[i], statuses[i]
		results[i] = &all[i]
	}
	return results
}
