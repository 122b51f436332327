package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/protobuf/types/known/fieldmaskpb"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// settle takes deliveries off a raw stream and settles them in calls of its own.
type settle struct {
	common
	Subscription string `json:"subscription"`
	Count        int    `json:"count"`
	Acks         []call `json:"acks"`
}

// call is one call with ack ids.
type call struct {
	Do  string  `json:"do"`
	IDs []ackID `json:"ids"`
}

// ackID is that of the delivery with this index, or the text.
type ackID struct {
	index int
	text  *string
}

func (a *ackID) UnmarshalJSON(text []byte) error {
	if json.Unmarshal(text, &a.index) == nil {
		return nil
	}
	return json.Unmarshal(text, &a.text)
}

func (o *settle) run(ctx context.Context, _ func(), c *straw.Client) error {
	stream, err := c.Events().Subscribe(ctx, &strawv1.SubscribeRequest{SubscriptionId: o.Subscription})
	if err != nil {
		say(failure(err))
		return nil
	}
	var deliveries []*strawv1.Delivery
	for len(deliveries) < o.Count {
		frame, err := stream.Recv()
		if err != nil {
			say(failure(err))
			return nil
		}
		deliveries = append(deliveries, frame.GetDeliveries()...)
	}
	deliveries = deliveries[:o.Count]
	ids := make([]string, 0, o.Count)
	for _, d := range deliveries {
		ids = append(ids, d.GetEvent().GetId())
	}
	say(object{"deliveries": ids})
	for _, each := range o.Acks {
		results, err := each.make(ctx, c.Subscriptions(), o.Subscription, deliveries)
		if _, ok := errors.AsType[*straw.Error](err); err != nil && !ok {
			return err
		}
		if err != nil {
			say(failure(err))
			return nil
		}
		say(object{"results": results})
	}
	say(object{"end": true})
	return nil
}

// make makes the call, and returns the names of the results.
func (o *call) make(ctx context.Context, stub strawv1.SubscriptionServiceClient, subscription string, deliveries []*strawv1.Delivery) ([]string, error) {
	ids := make([]string, 0, len(o.IDs))
	for _, id := range o.IDs {
		switch {
		case id.text != nil:
			ids = append(ids, *id.text)
		case id.index >= 0 && id.index < len(deliveries):
			ids = append(ids, deliveries[id.index].GetAckId())
		default:
			return nil, fmt.Errorf("there is no delivery %d", id.index)
		}
	}
	var results []*strawv1.AckResult
	var err error
	switch o.Do {
	case "ack":
		var r *strawv1.AcknowledgeResponse
		r, err = stub.Acknowledge(ctx, &strawv1.AcknowledgeRequest{SubscriptionId: subscription, AckIds: ids})
		results = r.GetResults()
	case "nack":
		var r *strawv1.NackResponse
		r, err = stub.Nack(ctx, &strawv1.NackRequest{SubscriptionId: subscription, AckIds: ids})
		results = r.GetResults()
	case "extend":
		var r *strawv1.ExtendDeadlineResponse
		r, err = stub.ExtendDeadline(ctx, &strawv1.ExtendDeadlineRequest{SubscriptionId: subscription, AckIds: ids})
		results = r.GetResults()
	default:
		return nil, fmt.Errorf("there is no call %q", o.Do)
	}
	names := make([]string, 0, len(results))
	for _, r := range results {
		names = append(names, r.GetStatus().String())
	}
	return names, err
}

// manage leads a subscription through its life.
type manage struct {
	common
	Subscription string   `json:"subscription"`
	Types        []string `json:"types"`
}

func (o *manage) run(ctx context.Context, _ func(), c *straw.Client) error {
	for _, step := range []func(context.Context, *straw.Client) (object, error){
		o.create, o.get, o.list, o.pause(true), o.pause(false), o.seek, o.delete, o.get,
	} {
		line, err := step(ctx, c)
		if err != nil {
			say(failure(err))
			return nil
		}
		say(line)
	}
	return nil
}

func (o *manage) create(ctx context.Context, c *straw.Client) (object, error) {
	s, err := c.Subscriptions().CreateSubscription(ctx, &strawv1.CreateSubscriptionRequest{
		Subscription: &straw.Subscription{Id: o.Subscription, Types: o.Types}})
	return object{"created": s.GetId()}, err
}

func (o *manage) get(ctx context.Context, c *straw.Client) (object, error) {
	s, err := c.Subscriptions().GetSubscription(ctx, &strawv1.GetSubscriptionRequest{Id: o.Subscription})
	return object{"got": s.GetId()}, err
}

func (o *manage) list(ctx context.Context, c *straw.Client) (object, error) {
	ids := []string{}
	for s, err := range c.EachSubscription(ctx) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, s.GetId())
	}
	return object{"listed": ids}, nil
}

func (o *manage) pause(paused bool) func(context.Context, *straw.Client) (object, error) {
	return func(ctx context.Context, c *straw.Client) (object, error) {
		s, err := c.Subscriptions().UpdateSubscription(ctx, &strawv1.UpdateSubscriptionRequest{
			Subscription: &straw.Subscription{Id: o.Subscription, Paused: paused}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"paused"}}})
		return object{"paused": s.GetPaused()}, err
	}
}

func (o *manage) seek(ctx context.Context, c *straw.Client) (object, error) {
	r, err := c.Subscriptions().SeekSubscription(ctx, &strawv1.SeekSubscriptionRequest{SubscriptionId: o.Subscription, DryRun: true,
		Start: &strawv1.SeekSubscriptionRequest_StartPosition{StartPosition: strawv1.StartPosition_EARLIEST}})
	return object{"owed": r.GetOwedCount()}, err
}

func (o *manage) delete(ctx context.Context, c *straw.Client) (object, error) {
	_, err := c.Subscriptions().DeleteSubscription(ctx, &strawv1.DeleteSubscriptionRequest{Id: o.Subscription})
	return object{"deleted": true}, err
}
