package rest

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

type sender = grpc.ServerStreamingServer[strawv1.SubscribeResponse]

// frames answers Subscribe with messages and then ends the stream with err.
func frames(err error, all ...*strawv1.SubscribeResponse) *api {
	return &api{subscribe: func(_ *strawv1.SubscribeRequest, s sender) error {
		for _, m := range all {
			if err := s.Send(m); err != nil {
				return err
			}
		}
		return err
	}}
}

func hello(cursor string) *strawv1.SubscribeResponse {
	return &strawv1.SubscribeResponse{Cursor: cursor, HeartbeatInterval: durationpb.New(15 * time.Second)}
}

func delivery(cursor, id string) *strawv1.SubscribeResponse {
	query := "go\ndeveloper\r\u2028"
	return &strawv1.SubscribeResponse{Cursor: cursor, Backlog: 3, Deliveries: []*strawv1.Delivery{{Event: &strawv1.Event{
		Id: id, Type: "analysis.completed", Cursor: cursor,
		Payload: &strawv1.Event_AnalysisCompleted{AnalysisCompleted: &strawv1.AnalysisCompleted{AnalysisId: "an_1", Query: &query}},
	}}}}
}

func expired(t *testing.T) error {
	t.Helper()
	s, err := status.New(codes.OutOfRange, "retention has removed the events").WithDetails(
		&errdetails.ErrorInfo{Reason: "CURSOR_EXPIRED", Domain: domain, Metadata: map[string]string{"oldest": "c9"}})
	if err != nil {
		t.Fatal(err)
	}
	return s.Err()
}

// compact takes the spaces out of JSON that stands in a text, for protojson varies them.
func compact(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const (
	helloJSON    = `{"cursor":"c0","heartbeatInterval":"15s"}`
	deliveryJSON = `{"backlog":"3","cursor":"c1","deliveries":[{"event":{"analysisCompleted":{"analysisId":"an_1","query":"go\ndeveloper\r\u2028"},` +
		`"cursor":"c1","id":"a/b","type":"analysis.completed"}}]}`
	expiredJSON = `{"code":11,"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"straw.v1","metadata":{"oldest":"c9"},` +
		`"reason":"CURSOR_EXPIRED"}],"message":"retention has removed the events"}`
)

func TestNDJSON(t *testing.T) {
	p := serve(t, frames(expired(t), hello("c0"), delivery("c1", "a/b")))
	for _, accept := range []string{"", "*/*", "application/json", "application/x-ndjson", "text/event-stream;q=0"} {
		resp, body := p.do("GET", "/v1/events:subscribe", "", "Accept", accept)
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/x-ndjson" || resp.Header.Get("X-Accel-Buffering") != "no" {
			t.Errorf("Accept %q: %s, %v", accept, resp.Status, resp.Header)
		}
		var got []string
		for line := range strings.Lines(body) {
			got = append(got, compact(t, line))
		}
		want := []string{`{"result":` + helloJSON + `}`, `{"result":` + deliveryJSON + `}`, `{"error":` + expiredJSON + `}`}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Accept %q (-want +got):\n%s", accept, diff)
		}
	}
}

func TestNDJSONEndsWithoutALastLineWhenAllIsSent(t *testing.T) {
	p := serve(t, frames(nil, hello("c0")))
	resp, body := p.do("POST", "/v1/events:subscribe", `{"endAtHead":true}`)
	if resp.StatusCode != http.StatusOK || compact(t, body) != `{"result":`+helloJSON+`}` {
		t.Errorf("%s %s", resp.Status, body)
	}
	p = serve(t, frames(nil))
	if resp, body := p.do("GET", "/v1/events:subscribe", ""); resp.StatusCode != http.StatusOK || body != "" {
		t.Errorf("no message at all: %s %q", resp.Status, body)
	}
}

// An event is one event of an event stream, as a browser's EventSource reads it.
type sseEvent struct{ Event, ID, Retry, Data string }

func parseEvents(t *testing.T, stream string) []sseEvent {
	t.Helper()
	if stream != "" && !strings.HasSuffix(stream, "\n\n") {
		t.Fatalf("the last event isn't complete: %q", stream)
	}
	var events []sseEvent
	for block := range strings.SplitSeq(strings.TrimSuffix(stream, "\n\n"), "\n\n") {
		var e sseEvent
		for line := range strings.SplitSeq(block, "\n") {
			name, value, ok := strings.Cut(line, ": ")
			into, known := map[string]*string{"event": &e.Event, "id": &e.ID, "retry": &e.Retry, "data": &e.Data}[name]
			if !ok || !known || *into != "" {
				t.Fatalf("a line that should not be there: %q", line)
			}
			*into = value
		}
		e.Data = compact(t, e.Data)
		events = append(events, e)
	}
	return events
}

func TestSSE(t *testing.T) {
	away := &strawv1.SubscribeResponse{Cursor: "c1", GoingAway: &strawv1.GoingAway{RetryDelay: durationpb.New(2500 * time.Millisecond)}}
	p := serve(t, frames(expired(t), hello("c0"), delivery("c1", "a/b"), away))
	for _, accept := range []string{"text/event-stream", "application/json, text/event-stream;q=0.9", "Text/Event-Stream; charset=utf-8"} {
		resp, body := p.do("GET", "/v1/events:subscribe", "", "Accept", accept)
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" ||
			resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("X-Accel-Buffering") != "no" {
			t.Errorf("Accept %q: %s, %v", accept, resp.Status, resp.Header)
		}
		want := []sseEvent{
			{ID: "c0", Retry: "1000", Data: helloJSON},
			{ID: "c1", Data: deliveryJSON},
			{ID: "c1", Retry: "2500", Data: `{"cursor":"c1","goingAway":{"retryDelay":"2.500s"}}`},
			{Event: "straw-error", Data: expiredJSON},
		}
		if diff := cmp.Diff(want, parseEvents(t, body)); diff != "" {
			t.Errorf("Accept %q (-want +got):\n%s", accept, diff)
		}
	}
}

func TestSSEOfADurableStreamHasNoIDs(t *testing.T) {
	p := serve(t, frames(nil, hello(""), &strawv1.SubscribeResponse{Deliveries: []*strawv1.Delivery{{AckId: "ack", Attempt: 1}}}))
	_, body := p.do("GET", "/v1/events:subscribe?subscriptionId=billing", "", "Accept", eventStream, "Straw-Consume", "true")
	want := []sseEvent{{Retry: "1000", Data: `{"heartbeatInterval":"15s"}`}, {Data: `{"deliveries":[{"ackId":"ack","attempt":1}]}`}}
	if diff := cmp.Diff(want, parseEvents(t, body)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestLastEventID(t *testing.T) {
	var got *strawv1.SubscribeRequest
	p := serve(t, &api{subscribe: func(req *strawv1.SubscribeRequest, s sender) error {
		got = req
		return s.Send(hello("c0"))
	}})
	after := func(c string) *strawv1.SubscribeRequest {
		return &strawv1.SubscribeRequest{Start: &strawv1.SubscribeRequest_After{After: c}}
	}
	at := timestamppb.New(time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC))
	tests := []struct {
		method, path, body, accept, last string
		want                             *strawv1.SubscribeRequest
	}{
		{"GET", "", "", eventStream, "c5", after("c5")},
		{"GET", "?after=c1", "", eventStream, "c5", after("c5")},
		{"GET", "?start_time=2026-11-23T13:00:00Z", "", eventStream, "c5", after("c5")},
		{"GET", "?startPosition=EARLIEST", "", eventStream, "c5", after("c5")},
		{"POST", "", `{"startPosition":"EARLIEST"}`, eventStream, "c5", after("c5")},
		{"GET", "?after=c1", "", eventStream, "", after("c1")},
		{"GET", "?after=", "", eventStream, "", after("")},
		{"GET", "?start_time=2026-11-23T13:00:00Z", "", eventStream, "", &strawv1.SubscribeRequest{Start: &strawv1.SubscribeRequest_StartTime{StartTime: at}}},
		{"GET", "?after=c1", "", "", "c5", after("c1")}, // only server-sent events resume like that
		{"GET", "?subscriptionId=billing", "", eventStream, "c5", &strawv1.SubscribeRequest{SubscriptionId: "billing"}},
		{"POST", "", `{"subscription_id":"billing"}`, eventStream, "c5", &strawv1.SubscribeRequest{SubscriptionId: "billing"}},
	}
	for _, tt := range tests {
		header := []string{"Accept", tt.accept, "Straw-Consume", "true"}
		if tt.last != "" {
			header = append(header, "Last-Event-ID", tt.last)
		}
		if resp, body := p.do(tt.method, "/v1/events:subscribe"+tt.path, tt.body, header...); resp.StatusCode != http.StatusOK {
			t.Errorf("%s %s: %s %s", tt.method, tt.path, resp.Status, body)
		}
		if diff := cmp.Diff(tt.want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s %s %s with %q (-want +got):\n%s", tt.method, tt.path, tt.body, tt.last, diff)
		}
	}
}

func TestSubscribeReadsTheWholeRequest(t *testing.T) {
	var got *strawv1.SubscribeRequest
	p := serve(t, &api{subscribe: func(req *strawv1.SubscribeRequest, _ sender) error {
		got = req
		return nil
	}})
	want := &strawv1.SubscribeRequest{
		Types: []string{"a", "b.*"}, AllowUnseenTypes: true, Filter: "true", Start: &strawv1.SubscribeRequest_StartPosition{StartPosition: strawv1.StartPosition_EARLIEST},
		OnGap: strawv1.OnGap_CONTINUE, HeartbeatInterval: durationpb.New(5 * time.Second), MaxDeliveriesPerResponse: 10, IncludeRaw: true, EndAtHead: true,
	}
	query := "?types=a&types=b.*&allowUnseenTypes=true&filter=true&startPosition=EARLIEST&onGap=CONTINUE&heartbeatInterval=5s&maxDeliveriesPerResponse=10&includeRaw=true&endAtHead=true"
	body := `{"types":["a","b.*"],"allow_unseen_types":true,"filter":"true","start_position":"EARLIEST","onGap":"CONTINUE","heartbeatInterval":"5s","maxDeliveriesPerResponse":10,"includeRaw":true,"endAtHead":true}`
	for _, call := range [][3]string{{"GET", query, ""}, {"POST", "", body}} {
		got = nil
		if resp, answer := p.do(call[0], "/v1/events:subscribe"+call[1], call[2]); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %s", call[0], resp.Status, answer)
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", call[0], diff)
		}
	}
}

func TestFailuresBeforeTheFirstMessage(t *testing.T) {
	tests := []struct {
		name, method, query, body string
		err                       error
		code, sseCode             int
		says                      string
	}{
		{"the API's", "GET", "", "", expired(t), 400, 400, "CURSOR_EXPIRED"},
		{"one that passes", "GET", "", "", status.Error(codes.Unavailable, "draining"), 503, 200, "draining"},
		{"too many", "GET", "", "", status.Error(codes.ResourceExhausted, "too many"), 429, 429, "too many"},
		{"an unknown parameter", "GET", "?from=c1", "", nil, 400, 400, `"field":"from"`},
		{"two starts", "GET", "?after=c1&startPosition=EARLIEST", "", nil, 400, 400, "oneof"},
		{"an unknown field", "POST", "", `{"from":"c1"}`, nil, 400, 400, `"field":"from"`},
		{"a query with a body", "POST", "?after=c1", `{}`, nil, 400, 400, `"field":"after"`},
		{"a large body", "POST", "", `{}` + strings.Repeat(" ", maxBody), nil, 413, 413, "1048576"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := serve(t, frames(tt.err))
			resp, body := p.do(tt.method, "/v1/events:subscribe"+tt.query, tt.body)
			var line struct{ Error problem }
			if err := json.Unmarshal([]byte(body), &line); err != nil || line.Error.Code == 0 || !strings.Contains(compact(t, body), tt.says) {
				t.Errorf("%v: %s, want a line with an error that says %q", err, body, tt.says)
			}
			if resp.StatusCode != tt.code || resp.Header.Get("Content-Type") != "application/x-ndjson" {
				t.Errorf("%s, %s, want %d", resp.Status, resp.Header.Get("Content-Type"), tt.code)
			}
			resp, body = p.do(tt.method, "/v1/events:subscribe"+tt.query, tt.body, "Accept", eventStream)
			events := parseEvents(t, body)
			if len(events) != 1 || events[0].Event != "straw-error" || events[0].ID != "" || !strings.Contains(events[0].Data, tt.says) {
				t.Errorf("%s, want one straw-error that says %q", body, tt.says)
			}
			if resp.StatusCode != tt.sseCode || resp.Header.Get("Content-Type") != eventStream {
				t.Errorf("%s, %s, want %d", resp.Status, resp.Header.Get("Content-Type"), tt.sseCode)
			}
		})
	}
}

func TestEachMessageIsSentAtOnce(t *testing.T) {
	for _, accept := range []string{"", eventStream} {
		next := make(chan *strawv1.SubscribeResponse, 1)
		p := serve(t, &api{subscribe: func(_ *strawv1.SubscribeRequest, s sender) error {
			for m := range next {
				if err := s.Send(m); err != nil {
					return err
				}
			}
			return nil
		}})
		next <- hello("c0")
		body := bufio.NewReader(p.open("GET", "/v1/events:subscribe", "", "Accept", accept))
		for _, cursor := range []string{"c0", "c1", "c2"} {
			if cursor != "c0" {
				next <- hello(cursor) // only after the one before was read
			}
			for {
				line, err := body.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(line, `"`+cursor+`"`) {
					break
				}
			}
		}
		close(next)
	}
}

func TestACallerThatLeavesEndsTheStream(t *testing.T) {
	ended := make(chan struct{}, 1)
	p := serve(t, &api{subscribe: func(_ *strawv1.SubscribeRequest, s sender) error {
		if err := s.Send(hello("c0")); err != nil {
			return err
		}
		<-s.Context().Done()
		ended <- struct{}{}
		return s.Context().Err()
	}})
	for _, accept := range []string{"", eventStream} {
		for _, method := range []string{"GET", "POST"} {
			body := p.open(method, "/v1/events:subscribe", "", "Accept", accept)
			if _, err := bufio.NewReader(body).ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			body.Close()
			select {
			case <-ended:
			case <-time.After(5 * time.Second):
				t.Fatalf("%s with Accept %q: the stream goes on", method, accept)
			}
		}
	}
}

func TestStreamsOutliveTheLimitsOfRequests(t *testing.T) {
	const limit = 100 * time.Millisecond
	p := serve(t, &api{subscribe: func(_ *strawv1.SubscribeRequest, s sender) error {
		for range 4 {
			select {
			case <-time.After(limit):
			case <-s.Context().Done():
				return s.Context().Err()
			}
			if err := s.Send(hello("c0")); err != nil {
				return err
			}
		}
		return nil
	}}, func(s *http.Server, _ *Options) {
		s.ReadTimeout, s.WriteTimeout, s.ReadHeaderTimeout = limit, limit, limit
	})
	for _, call := range [][2]string{{"GET", ""}, {"POST", `{}`}} {
		resp, body := p.do(call[0], "/v1/events:subscribe", call[1])
		if lines := strings.Count(body, "\n"); resp.StatusCode != http.StatusOK || lines != 4 || strings.Contains(body, "error") {
			t.Errorf("%s: %s, %d lines, want 4: %s", call[0], resp.Status, lines, body)
		}
	}
}

func TestASlowBodyIsCut(t *testing.T) {
	p := serve(t, &api{}, func(s *http.Server, _ *Options) { s.ReadTimeout = 100 * time.Millisecond })
	body, never := io.Pipe()
	defer never.Close()
	req := p.request("POST", "/v1/subscriptions/billing:nack", "-")
	req.Body, req.ContentLength = body, 100
	resp, err := p.Client().Do(req)
	if err != nil {
		return // cut without an answer
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("%s, want 400 or no answer", resp.Status)
	}
}

func TestAPanicInAStreamDoesNotLookLikeItsEnd(t *testing.T) {
	p := serve(t, frames(nil, hello("c0")), func(_ *http.Server, o *Options) { o.Conn = slipping{o.Conn} })
	if body, err := io.ReadAll(p.open("GET", "/v1/events:subscribe", "")); err == nil {
		t.Errorf("the answer looks complete: %s", body)
	}
}

// slipping is a connection whose streams panic after their first message.
type slipping struct{ grpc.ClientConnInterface }

func (c slipping) NewStream(ctx context.Context, d *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := c.ClientConnInterface.NewStream(ctx, d, method, opts...)
	return &slippingStream{ClientStream: s}, err
}

type slippingStream struct {
	grpc.ClientStream
	received bool
}

func (s *slippingStream) RecvMsg(m any) error {
	if s.received {
		panic("a slip")
	}
	s.received = true
	return s.ClientStream.RecvMsg(m)
}
