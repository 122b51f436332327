package rpc

import (
	"context"
	"encoding/base64"
	"errors"
	"runtime"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/fanout"
	"github.com/straw-gateway/straw/server/internal/filter"
	"github.com/straw-gateway/straw/server/internal/share"
	"github.com/straw-gateway/straw/server/internal/store"
)

type subscriptionService struct {
	strawv1.UnimplementedSubscriptionServiceServer
	log           store.Log
	hub           *fanout.Hub
	subscriptions store.Subscriptions
	share         *share.Share
}

// subscriptionError explains an error of a call about one subscription.
func subscriptionError(id string, err error) error {
	if errors.Is(err, event.ErrSubscriptionNotFound) {
		return fail(codes.NotFound, strawv1.ErrorReason_SUBSCRIPTION_NOT_FOUND, map[string]string{"id": id},
			"there is no subscription %q; ListSubscriptions shows what there is, and CreateSubscription makes one", id)
	}
	return answer(err)
}

// message is a subscription as callers see it.
func (s *subscriptionService) message(v store.Subscription) *strawv1.Subscription {
	m := proto.Clone(v.Definition).(*strawv1.Subscription)
	m.CreateTime, m.UpdateTime, m.Etag = timestamppb.New(v.CreateTime), timestamppb.New(v.UpdateTime), v.ETag
	m.Backlog, m.InFlight = v.Backlog, v.InFlight
	m.DeadLetterCount, m.ExpiredCount = v.DeadLetters, v.Expired
	if !v.OldestUnacked.IsZero() {
		m.OldestUnackedTime = timestamppb.New(v.OldestUnacked)
	}
	m.ConsumerCount = int32(v.Consumers)
	m.Cursor = s.log.Identity().Cursor(v.Scanned)
	return m
}

func (s *subscriptionService) CreateSubscription(ctx context.Context, req *strawv1.CreateSubscriptionRequest) (*strawv1.Subscription, error) {
	d := definitionOf(req.GetSubscription())
	if err := checkID(d.GetId()); err != nil {
		return nil, err
	}
	if err := checkDefinition(d); err != nil {
		return nil, err
	}
	if v, err := s.subscriptions.Get(ctx, d.GetId()); err == nil {
		return s.existing(v, d)
	} else if !errors.Is(err, event.ErrSubscriptionNotFound) {
		return nil, err
	}
	selection, err := compile(ctx, s.share, d.GetTypes(), d.GetFilter(), s.log.Types())
	if err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(selection) // the subscription will share it
	if err := s.checkSelection(d); err != nil {
		return nil, err
	}
	v, err := s.create(ctx, d)
	if errors.Is(err, event.ErrSubscriptionExists) { // just now
		return s.existing(v, d)
	}
	if err != nil {
		return nil, err
	}
	return s.message(v), nil
}

// existing answers a Create of an id that is taken.
func (s *subscriptionService) existing(v store.Subscription, d *strawv1.Subscription) (*strawv1.Subscription, error) {
	fields := differences(v.Definition, d)
	if fields == "" {
		return s.message(v), nil
	}
	return nil, fail(codes.AlreadyExists, strawv1.ErrorReason_SUBSCRIPTION_EXISTS, map[string]string{"fields": fields},
		"there is a subscription %q with another definition: %s; UpdateSubscription changes it, or choose another id", d.GetId(), fields)
}

func (s *subscriptionService) create(ctx context.Context, d *strawv1.Subscription) (v store.Subscription, err error) {
	err = s.move(ctx, startOf(d), func(after event.Sequence) error {
		v, err = s.subscriptions.Create(ctx, d, after)
		return err
	})
	return v, err
}

// move calls do with the position of a start. Only a cursor can lie behind what retention has removed; any other start that
// retention overtakes is looked up again.
func (s *subscriptionService) move(ctx context.Context, at start, do func(event.Sequence) error) error {
	for {
		after, err := position(ctx, s.log, at, s.log.Bounds().Head)
		if err != nil {
			return err
		}
		err = do(after)
		if !errors.Is(err, event.ErrPassed) {
			return err
		}
		if at.after != nil {
			oldest := s.log.Identity().Cursor(s.log.Bounds().Floor)
			return fail(codes.OutOfRange, strawv1.ErrorReason_CURSOR_EXPIRED, map[string]string{"oldest": oldest},
				"retention has removed the events after cursor %s; start after %s, or at EARLIEST, to begin with the oldest one", *at.after, oldest)
		}
	}
}

// checkSelection refuses types and filters that can't be meant.
func (s *subscriptionService) checkSelection(d *strawv1.Subscription) error {
	if _, err := filter.New(d.GetTypes(), d.GetFilter(), s.log.Types()); err != nil {
		return err
	}
	if d.GetAllowUnseenTypes() {
		return nil
	}
	return filter.CheckNames(d.GetTypes(), s.log.Types())
}

func (s *subscriptionService) GetSubscription(ctx context.Context, req *strawv1.GetSubscriptionRequest) (*strawv1.Subscription, error) {
	v, err := s.subscriptions.Get(ctx, req.GetId())
	if err != nil {
		return nil, subscriptionError(req.GetId(), err)
	}
	return s.message(v), nil
}

func (s *subscriptionService) ListSubscriptions(ctx context.Context, req *strawv1.ListSubscriptionsRequest) (*strawv1.ListSubscriptionsResponse, error) {
	after, err := base64.RawURLEncoding.DecodeString(req.GetPageToken())
	if err != nil || len(after) > 0 && checkID(string(after)) != nil {
		return nil, invalidField("page_token", "it is not the next_page_token of a page; leave it out to begin again")
	}
	size := int(req.GetPageSize())
	if size == 0 {
		size = defaultPageSize
	}
	page, more, err := s.subscriptions.List(ctx, string(after), size)
	if err != nil {
		return nil, err
	}
	resp, bytes := new(strawv1.ListSubscriptionsResponse), 0
	for i, v := range page {
		if bytes += proto.Size(v.Definition); i > 0 && bytes > maxPageBytes {
			page, more = page[:i], true
			break
		}
		resp.Subscriptions = append(resp.Subscriptions, s.message(v))
	}
	if more {
		resp.NextPageToken = base64.RawURLEncoding.EncodeToString([]byte(page[len(page)-1].Definition.GetId()))
	}
	return resp, nil
}

func (s *subscriptionService) UpdateSubscription(ctx context.Context, req *strawv1.UpdateSubscriptionRequest) (*strawv1.Subscription, error) {
	id := req.GetSubscription().GetId()
	if len(req.GetUpdateMask().GetPaths()) == 0 {
		return nil, invalidField("update_mask", "it is empty; name the fields to change, or `*` for all")
	}
	if paths := req.GetUpdateMask().GetPaths(); slices.Contains(paths, "filter") || slices.Contains(paths, "*") {
		// It is compiled here, for nobody else can change anything while the store calls back.
		selection, err := compile(ctx, s.share, nil, req.GetSubscription().GetFilter(), s.log.Types())
		if err != nil {
			return nil, answer(err)
		}
		defer runtime.KeepAlive(selection)
	}
	v, err := s.subscriptions.Update(ctx, id, func(was store.Subscription) (*strawv1.Subscription, error) {
		return s.changed(was, req)
	})
	if err != nil {
		return nil, subscriptionError(id, err)
	}
	return s.message(v), nil
}

// changed applies an update to a definition.
func (s *subscriptionService) changed(was store.Subscription, req *strawv1.UpdateSubscriptionRequest) (*strawv1.Subscription, error) {
	if etag := req.GetSubscription().GetEtag(); etag != "" && etag != was.ETag {
		return nil, fail(codes.Aborted, strawv1.ErrorReason_ETAG_MISMATCH, map[string]string{"etag": was.ETag},
			"the subscription %q was changed since etag %s was read: now it is %s; read it again and repeat the change", was.Definition.GetId(), etag, was.ETag)
	}
	d, err := applyMask(was.Definition, req.GetSubscription(), req.GetUpdateMask().GetPaths())
	if err != nil {
		return nil, err
	}
	if err := checkDefinition(d); err != nil {
		return nil, err
	}
	fields := differences(was.Definition, d)
	if fields == "" {
		return was.Definition, nil
	}
	if fieldChanged(fields, "types") || fieldChanged(fields, "filter") {
		return d, s.checkSelection(d)
	}
	return d, nil
}

func (s *subscriptionService) DeleteSubscription(ctx context.Context, req *strawv1.DeleteSubscriptionRequest) (*emptypb.Empty, error) {
	if err := s.subscriptions.Delete(ctx, req.GetId()); err != nil {
		return nil, subscriptionError(req.GetId(), err)
	}
	return &emptypb.Empty{}, nil
}
