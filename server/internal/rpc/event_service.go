package rpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/fanout"
	"github.com/straw-gateway/straw/server/internal/filter"
	"github.com/straw-gateway/straw/server/internal/share"
	"github.com/straw-gateway/straw/server/internal/store"
	"github.com/straw-gateway/straw/server/internal/stream"
)

// Defaults and bounds of a Subscribe.
const (
	defaultHeartbeat     = 15 * time.Second
	minHeartbeat         = time.Second
	maxHeartbeat         = 60 * time.Second
	defaultMaxDeliveries = 256
)

type eventService struct {
	strawv1.UnimplementedEventServiceServer
	log           store.Log
	hub           *fanout.Hub
	streams       *stream.Streams
	subscriptions store.Subscriptions
	quota         *quota
	share         *share.Share
}

func (s *eventService) Subscribe(req *strawv1.SubscribeRequest, out grpc.ServerStreamingServer[strawv1.SubscribeResponse]) error {
	if err := validate(req); err != nil {
		return err
	}
	release, err := s.quota.take(out.Context())
	if err != nil {
		return err
	}
	defer release()
	send := func(f *stream.Frame) error { return out.SendMsg(f) }
	ctx := onAccount(out.Context())
	if req.GetSubscriptionId() != "" {
		return s.durable(ctx, req, send)
	}
	cursor, err := s.cursorRequest(ctx, req)
	if err != nil {
		return err
	}
	return answer(s.streams.Cursor(ctx, cursor, send))
}

func (s *eventService) cursorRequest(ctx context.Context, req *strawv1.SubscribeRequest) (stream.CursorRequest, error) {
	var none stream.CursorRequest
	if req.GetMaxOutstanding() != 0 {
		return none, invalidField("max_outstanding", "it limits the deliveries of a durable subscription; set subscription_id too, or leave it out")
	}
	heartbeat, err := heartbeatOf(req.GetHeartbeatInterval())
	if err != nil {
		return none, err
	}
	selection, err := s.selection(ctx, req.GetTypes(), req.GetFilter(), req.GetAllowUnseenTypes())
	if err != nil {
		return none, answer(err)
	}
	pos, err := position(ctx, s.log, startOf(req), s.hub.Head())
	if err != nil {
		return none, err
	}
	return stream.CursorRequest{
		Selection: selection, After: pos, ContinueOnGap: req.GetOnGap() == strawv1.OnGap_CONTINUE, Heartbeat: heartbeat,
		MaxDeliveries: maxDeliveries(req), IncludeRaw: req.GetIncludeRaw(), EndAtHead: req.GetEndAtHead(),
	}, nil
}

func maxDeliveries(req *strawv1.SubscribeRequest) int {
	if n := int(req.GetMaxDeliveriesPerResponse()); n > 0 {
		return n
	}
	return defaultMaxDeliveries
}

func (s *eventService) selection(ctx context.Context, types []string, source string, allowUnseen bool) (*filter.Selection, error) {
	selection, err := compile(ctx, s.share, types, source, s.log.Types())
	if err == nil && !allowUnseen {
		err = filter.CheckNames(types, s.log.Types())
	}
	return selection, err
}

func heartbeatOf(d *durationpb.Duration) (time.Duration, error) {
	if d == nil || d.AsDuration() == 0 {
		return defaultHeartbeat, nil
	}
	if err := d.CheckValid(); err != nil {
		return 0, invalidField("heartbeat_interval", "%v", err)
	}
	if h := d.AsDuration(); h < minHeartbeat || h > maxHeartbeat {
		return 0, invalidField("heartbeat_interval", "%v is outside of %v to %v", h, minHeartbeat, maxHeartbeat)
	}
	return d.AsDuration(), nil
}

func (s *eventService) GetEvent(ctx context.Context, req *strawv1.GetEventRequest) (*strawv1.Event, error) {
	source := req.GetSource()
	if source == "" {
		source = event.SourceJuicebox
	}
	e, err := s.get(ctx, source, req.GetId(), req.GetView() == strawv1.EventView_RAW)
	if errors.Is(err, event.ErrNotFound) || errors.Is(err, event.ErrPassed) {
		return nil, fail(codes.NotFound, strawv1.ErrorReason_EVENT_NOT_FOUND, map[string]string{"id": req.GetId(), "source": source},
			"there is no event %q of source %q in the log, or retention has removed it; ListEvents shows what there is", req.GetId(), source)
	}
	return e, err
}

func (s *eventService) get(ctx context.Context, source, id string, withRaw bool) (*strawv1.Event, error) {
	stored, err := s.log.Get(ctx, source, id)
	if err != nil {
		return nil, err
	}
	e, err := stored.Decode(s.log.Identity())
	if err != nil || !withRaw || e.GetRaw() != nil {
		return e, err
	}
	if e.Raw, err = s.log.Raw(ctx, stored.Seq); err != nil {
		return nil, fmt.Errorf("the body of event %q: %w", id, err)
	}
	return e, nil
}
