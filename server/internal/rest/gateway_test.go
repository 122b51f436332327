package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/gen/openapi"
)

// spellings are the ways in which clients write an id into a path.
func spellings(id string) []string {
	var all strings.Builder
	for _, b := range []byte(id) {
		fmt.Fprintf(&all, "%%%02x", b)
	}
	return []string{
		strings.ReplaceAll(url.PathEscape(id), ":", "%3A"),  // as API.md has it
		strings.ReplaceAll(url.QueryEscape(id), "+", "%20"), // as encodeURIComponent, nearly
		all.String(), // every byte
	}
}

func TestIDsArriveExactly(t *testing.T) {
	var got string
	p := serve(t, &api{
		getEvent: func(_ context.Context, req *strawv1.GetEventRequest) (*strawv1.Event, error) {
			got = req.GetId()
			return &strawv1.Event{Id: req.GetId()}, nil
		},
		getExport: func(req *strawv1.GetExportRequest) (*strawv1.Export, error) {
			got = req.GetId()
			return &strawv1.Export{Id: req.GetId()}, nil
		},
		refetch: func(req *strawv1.RefetchExportRequest) (*strawv1.Export, error) {
			got = req.GetId()
			return &strawv1.Export{Id: req.GetId()}, nil
		},
	})
	check := func(t interface{ Errorf(string, ...any) }, id string) {
		for _, spelled := range spellings(id) {
			for _, call := range [][2]string{{"GET", "/v1/events/" + spelled}, {"GET", "/v1/exports/" + spelled}, {"POST", "/v1/exports/" + spelled + ":refetch"}} {
				got = "not asked"
				resp, body := p.do(call[0], call[1], "")
				if resp.StatusCode != http.StatusOK || got != id {
					t.Errorf("%s %s: %s, asked for %q, want %q: %s", call[0], call[1], resp.Status, got, id, body)
				}
				var answered struct{ ID string }
				if err := json.Unmarshal([]byte(body), &answered); err != nil || answered.ID != id {
					t.Errorf("%s %s: answered %q, %v, want %q", call[0], call[1], answered.ID, err, id)
				}
			}
		}
	}
	for _, id := range []string{
		"evt_1", "a/b", "/", "//", "a//b", "../../etc/passwd", ".", "..", "a:b", ":", ":subscribe", "a:refetch", ":refetch", "a:download",
		"%2F", "a%2Fb", "a%252Fb", "%", "%zz", "a b", "a+b", "a%20b", "?", "a?b=c", "#", "a;b", "a&b", "a=b", `a\b`, `"`, "{id}", "*", "**",
		"ünïcödé/日本", "💧", "sha256-" + strings.Repeat("0", 64), strings.Repeat("/", 256),
	} {
		check(t, id)
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, rapid.StringMatching(`[a-c/:%2Ff.;? +~é]{1,12}`).Draw(t, "id"))
	})
}

func TestAnEmptyIDIsNoOtherRoute(t *testing.T) {
	var got *strawv1.GetEventRequest
	p := serve(t, &api{getEvent: func(_ context.Context, req *strawv1.GetEventRequest) (*strawv1.Event, error) {
		got = req
		return nil, status.Error(codes.InvalidArgument, "id: it must not be empty")
	}})
	resp, body := p.do("GET", "/v1/events/", "")
	wantProblem(t, resp, body, 400, "id")
	if got.GetId() != "" {
		t.Errorf("asked for %q", got.GetId())
	}
}

func TestQueryParameters(t *testing.T) {
	var got *strawv1.ListEventsRequest
	p := serve(t, &api{listEvents: func(req *strawv1.ListEventsRequest) (*strawv1.ListEventsResponse, error) {
		got = req
		return &strawv1.ListEventsResponse{}, nil
	}})
	for _, query := range []string{
		"types=a&types=b.*&filter=event.type%20==%20'a'&start_time=2026-11-23T13:00:00Z&end_time=2026-11-23T14:30:00%2B01:00&page_size=7&page_token=t",
		"types=a&types=b.*&filter=event.type+%3D%3D+'a'&startTime=2026-11-23T13:00:00Z&endTime=2026-11-23T13:30:00Z&pageSize=7&pageToken=t",
	} {
		resp, body := p.do("GET", "/v1/events?"+query, "")
		if resp.StatusCode != http.StatusOK || body != "{}" {
			t.Errorf("%s: %s %q, want 200 and no unset fields", query, resp.Status, body)
		}
		want := &strawv1.ListEventsRequest{
			Types: []string{"a", "b.*"}, Filter: "event.type == 'a'", PageSize: 7, PageToken: "t",
			StartTime: timestamppb.New(time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC)), EndTime: timestamppb.New(time.Date(2026, 11, 23, 13, 30, 0, 0, time.UTC)),
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

func TestWrongQueryParameters(t *testing.T) {
	p := serve(t, &api{})
	tests := []struct{ path, field, says string }{
		{"/v1/events?limit=5", "limit", "there is no such query parameter"},
		{"/v1/events?page_size=5&page_sise=5", "page_sise", "no such"},
		{"/v1/events?types.x=5", "types.x", "no such"},
		{"/v1/events?start_time.seconds.x=5", "start_time.seconds.x", "no such"},
		{"/v1/events?page_size=5&pageSize=6", "page_size", "pageSize sets it already"},
		{"/v1/events?page_size=5&page_size=6", "page_size", "too many values"},
		{"/v1/events?page_size=many", "page_size", "invalid syntax"},
		{"/v1/events?page_size=99999999999", "page_size", "out of range"},
		{"/v1/events?start_time=yesterday", "start_time", "yesterday"},
		{"/v1/events?start_time=2026-11-23T14:30:00+01:00", "start_time", "%2B"},
		{"/v1/events/evt_1?id=evt_2", "id", "the path or the body sets it already"},
		{"/v1/events/evt_1?view=EVERYTHING", "view", "EVERYTHING"},
		{"/v1/events?types=%zz", "request", "invalid URL escape"},
		{"/v1/events?types=a;types=b", "request", "semicolon"},
		{"/v1/status?verbose=1", "verbose", "no such"},
		{"/v1/events?" + strings.Repeat("x", 3000) + "=1", strings.Repeat("x", 100), "no such"},
	}
	for _, tt := range tests {
		resp, body := p.do("GET", tt.path, "")
		if got := wantProblem(t, resp, body, 400, tt.field); !strings.Contains(got.Message, tt.says) || got.Code != int(codes.InvalidArgument) {
			t.Errorf("%.80s: code %d: %q, want it to say %q", tt.path, got.Code, got.Message, tt.says)
		}
	}
	resp, body := p.do("PATCH", "/v1/subscriptions/billing?subscription.paused=true", `{}`)
	wantProblem(t, resp, body, 400, "subscription.paused")
	resp, body = p.do("POST", "/v1/subscriptions/billing:nack?reason=x", `{}`)
	wantProblem(t, resp, body, 400, "reason")
	resp, body = p.do("GET", "/v1/status?;", "")
	wantProblem(t, resp, body, 400, "request")
}

func TestNoRouteTakesAnUnknownQueryParameter(t *testing.T) {
	p := serve(t, &api{})
	var d document
	if err := json.Unmarshal(openapi.JSON, &d); err != nil {
		t.Fatal(err)
	}
	for _, op := range d.operations() {
		if op.OperationID == "DownloadExport" {
			continue // served by a route that isn't here yet
		}
		resp, body := p.do(op.Method, examplePath(op)+"?nonsense=1", bodyExamples[op.OperationID])
		if streams(op) {
			body = strings.TrimSuffix(strings.TrimPrefix(body, `{"error":`), "}\n")
			resp.Header.Set("Content-Type", "application/json")
		}
		wantProblem(t, resp, body, 400, "nonsense")
	}
}

func TestBodies(t *testing.T) {
	var got *strawv1.NackRequest
	p := serve(t, &api{nack: func(req *strawv1.NackRequest) (*strawv1.NackResponse, error) {
		got = req
		return &strawv1.NackResponse{Results: []*strawv1.AckResult{{AckId: "a", Status: strawv1.AckResult_ALREADY_ACKED}}}, nil
	}})
	for _, body := range []string{
		`{"ackIds":["a"],"retryDelay":"1.5s","reason":"r"}`, `{"ack_ids":["a"],"retry_delay":"1.5s","reason":"r"}`,
		"\n {\"ackIds\" : [\"a\"], \"subscriptionId\":\"other\", \"retryDelay\":\"1.500s\", \"reason\":\"r\"} \n",
	} {
		resp, answer := p.do("POST", "/v1/subscriptions/billing:nack", body)
		var compact map[string]any
		if err := json.Unmarshal([]byte(answer), &compact); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %v", resp.Status, answer, err)
		}
		if diff := cmp.Diff(map[string]any{"results": []any{map[string]any{"ackId": "a", "status": "ALREADY_ACKED"}}}, compact); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}
		want := &strawv1.NackRequest{
			SubscriptionId: "billing", AckIds: []string{"a"}, Reason: "r",
			Action: &strawv1.NackRequest_RetryDelay{RetryDelay: durationpb.New(1500 * time.Millisecond)},
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
	got = nil
	if resp, answer := p.do("POST", "/v1/subscriptions/billing:nack", ""); resp.StatusCode != http.StatusOK || got.GetSubscriptionId() != "billing" {
		t.Errorf("an empty body: %s %s", resp.Status, answer)
	}
}

func TestWrongBodies(t *testing.T) {
	p := serve(t, &api{})
	tests := []struct{ body, field, says string }{
		{`{"ackIds":["a"],"delay":"1s"}`, "delay", `unknown field "delay"`},
		{`{"ackIds":["a"],"ack_ids":["b"]}`, "ack_ids", "duplicate field"},
		{`{"reason":5}`, "reason", "invalid value for string field reason"},
		{`{"retryDelay":"soon"}`, "body", "soon"},
		{`{"retryDelay":"1s","release":true}`, "body", "oneof"},
		{`{"ackIds":["a"]} {"ackIds":["b"]}`, "body", "unexpected token"},
		{`{"ackIds":`, "body", "unexpected"},
		{`["a"]`, "body", "unexpected token"},
		{`ackIds=a`, "body", "invalid value"},
		{"{\"reason\":\"\xff\"}", "body", "invalid UTF-8"},
		{`{"` + strings.Repeat("x", 3000) + `":1}`, strings.Repeat("x", 100), "unknown field"},
	}
	for _, tt := range tests {
		resp, body := p.do("POST", "/v1/subscriptions/billing:nack", tt.body)
		if got := wantProblem(t, resp, body, 400, tt.field); !strings.Contains(got.Message, tt.says) || len(got.Message) > 410 {
			t.Errorf("%.80q: %.500q, want it to say %q in short", tt.body, got.Message, tt.says)
		}
	}
	resp, body := p.do("POST", "/v1/subscriptions", `{"id":"a","typos":[]}`)
	wantProblem(t, resp, body, 400, "typos")
}

func TestLargeBodiesAreRefused(t *testing.T) {
	p := serve(t, &api{nack: func(*strawv1.NackRequest) (*strawv1.NackResponse, error) { return &strawv1.NackResponse{}, nil }})
	padding := strings.Repeat(" ", maxBody-2)
	if resp, body := p.do("POST", "/v1/subscriptions/billing:nack", "{}"+padding); resp.StatusCode != http.StatusOK {
		t.Errorf("1 MiB: %s %s", resp.Status, body)
	}
	resp, body := p.do("POST", "/v1/subscriptions/billing:nack", "{}"+padding+" ")
	if got := wantProblem(t, resp, body, 413, "body"); !strings.Contains(got.Message, "1048576") {
		t.Errorf("%q doesn't name the limit", got.Message)
	}
}

func TestUpdateMask(t *testing.T) {
	var got *strawv1.UpdateSubscriptionRequest
	p := serve(t, &api{update: func(req *strawv1.UpdateSubscriptionRequest) (*strawv1.Subscription, error) {
		got = req
		return req.GetSubscription(), nil
	}})
	tests := []struct {
		path, body string
		mask       []string
	}{
		{"/v1/subscriptions/billing", `{"ackDeadline":"60s","paused":false,"labels":{"a":"b"}}`, []string{"ack_deadline", "labels", "paused"}},
		{"/v1/subscriptions/billing", `{"retry_backoff":{"min":"1s"}}`, []string{"retry_backoff.min"}},
		{"/v1/subscriptions/billing?update_mask=ack_deadline,filter", `{"ackDeadline":"60s"}`, []string{"ack_deadline", "filter"}},
		{"/v1/subscriptions/billing?updateMask=ackDeadline,retryBackoff.min", `{"ackDeadline":"60s"}`, []string{"ack_deadline", "retry_backoff.min"}},
	}
	for _, tt := range tests {
		resp, body := p.do("PATCH", tt.path, tt.body)
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s %s: %s %s", tt.path, tt.body, resp.Status, body)
			continue
		}
		if diff := cmp.Diff(tt.mask, got.GetUpdateMask().GetPaths()); diff != "" || got.GetSubscription().GetId() != "billing" {
			t.Errorf("%s %s: id %q, mask (-want +got):\n%s", tt.path, tt.body, got.GetSubscription().GetId(), diff)
		}
	}
}

func TestErrorsOfTheAPI(t *testing.T) {
	tests := []struct {
		code    codes.Code
		http    int
		details bool
	}{
		{codes.InvalidArgument, 400, true}, {codes.OutOfRange, 400, true}, {codes.FailedPrecondition, 400, true},
		{codes.Unauthenticated, 401, false}, {codes.PermissionDenied, 403, false}, {codes.NotFound, 404, true},
		{codes.AlreadyExists, 409, true}, {codes.Aborted, 409, true}, {codes.ResourceExhausted, 429, true},
		{codes.Internal, 500, false}, {codes.DataLoss, 500, true}, {codes.Unimplemented, 501, false}, {codes.Unavailable, 503, true},
		{codes.DeadlineExceeded, 504, false},
	}
	for _, tt := range tests {
		s := status.New(tt.code, "what to do")
		if tt.details {
			var err error
			if s, err = s.WithDetails(&errdetails.ErrorInfo{Reason: "A_REASON", Domain: domain, Metadata: map[string]string{"id": "evt_1"}},
				&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)}); err != nil {
				t.Fatal(err)
			}
		}
		p := serve(t, &api{getEvent: func(context.Context, *strawv1.GetEventRequest) (*strawv1.Event, error) { return nil, s.Err() }})
		resp, body := p.do("GET", "/v1/events/evt_1", "")
		var got problem
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if resp.StatusCode != tt.http || got.Code != int(tt.code) || got.Message != "what to do" {
			t.Errorf("%s: %s %s, want %d", tt.code, resp.Status, body, tt.http)
		}
		if tt.details && (len(got.Details) != 2 || got.Details[0].Reason != "A_REASON" || got.Details[0].Metadata["id"] != "evt_1" || resp.Header.Get("Retry-After") != "2") {
			t.Errorf("%s: the details are lost: %s, Retry-After %q", tt.code, body, resp.Header.Get("Retry-After"))
		}
		if challenge := resp.Header.Get("WWW-Authenticate"); (challenge == "Bearer") != (tt.code == codes.Unauthenticated) {
			t.Errorf("%s: WWW-Authenticate is %q", tt.code, challenge)
		}
	}
}

func TestNoRoute(t *testing.T) {
	p := serve(t, &api{})
	for _, path := range []string{"/v1", "/v1/", "/v2/events", "/v1/events/a/b", "/v1//events", "//v1/events", "/v1/events/../status", "/docs/", "/v1/events%3Asubscribe", "/V1/status"} {
		resp, body := p.do("GET", path, "")
		wantProblem(t, resp, body, 404, "path")
		if location := resp.Header.Get("Location"); location != "" {
			t.Errorf("%s is cleaned to %s", path, location)
		}
	}
	tests := []struct{ method, path, allow string }{
		{"POST", "/v1/events/evt_1", "GET"},
		{"DELETE", "/v1/events", "GET"},
		{"PUT", "/v1/subscriptions/billing", "GET, PATCH, DELETE"},
		{"POST", "/v1/subscriptions/billing", "GET, PATCH, DELETE"},
		{"DELETE", "/v1/events:subscribe", "GET, POST"},
		{"GET", "/v1/subscriptions/billing:seek", "GET, PATCH, DELETE"},
		{"OPTIONS", "/v1/status", "GET"},
	}
	for _, tt := range tests {
		if tt.method == "GET" {
			continue
		}
		resp, body := p.do(tt.method, tt.path, "")
		wantProblem(t, resp, body, 405, "method")
		if got := resp.Header.Get("Allow"); got != tt.allow {
			t.Errorf("%s %s: Allow is %q, want %q", tt.method, tt.path, got, tt.allow)
		}
	}
}

func TestTheMethodCantBeOverridden(t *testing.T) {
	p := serve(t, &api{})
	resp, body := p.do("POST", "/v1/subscriptions/billing", "", "X-HTTP-Method-Override", "DELETE")
	wantProblem(t, resp, body, 405, "method")
	resp, body = p.do("POST", "/v1/subscriptions/billing", "a=b", "X-HTTP-Method-Override", "DELETE", "Content-Type", "application/x-www-form-urlencoded")
	wantProblem(t, resp, body, 405, "method")
	// Nor does a form posted to a GET route count as its query.
	resp, body = p.do("POST", "/v1/events", "page_size=5", "Content-Type", "application/x-www-form-urlencoded")
	wantProblem(t, resp, body, 405, "method")
}

func TestOnlyNamedHeadersReachTheAPI(t *testing.T) {
	var got metadata.MD
	p := serve(t, &api{getEvent: func(ctx context.Context, _ *strawv1.GetEventRequest) (*strawv1.Event, error) {
		got, _ = metadata.FromIncomingContext(ctx)
		if _, limited := ctx.Deadline(); limited {
			t.Error("the caller set a deadline by a header")
		}
		return &strawv1.Event{}, grpc.SetHeader(ctx, metadata.Pairs("secret", "s", "content-encoding", "gzip"))
	}})
	resp, body := p.do("GET", "/v1/events/evt_1", "",
		"Authorization", "Bearer t", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Tracestate", "a=b",
		"Grpc-Metadata-Authorization", "Bearer forged", "Grpc-Metadata-Role", "admin", "Grpc-Timeout", "1n", "X-Forwarded-For", "203.0.113.9",
		"X-Forwarded-Host", "elsewhere.example", "Cookie", "a=b", "X-Real-Ip", "203.0.113.9", "Last-Event-Id", "c1", "Te", "trailers",
		"Grpc-Metadata-X-Bin", "AA==", "Forwarded", "for=203.0.113.9")
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", resp.Status, body)
	}
	// What the transport itself adds.
	for _, added := range []string{":authority", "content-type", "user-agent", "grpc-accept-encoding"} {
		got.Delete(added)
	}
	want := metadata.MD{
		"authorization": {"Bearer t"}, "traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, "tracestate": {"a=b"},
		"x-forwarded-for": {"127.0.0.1"}, // the peer, not what it claims
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	names := slices.Sorted(maps.Keys(resp.Header))
	own := []string{
		"Cache-Control", "Content-Length", "Content-Security-Policy", "Content-Type", "Cross-Origin-Resource-Policy", "Date", "X-Content-Type-Options",
	}
	if diff := cmp.Diff(own, names); diff != "" {
		t.Errorf("answered headers (-want +got):\n%s", diff)
	}
}

func TestHeadersAreBounded(t *testing.T) {
	p := serve(t, &api{})
	resp, _ := p.do("GET", "/healthz", "", "X-Long", strings.Repeat("x", 64<<10))
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("64 KiB of headers: %s", resp.Status)
	}
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/v1/events/evt_1", "/v1/events/%2F", "/v1/events:subscribe", "//", "/v1/subscriptions/a:seek", "/v1/events/%25?id=1", "/..%2f.."} {
		f.Add(seed)
	}
	handler, err := newGateway(Options{Conn: nowhere{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(u.Path, "/") {
			return
		}
		for _, method := range []string{"GET", "POST", "DELETE", "PATCH", "PUT"} {
			w := &recorder{header: http.Header{}}
			r := (&http.Request{Method: method, URL: u, Header: http.Header{}, Body: http.NoBody}).WithContext(t.Context())
			handler.ServeHTTP(w, r)
			if w.code < 400 {
				t.Fatalf("%s %q: %d from an API that can't be reached", method, target, w.code)
			}
			var s problem
			if body := strings.TrimPrefix(strings.TrimSuffix(w.body.String(), "}\n"), `{"error":`); json.Unmarshal([]byte(w.body.String()), &s) != nil && json.Unmarshal([]byte(body), &s) != nil {
				t.Fatalf("%s %q: %d %s", method, target, w.code, w.body.String())
			}
		}
	})
}

// nowhere is a connection to an API that is away.
type nowhere struct{}

func (nowhere) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	return status.Error(codes.Unavailable, "away")
}

func (nowhere) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Error(codes.Unavailable, "away")
}

type recorder struct {
	header http.Header
	code   int
	body   strings.Builder
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(code int)        { r.code = code }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
