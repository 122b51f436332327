package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	straw "github.com/straw-gateway/straw/clients/go"
)

// subscribe follows a stream in cursor mode.
type subscribe struct {
	common
	Types          []string     `json:"types"`
	Filter         string       `json:"filter"`
	Start          start        `json:"start"`
	OnGap          string       `json:"on_gap"`
	IncludeRaw     bool         `json:"include_raw"`
	EndAtHead      bool         `json:"end_at_head"`
	Heartbeat      milliseconds `json:"heartbeat"`
	MaxDeliveries  int          `json:"max_deliveries"`
	CursorFile     string       `json:"cursor_file"`
	CursorInterval milliseconds `json:"cursor_interval"`
	StopAfter      int          `json:"stop_after"`
	LeaveAt        int          `json:"leave_at"`
	Delay          milliseconds `json:"delay"`
}

// start is where a stream begins.
type start struct{ straw.Start }

func (s *start) UnmarshalJSON(text []byte) error {
	var name string
	if json.Unmarshal(text, &name) == nil {
		switch name {
		case "earliest":
			s.Start = straw.Earliest()
		case "latest":
			s.Start = straw.Latest()
		default:
			return fmt.Errorf("start: %q", name)
		}
		return nil
	}
	var at struct {
		After *string    `json:"after"`
		Time  *time.Time `json:"time"`
	}
	if err := strict(text, &at); err != nil {
		return err
	}
	switch {
	case at.After != nil && at.Time == nil:
		s.Start = straw.After(*at.After)
	case at.Time != nil && at.After == nil:
		s.Start = straw.At(*at.Time)
	default:
		return fmt.Errorf("start: %s", text)
	}
	return nil
}

func (o *subscribe) options() (straw.SubscribeOptions, error) {
	opts := straw.SubscribeOptions{
		Types: o.Types, Filter: o.Filter, Start: o.Start.Start, IncludeRaw: o.IncludeRaw, EndAtHead: o.EndAtHead,
		HeartbeatInterval: o.Heartbeat.duration(), MaxDeliveries: o.MaxDeliveries, CursorInterval: o.CursorInterval.duration(),
		Hooks: connections(),
	}
	if o.CursorFile != "" {
		opts.CursorStore = straw.FileCursor(o.CursorFile)
	}
	switch o.OnGap {
	case "":
	case "fail":
		opts.OnGap = straw.FailOnGap
	case "continue":
		opts.OnGap = straw.ContinueOnGap
	default:
		return opts, fmt.Errorf("on_gap: %q", o.OnGap)
	}
	return opts, nil
}

func (o *subscribe) run(ctx context.Context, stop func(), c *straw.Client) error {
	opts, err := o.options()
	if err != nil {
		return err
	}
	if err = o.follow(ctx, stop, c, opts); ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil // it was told to end
	}
	sayEnd(err)
	return nil
}

// follow returns how the loop ended.
func (o *subscribe) follow(ctx context.Context, stop func(), c *straw.Client, opts straw.SubscribeOptions) error {
	n := 0
	for event, err := range c.Subscribe(ctx, opts) {
		if gap, ok := errors.AsType[*straw.GapError](err); ok {
			sayGap(gap.Gap)
			continue
		}
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil // this one isn't processed; the one before is
		}
		say(describe(event))
		if n++; n == o.LeaveAt {
			return nil
		}
		o.Delay.wait()
		if n == o.StopAfter {
			stop()
		}
	}
	return nil
}

// describe is the line of an event.
func describe(e *straw.Event) object {
	line := object{"event": e.GetId(), "type": e.GetType(), "payload": "", "cursor": e.GetCursor()}
	m := e.ProtoReflect()
	if field := m.WhichOneof(m.Descriptor().Oneofs().ByName("payload")); field != nil {
		line["payload"] = string(field.Name())
	}
	if len(e.GetRaw()) > 0 {
		line["raw"] = true
	}
	return line
}
