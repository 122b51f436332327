package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	straw "github.com/straw-gateway/straw/clients/go"
)

// consume consumes a durable subscription.
type consume struct {
	common
	Subscription string            `json:"subscription"`
	Concurrency  int               `json:"concurrency"`
	Work         milliseconds      `json:"work"`
	Handler      map[string]action `json:"handler"`
	Form         string            `json:"form"`
	StopAfter    int               `json:"stop_after"`
}

// action is what to do with an event.
type action struct {
	name       string
	retryDelay milliseconds
}

func (a *action) UnmarshalJSON(text []byte) error {
	if json.Unmarshal(text, &a.name) == nil {
		switch a.name {
		case "ack", "fail", "dead_letter", "release", "hang":
			return nil
		}
		return fmt.Errorf("there is no action %q", a.name)
	}
	var delayed struct {
		RetryDelay *milliseconds `json:"retry_delay"`
	}
	if err := strict(text, &delayed); err != nil {
		return err
	}
	if delayed.RetryDelay == nil {
		return errors.New("an action that is an object has a retry_delay")
	}
	a.name, a.retryDelay = "retry_delay", *delayed.RetryDelay
	return nil
}

func (o *consume) run(ctx context.Context, stop func(), c *straw.Client) error {
	opts := straw.ConsumeOptions{Subscription: o.Subscription, Concurrency: o.Concurrency, Hooks: connections()}
	var confirmed atomic.Int64
	opts.Hooks.Settled = func(d *straw.Delivery, status straw.AckStatus, err error) {
		if status == 0 {
			return // it was not confirmed; the end says so
		}
		say(object{"done": d.Event.GetId(), "status": status.String()})
		if confirmed.Add(1) == int64(o.StopAfter) {
			stop()
		}
	}
	switch o.Form {
	case "", "handler":
		opts.Hooks.Gap = sayGap
		sayEnd(c.Consume(ctx, opts, func(_ context.Context, d *straw.Delivery) error { return o.handle(ctx, d) }))
	case "iterator":
		sayEnd(o.iterate(ctx, c, opts))
	default:
		return fmt.Errorf("form: %q", o.Form)
	}
	return nil
}

func (o *consume) iterate(ctx context.Context, c *straw.Client, opts straw.ConsumeOptions) error {
	for d, err := range c.Deliveries(ctx, opts) {
		if gap, ok := errors.AsType[*straw.GapError](err); ok {
			sayGap(gap.Gap)
			continue
		}
		if err != nil {
			return err
		}
		if err := o.handle(ctx, d); err != nil {
			d.Nack(err.Error())
		} else {
			d.Ack()
		}
	}
	return nil
}

// handle works on an event and does what it is told to. ctx is the consumer's own: it ends when the drain begins.
func (o *consume) handle(ctx context.Context, d *straw.Delivery) error {
	say(object{"event": d.Event.GetId(), "attempt": d.Attempt})
	o.Work.wait()
	todo, found := o.Handler[d.Event.GetId()]
	if !found {
		todo = o.Handler["default"]
	}
	switch todo.name {
	case "fail":
		return errors.New("told to fail")
	case "dead_letter":
		d.DeadLetter("told to dead-letter")
	case "release":
		d.Release()
	case "retry_delay":
		d.NackAfter(todo.retryDelay.duration(), "told to retry later")
	case "hang":
		<-ctx.Done()
		d.Release()
	}
	return nil
}
