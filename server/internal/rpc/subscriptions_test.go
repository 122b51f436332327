package rpc_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

func TestCreateFillsInDefaults(t *testing.T) {
	d := newDurable(t, setup{})
	d.append("export.ready", nil)
	created, err := d.stub.CreateSubscription(t.Context(), &strawv1.CreateSubscriptionRequest{Subscription: &strawv1.Subscription{Id: "billing", Backlog: 99, Etag: "mine"}})
	if err != nil {
		t.Fatal(err)
	}
	want := &strawv1.Subscription{
		Id: "billing", Start: &strawv1.Subscription_StartPosition{StartPosition: strawv1.StartPosition_LATEST},
		AckDeadline: durationpb.New(30 * time.Second), MaxInFlight: 1000, MaxAttempts: proto.Int32(10), Ordering: strawv1.Ordering_UNORDERED,
		RetryBackoff: &strawv1.Backoff{Min: durationpb.New(100 * time.Millisecond), Max: durationpb.New(time.Minute)},
		Cursor:       d.log.Identity().Cursor(1), Etag: created.GetEtag(), CreateTime: created.GetCreateTime(), UpdateTime: created.GetCreateTime(),
	}
	if diff := cmp.Diff(want, created, protocmp.Transform()); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	if created.GetEtag() == "" || created.GetEtag() == "mine" || created.GetCreateTime() == nil {
		t.Errorf("created %v", created)
	}
}

func TestCreateAgain(t *testing.T) {
	d := newDurable(t, setup{})
	first := d.create(&strawv1.Subscription{Id: "billing", Types: []string{"export.ready", "dataset.*"}, MaxInFlight: 7})
	same := d.create(&strawv1.Subscription{Id: "billing", Types: []string{"dataset.*", "export.ready", "export.ready"}, MaxInFlight: 7, AckDeadline: durationpb.New(30 * time.Second), MaxAttempts: proto.Int32(10)})
	if same.GetEtag() != first.GetEtag() {
		t.Errorf("the same definition made another one: %v, %v", first, same)
	}
	_, err := d.stub.CreateSubscription(t.Context(), &strawv1.CreateSubscriptionRequest{Subscription: &strawv1.Subscription{
		Id: "billing", Filter: "true", AckDeadline: durationpb.New(time.Minute), Labels: map[string]string{"team": "data"},
	}})
	wantError(t, err, codes.AlreadyExists, strawv1.ErrorReason_SUBSCRIPTION_EXISTS, map[string]string{"fields": "types,filter,start,ack_deadline,max_in_flight,labels"})
}

func TestCreateRefuses(t *testing.T) {
	d := newDurable(t, setup{})
	after := func(c string) *strawv1.Subscription_After { return &strawv1.Subscription_After{After: c} }
	for _, c := range []struct {
		name     string
		s        *strawv1.Subscription
		code     codes.Code
		reason   strawv1.ErrorReason
		metadata map[string]string
	}{
		{"no id", &strawv1.Subscription{}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "subscription.id"}},
		{"a capital", &strawv1.Subscription{Id: "Billing"}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "subscription.id"}},
		{"a slash", &strawv1.Subscription{Id: "a/b"}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, nil},
		{"64 letters", &strawv1.Subscription{Id: strings.Repeat("a", 64)}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, nil},
		{"a misspelled type", &strawv1.Subscription{Id: "a", Types: []string{"export.raedy"}}, codes.InvalidArgument, strawv1.ErrorReason_UNKNOWN_EVENT_TYPE, map[string]string{"suggestion": "export.ready"}},
		{"a bad pattern", &strawv1.Subscription{Id: "a", Types: []string{"*.ready"}}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, nil},
		{"a bad filter", &strawv1.Subscription{Id: "a", Filter: "event.nope == 1"}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FILTER, map[string]string{"column": "6"}},
		{"too short a deadline", &strawv1.Subscription{Id: "a", AckDeadline: durationpb.New(time.Millisecond)}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "subscription.ack_deadline"}},
		{"too long a deadline", &strawv1.Subscription{Id: "a", AckDeadline: durationpb.New(2 * time.Hour)}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "subscription.ack_deadline"}},
		{"a negative limit", &strawv1.Subscription{Id: "a", MaxInFlight: -1}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "subscription.max_in_flight"}},
		{"too high a limit", &strawv1.Subscription{Id: "a", MaxInFlight: 1 << 30}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "subscription.max_in_flight"}},
		{"backoff upside down", &strawv1.Subscription{Id: "a", RetryBackoff: &strawv1.Backoff{Min: durationpb.New(time.Minute), Max: durationpb.New(time.Second)}}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "subscription.retry_backoff.max"}},
		{"an overlong label", &strawv1.Subscription{Id: "a", Labels: map[string]string{"k": strings.Repeat("v", 300)}}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "subscription.labels"}},
		{"an empty cursor", &strawv1.Subscription{Id: "a", Start: after("")}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "after"}},
		{"a garbage cursor", &strawv1.Subscription{Id: "a", Start: after("garbage")}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_CURSOR, nil},
		{"a cursor ahead", &strawv1.Subscription{Id: "a", Start: after(d.log.Identity().Cursor(5))}, codes.OutOfRange, strawv1.ErrorReason_CURSOR_AHEAD, nil},
		{"the future", &strawv1.Subscription{Id: "a", Start: &strawv1.Subscription_StartTime{StartTime: timestamppb.New(time.Now().Add(time.Hour))}}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "start_time"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := d.stub.CreateSubscription(t.Context(), &strawv1.CreateSubscriptionRequest{Subscription: c.s})
			wantError(t, err, c.code, c.reason, c.metadata)
		})
	}
	d.create(&strawv1.Subscription{Id: "a", Types: []string{"export.raedy"}, AllowUnseenTypes: true})
}

func (d *durable) update(s *strawv1.Subscription, paths ...string) (*strawv1.Subscription, error) {
	return d.stub.UpdateSubscription(d.t.Context(), &strawv1.UpdateSubscriptionRequest{Subscription: s, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}})
}

func TestUpdate(t *testing.T) {
	d := newDurable(t, setup{})
	was := d.create(&strawv1.Subscription{Id: "billing", MaxInFlight: 7, Labels: map[string]string{"team": "data"}})
	now, err := d.update(&strawv1.Subscription{Id: "billing", MaxInFlight: 9, Paused: true, Labels: map[string]string{"x": "y"}}, "paused", "labels")
	if err != nil {
		t.Fatal(err)
	}
	if now.GetMaxInFlight() != 7 || !now.GetPaused() || now.GetLabels()["x"] != "y" || len(now.GetLabels()) != 1 || now.GetEtag() == was.GetEtag() {
		t.Errorf("updated: %v", now)
	}
	_, err = d.update(&strawv1.Subscription{Id: "billing", Etag: was.GetEtag(), Paused: false}, "paused")
	wantError(t, err, codes.Aborted, strawv1.ErrorReason_ETAG_MISMATCH, map[string]string{"etag": now.GetEtag()})
	again, err := d.update(&strawv1.Subscription{Id: "billing", Etag: now.GetEtag()}, "paused", "max_in_flight", "etag", "backlog")
	if err != nil || again.GetPaused() || again.GetMaxInFlight() != 1000 {
		t.Errorf("back to the defaults: %v, %v", again, err)
	}
	// What was read can be sent back as a whole.
	whole := proto.Clone(again).(*strawv1.Subscription)
	whole.RetryBackoff.Min = durationpb.New(time.Second)
	paths := []string{"id", "types", "filter", "start_position", "ack_deadline", "max_in_flight", "max_attempts", "retry_backoff.min", "ordering", "labels", "etag", "cursor"}
	changed, err := d.update(whole, paths...)
	if err != nil || changed.GetRetryBackoff().GetMin().AsDuration() != time.Second || changed.GetRetryBackoff().GetMax().AsDuration() != time.Minute {
		t.Errorf("sent back: %v, %v", changed, err)
	}
	same, err := d.update(&strawv1.Subscription{Id: "billing"}, "paused")
	if err != nil || same.GetEtag() != changed.GetEtag() || !proto.Equal(same.GetUpdateTime(), changed.GetUpdateTime()) {
		t.Errorf("nothing changed, and it is %v, %v", same, err)
	}
	all, err := d.update(&strawv1.Subscription{Id: "billing", Filter: "true"}, "*")
	if err != nil || all.GetFilter() != "true" || len(all.GetLabels()) != 0 || all.GetRetryBackoff().GetMin().AsDuration() != 100*time.Millisecond || all.GetStartPosition() != strawv1.StartPosition_EARLIEST {
		t.Errorf("all replaced: %v, %v", all, err)
	}
}

func TestUpdateRefuses(t *testing.T) {
	d := newDurable(t, setup{})
	d.create(&strawv1.Subscription{Id: "billing"})
	for _, c := range []struct {
		name   string
		s      *strawv1.Subscription
		paths  []string
		code   codes.Code
		reason strawv1.ErrorReason
		field  string
	}{
		{"no mask", &strawv1.Subscription{Id: "billing", Paused: true}, nil, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, "update_mask"},
		{"no such field", &strawv1.Subscription{Id: "billing"}, []string{"nope"}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, "update_mask"},
		{"the start", &strawv1.Subscription{Id: "billing"}, []string{"start_position"}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, "update_mask"},
		{"a bad deadline", &strawv1.Subscription{Id: "billing", AckDeadline: durationpb.New(-time.Second)}, []string{"ack_deadline"}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, "subscription.ack_deadline"},
		{"a misspelled type", &strawv1.Subscription{Id: "billing", Types: []string{"export.raedy"}}, []string{"types"}, codes.InvalidArgument, strawv1.ErrorReason_UNKNOWN_EVENT_TYPE, ""},
		{"a bad filter", &strawv1.Subscription{Id: "billing", Filter: "1"}, []string{"filter"}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FILTER, ""},
		{"nobody", &strawv1.Subscription{Id: "nobody"}, []string{"paused"}, codes.NotFound, strawv1.ErrorReason_SUBSCRIPTION_NOT_FOUND, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			metadata := map[string]string{}
			if c.field != "" {
				metadata["field"] = c.field
			}
			_, err := d.update(c.s, c.paths...)
			wantError(t, err, c.code, c.reason, metadata)
		})
	}
}

func TestListSubscriptionsPages(t *testing.T) {
	d := newDurable(t, setup{})
	for i := range 5 {
		d.create(&strawv1.Subscription{Id: fmt.Sprint("s", i)})
	}
	var got []string
	token := ""
	for {
		page, err := d.stub.ListSubscriptions(t.Context(), &strawv1.ListSubscriptionsRequest{PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.GetSubscriptions() {
			got = append(got, s.GetId())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if strings.Join(got, " ") != "s0 s1 s2 s3 s4" {
		t.Errorf("listed %v", got)
	}
	_, err := d.stub.ListSubscriptions(t.Context(), &strawv1.ListSubscriptionsRequest{PageToken: "!"})
	wantError(t, err, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "page_token"})
}

func TestSubscriptionCallsRefuse(t *testing.T) {
	d := newDurable(t, setup{})
	d.create(&strawv1.Subscription{Id: "billing"})
	ctx := t.Context()
	many := make([]string, 10_001)
	bad := func(field string, err error) {
		t.Helper()
		wantError(t, err, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": field})
	}
	missing := func(err error) {
		t.Helper()
		wantError(t, err, codes.NotFound, strawv1.ErrorReason_SUBSCRIPTION_NOT_FOUND, map[string]string{"id": "nobody"})
	}
	_, err := d.stub.Acknowledge(ctx, &strawv1.AcknowledgeRequest{SubscriptionId: "billing", AckIds: many})
	bad("ack_ids", err)
	_, err = d.stub.Acknowledge(ctx, &strawv1.AcknowledgeRequest{SubscriptionId: "nobody"})
	missing(err)
	_, err = d.stub.Nack(ctx, &strawv1.NackRequest{SubscriptionId: "billing", Action: &strawv1.NackRequest_RetryDelay{RetryDelay: durationpb.New(-1)}})
	bad("retry_delay", err)
	_, err = d.stub.Nack(ctx, &strawv1.NackRequest{SubscriptionId: "nobody"})
	missing(err)
	_, err = d.stub.ExtendDeadline(ctx, &strawv1.ExtendDeadlineRequest{SubscriptionId: "nobody"})
	missing(err)
	_, err = d.stub.SeekSubscription(ctx, &strawv1.SeekSubscriptionRequest{SubscriptionId: "billing"})
	bad("start", err)
	latest := &strawv1.SeekSubscriptionRequest_StartPosition{StartPosition: strawv1.StartPosition_LATEST}
	_, err = d.stub.SeekSubscription(ctx, &strawv1.SeekSubscriptionRequest{SubscriptionId: "nobody", Start: latest})
	missing(err)
	_, err = d.stub.RedeliverDeadLetters(ctx, &strawv1.RedeliverDeadLettersRequest{SubscriptionId: "billing"})
	bad("event_ids", err)
	_, err = d.stub.PurgeDeadLetters(ctx, &strawv1.PurgeDeadLettersRequest{SubscriptionId: "billing", All: true, EventIds: []string{"a"}})
	bad("all", err)
	_, err = d.stub.PurgeDeadLetters(ctx, &strawv1.PurgeDeadLettersRequest{SubscriptionId: "nobody", All: true})
	missing(err)
	_, err = d.stub.ListDeadLetters(ctx, &strawv1.ListDeadLettersRequest{SubscriptionId: "billing", PageToken: "abc"})
	bad("page_token", err)
	_, err = d.stub.ListDeadLetters(ctx, &strawv1.ListDeadLettersRequest{SubscriptionId: "nobody"})
	missing(err)
	_, err = d.stub.GetSubscription(ctx, &strawv1.GetSubscriptionRequest{Id: "nobody"})
	missing(err)
	_, err = d.stub.DeleteSubscription(ctx, &strawv1.DeleteSubscriptionRequest{Id: "nobody"})
	missing(err)
	for field, req := range map[string]*strawv1.SubscribeRequest{
		"types":              {Types: []string{"export.ready"}},
		"allow_unseen_types": {AllowUnseenTypes: true},
		"filter":             {Filter: "true"},
		"after":              after(""),
		"start_position":     earliest(),
		"start_time":         {Start: &strawv1.SubscribeRequest_StartTime{}},
		"on_gap":             {OnGap: strawv1.OnGap_FAIL},
		"end_at_head":        {EndAtHead: true},
		"heartbeat_interval": {HeartbeatInterval: durationpb.New(time.Hour)},
		"max_outstanding":    {MaxOutstanding: -1},
	} {
		req.SubscriptionId = "billing"
		_, err := d.subscribe(req).Recv()
		bad(field, err)
	}
	_, err = d.subscribe(&strawv1.SubscribeRequest{SubscriptionId: "nobody"}).Recv()
	missing(err)
}
