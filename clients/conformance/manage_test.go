package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// manage does what a step says to the gateway, past the client and the proxy.
func (p *play) manage(ctx context.Context, s *step) error {
	switch {
	case s.Post != nil:
		return p.post(ctx, s.Post)
	case s.Body != "":
		return p.gateway.post(ctx, s.Body)
	case s.Export != nil:
		return p.export(ctx, s.Export)
	case s.Do == "kill":
		p.gateway.kill()
		return nil
	case s.Do == "terminate":
		return p.gateway.terminate()
	case s.Do == "start":
		return p.gateway.start()
	case s.Subscription != nil:
		return p.gateway.subscribe(ctx, s.Subscription)
	case s.Subscriptions != nil:
		for _, id := range s.Subscriptions {
			if err := p.gateway.subscribe(ctx, map[string]any{"id": id}); err != nil {
				return err
			}
		}
		return nil
	}
	conn, err := p.gateway.stub()
	if err != nil {
		return err
	}
	subscriptions := strawv1.NewSubscriptionServiceClient(conn)
	switch {
	case s.Seek != "":
		_, err := subscriptions.SeekSubscription(ctx, &strawv1.SeekSubscriptionRequest{SubscriptionId: s.Seek,
			Start: &strawv1.SeekSubscriptionRequest_StartPosition{StartPosition: strawv1.StartPosition_EARLIEST}})
		return err
	case s.Delete != "":
		_, err := subscriptions.DeleteSubscription(ctx, &strawv1.DeleteSubscriptionRequest{Id: s.Delete})
		return err
	case s.Owed != nil:
		return s.Owed.await(ctx, subscriptions)
	}
	return fmt.Errorf("%+v is no step", *s)
}

// samples are the data of a webhook of each type that Juicebox documents; %[1]q is a name, %[2]q a text.
var samples = map[string]string{
	"analysis.completed": `{"analysis_id":%[1]q,"result_count":48,"query":%[2]q}`,
	"dataset.updated":    `{"dataset_id":%[1]q,"records_added":127,"total_records":18402,"note":%[2]q}`,
	"quota.warning":      `{"usage_percent":87.5,"plan_tier":%[1]q,"note":%[2]q}`,
	"search.alert":       `{"alert_id":%[1]q,"new_matches":3,"criteria":%[2]q}`,
}

func (p *play) post(ctx context.Context, what *posting) error {
	eventType := what.Type
	if eventType == "" {
		eventType = "search.alert"
	}
	data, ok := samples[eventType]
	if !ok {
		return fmt.Errorf("type: %q has no sample", eventType)
	}
	text := strings.Repeat("x", what.Size)
	for _, id := range what.Events {
		body := fmt.Sprintf(`{"id":%q,"type":%q,"data":%s}`, id, eventType, fmt.Sprintf(data, id, text))
		if err := p.gateway.post(ctx, body); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) export(ctx context.Context, e *export) error {
	p.exports[e.ID] = e.Bytes
	body := fmt.Sprintf(`{"id":"announced-%[1]s-%[3]d","type":"export.ready","data":{"export_id":%[1]q,"download_url":%[2]q,"format":"csv"}}`,
		e.ID, p.files.link(e.ID, e.Bytes), e.Bytes)
	if err := p.gateway.post(ctx, body); err != nil {
		return err
	}
	conn, err := p.gateway.stub()
	if err != nil {
		return err
	}
	var last *strawv1.Export
	return poll(ctx, func() (_ bool, err error) {
		last, err = strawv1.NewExportServiceClient(conn).GetExport(ctx, &strawv1.GetExportRequest{Id: e.ID})
		return last.GetState() == strawv1.Export_AVAILABLE && last.GetSizeBytes() == e.Bytes, err // not found until the announcement was seen
	}, func() error { return fmt.Errorf("the export is %v", last) })
}

// subscribe creates a durable subscription, defined in JSON's terms.
func (g *gateway) subscribe(ctx context.Context, definition map[string]any) error {
	text, err := json.Marshal(definition)
	if err != nil {
		return err
	}
	s := &strawv1.Subscription{}
	if err := protojson.Unmarshal(text, s); err != nil {
		return err
	}
	conn, err := g.stub()
	if err != nil {
		return err
	}
	_, err = strawv1.NewSubscriptionServiceClient(conn).CreateSubscription(ctx, &strawv1.CreateSubscriptionRequest{Subscription: s})
	return err
}

func (o *owed) await(ctx context.Context, subscriptions strawv1.SubscriptionServiceClient) error {
	backlog, dead := int64(-1), map[string]string{}
	return poll(ctx, func() (bool, error) {
		s, err := subscriptions.GetSubscription(ctx, &strawv1.GetSubscriptionRequest{Id: o.Subscription})
		if err != nil {
			return false, err
		}
		letters, err := subscriptions.ListDeadLetters(ctx, &strawv1.ListDeadLettersRequest{SubscriptionId: o.Subscription})
		if err != nil {
			return false, err
		}
		backlog, dead = s.GetBacklog(), map[string]string{}
		for _, l := range letters.GetDeadLetters() {
			dead[l.GetEvent().GetId()] = l.GetReason()
		}
		return backlog == o.Backlog && maps.EqualFunc(o.DeadLetters, dead, func(want, got string) bool { return want == "*" || want == got }), nil
	}, func() error { return fmt.Errorf("the backlog is %d, and the dead letters are %q", backlog, dead) })
}

// poll asks again and again until something holds; otherwise tells why it never did.
func poll(ctx context.Context, holds func() (bool, error), otherwise func() error) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := holds()
		if ok {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(otherwise(), err)
		}
	}
}

// settled judges what became of the events that drivers shared.
func (p *play) settled(ctx context.Context, s *settled) error {
	var all []line
	for _, name := range s.By {
		d, err := p.find(name)
		if err != nil {
			return err
		}
		if !d.killed {
			if err := d.end(ctx); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		lines, _ := d.printed()
		if err := checkLines(d.op, lines); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, lines...)
	}
	slices.SortStableFunc(all, func(a, b line) int { return a.at.Compare(b.at) })
	return s.judge(all)
}

// judge judges all lines in the order in which they were printed.
func (s *settled) judge(lines []line) error {
	confirmed := map[string]bool{}
	for _, l := range lines {
		if id, ok := l.has["event"].(string); ok && confirmed[id] && !s.Again {
			return fmt.Errorf("%s came again after it had been confirmed", id)
		}
		if id, ok := l.has["done"].(string); ok && (l.has["status"] == "ACKED" || l.has["status"] == "ALREADY_ACKED") {
			confirmed[id] = true
		}
	}
	for _, id := range s.Events {
		if !confirmed[id] {
			return fmt.Errorf("%s was never confirmed", id)
		}
		delete(confirmed, id)
	}
	for id := range confirmed {
		return fmt.Errorf("%s was confirmed too", id)
	}
	return nil
}
