package rpc_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

func TestGetEvent(t *testing.T) {
	a := newAPI(t, setup{})
	const id = "evt:with/every ü%2F"
	a.appendAs(id, "export.ready", nil)
	e, err := a.events.GetEvent(t.Context(), &strawv1.GetEventRequest{Id: id})
	if err != nil || e.GetId() != id || e.GetRaw() != nil || e.GetCursor() != a.log.Identity().Cursor(1) {
		t.Errorf("BASIC: %v, %v", e, err)
	}
	e, err = a.events.GetEvent(t.Context(), &strawv1.GetEventRequest{Id: id, Source: "juicebox", View: strawv1.EventView_RAW})
	if err != nil || string(e.GetRaw()) != "body of "+id {
		t.Errorf("RAW: %v, %v", e, err)
	}
	_, err = a.events.GetEvent(t.Context(), &strawv1.GetEventRequest{Id: "evt_2"})
	wantError(t, err, codes.NotFound, strawv1.ErrorReason_EVENT_NOT_FOUND, map[string]string{"id": "evt_2", "source": "juicebox"})
	_, err = a.events.GetEvent(t.Context(), &strawv1.GetEventRequest{Id: id, Source: "straw"})
	wantError(t, err, codes.NotFound, strawv1.ErrorReason_EVENT_NOT_FOUND, map[string]string{"id": id, "source": "straw"})
	_, err = a.events.GetEvent(t.Context(), &strawv1.GetEventRequest{})
	wantError(t, err, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "id"})
	_, err = a.events.GetEvent(t.Context(), &strawv1.GetEventRequest{Id: strings.Repeat("x", 257)})
	wantError(t, err, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "id"})
}

// list reads page after page and returns the ids of each.
func (a *api) list(req *strawv1.ListEventsRequest) []string {
	a.t.Helper()
	var pages []string
	for {
		resp, err := a.events.ListEvents(a.t.Context(), req)
		if err != nil {
			a.t.Fatal(err)
		}
		var ids []string
		for _, e := range resp.GetEvents() {
			ids = append(ids, e.GetId())
		}
		pages = append(pages, strings.Join(ids, " "))
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
			return pages
		}
	}
}

func TestListEventsPages(t *testing.T) {
	a := newAPI(t, setup{})
	if got := a.list(&strawv1.ListEventsRequest{}); fmt.Sprint(got) != "[]" {
		t.Errorf("an empty log lists %q", got)
	}
	a.append("export.ready", nil)
	a.append("quota.warning", quota(10))
	middle := time.Now()
	a.append("quota.warning", quota(90))
	a.append("export.ready", nil)
	a.append("export.ready", nil)
	for _, c := range []struct {
		req  *strawv1.ListEventsRequest
		want string
	}{
		{&strawv1.ListEventsRequest{}, `["evt_1 evt_2 evt_3 evt_4 evt_5"]`},
		{&strawv1.ListEventsRequest{PageSize: 2}, `["evt_1 evt_2" "evt_3 evt_4" "evt_5"]`},
		{&strawv1.ListEventsRequest{Types: []string{"export.*"}, PageSize: 2}, `["evt_1 evt_4" "evt_5"]`},
		{&strawv1.ListEventsRequest{Filter: "event.quota_warning.usage_percent > 50.0"}, `["evt_3"]`},
		{&strawv1.ListEventsRequest{StartTime: timestamppb.New(middle)}, `["evt_3 evt_4 evt_5"]`},
		{&strawv1.ListEventsRequest{EndTime: timestamppb.New(middle)}, `["evt_1 evt_2"]`},
		{&strawv1.ListEventsRequest{EndTime: timestamppb.New(time.Now().Add(time.Hour)), Types: []string{"quota.warning"}}, `["evt_2 evt_3"]`},
	} {
		if got := fmt.Sprintf("%q", a.list(c.req)); got != c.want {
			t.Errorf("%v lists %s, want %s", c.req, got, c.want)
		}
	}
}

func TestListEventsEndsWhileEventsComeIn(t *testing.T) {
	a := newAPI(t, setup{})
	a.append("export.ready", nil)
	a.append("export.ready", nil)
	first, err := a.events.ListEvents(t.Context(), &strawv1.ListEventsRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	a.append("export.ready", nil)
	second, err := a.events.ListEvents(t.Context(), &strawv1.ListEventsRequest{PageSize: 1, PageToken: first.GetNextPageToken()})
	if err != nil || second.GetNextPageToken() != "" || second.GetEvents()[0].GetId() != "evt_2" {
		t.Errorf("the second of two pages is %v, %v", second, err)
	}
}

func TestPageStopsAtItsSize(t *testing.T) {
	a := newAPI(t, setup{})
	for range 5 {
		a.append("analysis.completed", query(strings.Repeat("q", 900<<10)))
	}
	if got := fmt.Sprintf("%q", a.list(&strawv1.ListEventsRequest{})); got != `["evt_1 evt_2" "evt_3 evt_4" "evt_5"]` {
		t.Errorf("pages of 2 MiB: %s", got)
	}
}

func TestListEventsRefuses(t *testing.T) {
	a := newAPI(t, setup{})
	a.append("export.ready", nil)
	a.append("export.ready", nil)
	first, err := a.events.ListEvents(t.Context(), &strawv1.ListEventsRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		req    *strawv1.ListEventsRequest
		reason strawv1.ErrorReason
		field  string
	}{
		{&strawv1.ListEventsRequest{PageToken: "garbage"}, strawv1.ErrorReason_INVALID_FIELD, "page_token"},
		{&strawv1.ListEventsRequest{PageToken: first.GetNextPageToken(), Types: []string{"export.ready"}}, strawv1.ErrorReason_INVALID_FIELD, "page_token"},
		{&strawv1.ListEventsRequest{PageSize: 1001}, strawv1.ErrorReason_INVALID_FIELD, "page_size"},
		{&strawv1.ListEventsRequest{StartTime: timestamppb.New(time.Now().Add(time.Hour))}, strawv1.ErrorReason_INVALID_FIELD, "start_time"},
		{&strawv1.ListEventsRequest{Types: []string{"*.ready"}}, strawv1.ErrorReason_INVALID_FIELD, "types"},
		{&strawv1.ListEventsRequest{Filter: "1"}, strawv1.ErrorReason_INVALID_FILTER, ""},
	} {
		_, err := a.events.ListEvents(t.Context(), c.req)
		want := map[string]string{}
		if c.field != "" {
			want["field"] = c.field
		}
		wantError(t, err, codes.InvalidArgument, c.reason, want)
	}
}

func TestGetStatus(t *testing.T) {
	a := newAPI(t, setup{})
	a.append("export.ready", nil)
	a.append("export.ready", nil)
	a.append("profile.enriched", nil)
	a.appendAs("evt_1", "export.ready", nil)
	s := a.subscribe(&strawv1.SubscribeRequest{})
	a.recv(s)
	got, err := a.gateway.GetStatus(t.Context(), &strawv1.GetStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int64{}
	for _, c := range got.GetTypeCounts() {
		counts[c.GetType()] = c.GetCount()
	}
	if fmt.Sprint(counts) != "map[export.ready:2 profile.enriched:1]" || got.GetDuplicateCount() != 1 || got.GetStreamCount() != 1 {
		t.Errorf("counts are %v, %v", counts, got)
	}
	st := got.GetStore()
	if st.GetEngine() != "pebble" || st.GetEventCount() != 3 || !st.GetWritable() || st.GetId() == "" || st.GetIncarnation() == "" {
		t.Errorf("the store is %v", st)
	}
	if got.GetHeadCursor() != a.log.Identity().Cursor(3) || got.GetOldestCursor() != a.log.Identity().Cursor(0) {
		t.Errorf("the log stands between %s and %s", got.GetOldestCursor(), got.GetHeadCursor())
	}
	if got.GetVersion() != "v0.0.0-test" || len(got.GetSecrets()) != 1 || len(got.GetSecrets()[0].GetFingerprint()) != 12 {
		t.Errorf("version and secrets are %v", got)
	}
	if strings.Contains(got.String(), "a secret of some length") {
		t.Error("the status gives a secret away")
	}
}

// A gateway that was built without a part says so, instead of failing.
func TestWhatIsLeftOutIsUnimplemented(t *testing.T) {
	a := newAPI(t, setup{})
	_, create := strawv1.NewSubscriptionServiceClient(a.conn).GetSubscription(t.Context(), &strawv1.GetSubscriptionRequest{Id: "a"})
	_, export := strawv1.NewExportServiceClient(a.conn).GetExport(t.Context(), &strawv1.GetExportRequest{Id: "a"})
	_, register := a.gateway.RegisterWebhook(t.Context(), &strawv1.RegisterWebhookRequest{Url: "https://example.com"})
	_, durable := a.subscribe(&strawv1.SubscribeRequest{SubscriptionId: "a"}).Recv()
	for _, err := range []error{create, export, register, durable} {
		if status.Code(err) != codes.Unimplemented {
			t.Errorf("got %v", err)
		}
	}
}

func TestHealthAndReflection(t *testing.T) {
	a := newAPI(t, setup{})
	health := healthv1.NewHealthClient(a.conn)
	if got, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil || got.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health is %v, %v", got, err)
	}
	a.server.NotServing()
	if got, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil || got.GetStatus() != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health while draining is %v, %v", got, err)
	}
	s, err := reflectionv1.NewServerReflectionClient(a.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Recv()
	if err != nil || !strings.Contains(fmt.Sprint(got), "straw.v1.EventService") {
		t.Errorf("reflection lists %v, %v", got, err)
	}
}
