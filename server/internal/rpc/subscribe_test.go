package rpc_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/stream"
)

func TestFirstFrameComesAtOnceWithACursor(t *testing.T) {
	a := newAPI(t, setup{})
	s := a.subscribe(&strawv1.SubscribeRequest{HeartbeatInterval: durationpb.New(7 * time.Second)})
	f := a.recv(s)
	if f.GetCursor() == "" || f.GetHeartbeatInterval().AsDuration() != 7*time.Second || len(f.GetDeliveries()) != 0 {
		t.Errorf("the first frame is %v", f)
	}
	id := a.append("export.ready", nil)
	if got := ids(a.recv(s)); got != id {
		t.Errorf("then came %q, want %s", got, id)
	}
	if got := ids(a.all(after(f.GetCursor()))...); got != id {
		t.Errorf("after the first frame's cursor comes %q, want %s", got, id)
	}
}

func TestStartPositions(t *testing.T) {
	a := newAPI(t, setup{})
	a.append("export.ready", nil)
	between := time.Now()
	a.append("dataset.updated", nil)
	a.append("search.alert", nil)
	frames := a.all(earliest())
	if got := ids(frames...); got != "evt_1 evt_2 evt_3" {
		t.Errorf("EARLIEST: %s", got)
	}
	second := frames[1].GetDeliveries()[1].GetEvent().GetCursor()
	if got := ids(a.all(after(second))...); got != "evt_3" {
		t.Errorf("after evt_2: %s", got)
	}
	if got := ids(a.all(after(frames[len(frames)-1].GetCursor()))...); got != "" {
		t.Errorf("after the last frame: %s", got)
	}
	at := &strawv1.SubscribeRequest{Start: &strawv1.SubscribeRequest_StartTime{StartTime: timestamppb.New(between)}}
	if got := ids(a.all(at)...); got != "evt_2 evt_3" {
		t.Errorf("start_time: %s", got)
	}
	if got := ids(a.all(&strawv1.SubscribeRequest{})...); got != "" {
		t.Errorf("LATEST: %s", got)
	}
}

func TestTypesAndFilterSelect(t *testing.T) {
	a := newAPI(t, setup{})
	a.append("export.ready", nil)
	a.append("dataset.updated", nil)
	a.append("quota.warning", quota(50))
	a.append("quota.warning", quota(95))
	a.append("profile.enriched.deep", nil)
	for _, c := range []struct {
		types  []string
		filter string
		want   string
	}{
		{nil, "", "evt_1 evt_2 evt_3 evt_4 evt_5"},
		{[]string{"*"}, "", "evt_1 evt_2 evt_3 evt_4 evt_5"},
		{[]string{"dataset.*", "export.ready"}, "", "evt_1 evt_2"},
		{[]string{"profile.*"}, "", "evt_5"},
		{nil, "has(event.quota_warning) && event.quota_warning.usage_percent >= 90.0", "evt_4"},
		{[]string{"quota.warning"}, "event.id == 'evt_3'", "evt_3"},
		{[]string{"export.ready"}, "event.id == 'evt_3'", ""},
		{nil, "event.quota_warning.usage_percent / 0.0 > 1.0 && int(event.id) > 1", ""}, // can't be evaluated: no match
	} {
		req := earliest()
		req.Types, req.Filter = c.types, c.filter
		frames := a.all(req)
		if got := ids(frames...); got != c.want {
			t.Errorf("types %v, filter %q: %q, want %q", c.types, c.filter, got, c.want)
		}
		if last := frames[len(frames)-1]; last.GetBacklog() != 0 || last.GetCursor() != a.log.Identity().Cursor(5) {
			t.Errorf("types %v, filter %q: the last frame stands at %v", c.types, c.filter, last)
		}
	}
}

func TestFramesCloseAtTheirLimits(t *testing.T) {
	a := newAPI(t, setup{})
	for range 10 {
		a.append("analysis.completed", query(strings.Repeat("q", 10<<10)))
	}
	a.append("analysis.completed", query(strings.Repeat("q", 100<<10)))
	a.append("analysis.completed", query("small"))
	frames := a.all(earliest())
	for _, f := range frames {
		size := proto.Size(f)
		if len(f.GetDeliveries()) > 1 && size > stream.MaxFrame+128 {
			t.Errorf("a frame of %d deliveries has %d bytes", len(f.GetDeliveries()), size)
		}
		if size > 100<<10 && len(f.GetDeliveries()) != 1 {
			t.Errorf("the large event travels with %d others", len(f.GetDeliveries())-1)
		}
	}
	if got := strings.Count(ids(frames...), "evt_"); got != 12 {
		t.Errorf("%d events came, want 12", got)
	}
	req := earliest()
	req.MaxDeliveriesPerResponse = 2
	for i, f := range a.all(req) {
		if n := len(f.GetDeliveries()); n > 2 {
			t.Errorf("frame %d has %d deliveries, at most 2 were asked for", i, n)
		}
	}
}

func TestBacklogCountsWhatIsLeft(t *testing.T) {
	a := newAPI(t, setup{})
	for range 5 {
		a.append("export.ready", nil)
	}
	req := earliest()
	req.MaxDeliveriesPerResponse = 2
	var got []uint64
	for _, f := range a.all(req) {
		got = append(got, f.GetBacklog())
	}
	if want := "[5 3 1 0]"; fmt.Sprint(got) != want {
		t.Errorf("backlog %v, want %s", got, want)
	}
}

func TestRawIsThereWhenAskedFor(t *testing.T) {
	a := newAPI(t, setup{})
	id := a.append("export.ready", nil)
	req := earliest()
	if e := a.all(req)[1].GetDeliveries()[0].GetEvent(); e.GetRaw() != nil {
		t.Errorf("raw is there unasked: %q", e.GetRaw())
	}
	req.IncludeRaw = true
	e := a.all(req)[1].GetDeliveries()[0].GetEvent()
	if string(e.GetRaw()) != "body of "+id || e.GetCursor() == "" || e.GetId() != id {
		t.Errorf("with raw the event is %v", e)
	}
}

// TestFromStoreAndRing reads what the ring has dropped, then the ring, then waits at the head: one stream, no seam.
func TestFromStoreAndRing(t *testing.T) {
	a := newAPI(t, setup{ring: 2 * event.SegmentSize})
	const n = 3000
	for range n {
		a.append("analysis.completed", query(strings.Repeat("q", 100)))
	}
	s := a.subscribe(earliest())
	next := 1
	for next <= n+10 {
		if next == n+1 {
			a.append("analysis.completed", nil)
		}
		for _, d := range a.recv(s).GetDeliveries() {
			if want := fmt.Sprint("evt_", next); d.GetEvent().GetId() != want {
				t.Fatalf("%s came instead of %s", d.GetEvent().GetId(), want)
			}
			next++
			if next > n+1 && next <= n+10 {
				a.append("analysis.completed", nil)
			}
		}
	}
}

func TestHeartbeatsAdvanceTheCursorOfAFilteredStream(t *testing.T) {
	a := newAPI(t, setup{})
	s := a.subscribe(&strawv1.SubscribeRequest{Types: []string{"export.ready"}, HeartbeatInterval: durationpb.New(time.Second)})
	first := a.recv(s)
	for range 100 {
		a.append("dataset.updated", nil)
	}
	var f *strawv1.SubscribeResponse
	for f = a.recv(s); f.GetBacklog() > 0; f = a.recv(s) {
	}
	if f.GetCursor() == first.GetCursor() || len(f.GetDeliveries()) != 0 {
		t.Errorf("the heartbeat is %v", f)
	}
	if f.GetCursor() != a.log.Identity().Cursor(100) {
		t.Errorf("the heartbeat's cursor isn't the head's")
	}
}

func TestDrainingSaysGoingAwayAndThenUnavailable(t *testing.T) {
	a := newAPI(t, setup{})
	s := a.subscribe(&strawv1.SubscribeRequest{})
	first := a.recv(s)
	a.streams.Drain(stream.GoingAway{RetryDelay: 3 * time.Second, Reason: "test"})
	f := a.recv(s)
	if f.GetGoingAway().GetRetryDelay().AsDuration() != 3*time.Second || f.GetGoingAway().GetReason() != "test" || f.GetCursor() != first.GetCursor() {
		t.Errorf("the last frame is %v", f)
	}
	_, err := s.Recv()
	wantError(t, err, codes.Unavailable, strawv1.ErrorReason_DRAINING, nil)
}

func TestSubscribeRefuses(t *testing.T) {
	a := newAPI(t, setup{})
	a.append("profile.enriched", nil)
	good := a.log.Identity().Cursor(0)
	foreign := event.Identity{Store: [8]byte{9}, Lineage: []event.Incarnation{{}}}.Cursor(0)
	ahead := a.log.Identity().Cursor(2)
	head := a.log.Identity().Cursor(1)
	for _, c := range []struct {
		name     string
		req      *strawv1.SubscribeRequest
		code     codes.Code
		reason   strawv1.ErrorReason
		metadata map[string]string
	}{
		{"empty cursor", after(""), codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "after"}},
		{"garbage cursor", after("garbage"), codes.InvalidArgument, strawv1.ErrorReason_INVALID_CURSOR, nil},
		{"cut cursor", after(good[:31]), codes.InvalidArgument, strawv1.ErrorReason_INVALID_CURSOR, nil},
		{"overlong cursor", after(strings.Repeat("A", 600)), codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "after"}},
		{"foreign cursor", after(foreign), codes.InvalidArgument, strawv1.ErrorReason_FOREIGN_CURSOR, nil},
		{"cursor ahead", after(ahead), codes.OutOfRange, strawv1.ErrorReason_CURSOR_AHEAD, map[string]string{"head": head}},
		{"cursor ahead, on_gap", func() *strawv1.SubscribeRequest {
			r := after(ahead)
			r.OnGap = strawv1.OnGap_CONTINUE
			return r
		}(), codes.OutOfRange, strawv1.ErrorReason_CURSOR_AHEAD, nil},
		{"future", &strawv1.SubscribeRequest{Start: &strawv1.SubscribeRequest_StartTime{StartTime: timestamppb.New(time.Now().Add(time.Hour))}},
			codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "start_time"}},
		{"misspelled type", &strawv1.SubscribeRequest{Types: []string{"export.raedy"}}, codes.InvalidArgument, strawv1.ErrorReason_UNKNOWN_EVENT_TYPE,
			map[string]string{"type": "export.raedy", "suggestion": "export.ready"}},
		{"bad pattern", &strawv1.SubscribeRequest{Types: []string{"a.*.b"}}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "types"}},
		{"empty pattern", &strawv1.SubscribeRequest{Types: []string{""}}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "types[0]"}},
		{"bad filter", &strawv1.SubscribeRequest{Filter: "event.id == 'a' &&"}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FILTER, nil},
		{"unknown field", &strawv1.SubscribeRequest{Filter: "event.nope == 'a'"}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FILTER, map[string]string{"column": "6"}},
		{"no boolean", &strawv1.SubscribeRequest{Filter: "event.id"}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FILTER, nil},
		{"invisible", &strawv1.SubscribeRequest{Filter: "event.cursor != ''"}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FILTER, nil},
		{"costly", &strawv1.SubscribeRequest{Filter: costly}, codes.InvalidArgument, strawv1.ErrorReason_FILTER_TOO_COSTLY, nil},
		{"heartbeat too short", &strawv1.SubscribeRequest{HeartbeatInterval: durationpb.New(time.Millisecond)}, codes.InvalidArgument,
			strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "heartbeat_interval"}},
		{"heartbeat too long", &strawv1.SubscribeRequest{HeartbeatInterval: durationpb.New(time.Hour)}, codes.InvalidArgument,
			strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "heartbeat_interval"}},
		{"negative", &strawv1.SubscribeRequest{MaxDeliveriesPerResponse: -1}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD,
			map[string]string{"field": "max_deliveries_per_response"}},
		{"unknown enum", &strawv1.SubscribeRequest{OnGap: 99}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "on_gap"}},
		{"durable field in cursor mode", &strawv1.SubscribeRequest{MaxOutstanding: 1}, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD,
			map[string]string{"field": "max_outstanding"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := a.subscribe(c.req).Recv()
			wantError(t, err, c.code, c.reason, c.metadata)
		})
	}
	unseen := earliest()
	unseen.Types, unseen.AllowUnseenTypes = []string{"export.raedy"}, true
	if got := ids(a.all(unseen)...); got != "" {
		t.Errorf("an unseen type, allowed, gave %q", got)
	}
}

// costly nests loops over a list that the filter makes itself.
const costly = "[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, " +
	"[1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, a+b+c+d+e > 0)))))"

func TestOneCallerHasSoManyStreams(t *testing.T) {
	a := newAPI(t, setup{maxStreams: 2})
	var open []grpc.ServerStreamingClient[strawv1.SubscribeResponse]
	for range 2 {
		s := a.subscribe(&strawv1.SubscribeRequest{})
		a.recv(s)
		open = append(open, s)
	}
	_, err := a.subscribe(&strawv1.SubscribeRequest{}).Recv()
	wantError(t, err, codes.ResourceExhausted, strawv1.ErrorReason_TOO_MANY_STREAMS, map[string]string{"limit": "2"})
	a.append("export.ready", nil)
	for _, s := range open {
		if got := ids(a.recv(s)); got != "evt_1" {
			t.Errorf("an open stream got %q", got)
		}
	}
}

func TestAStreamThatEndsMakesRoom(t *testing.T) {
	a := newAPI(t, setup{maxStreams: 1})
	for range 5 {
		for { // the server may hear of an end a little later than the client
			_, err := a.subscribe(&strawv1.SubscribeRequest{EndAtHead: true}).Recv()
			if status.Code(err) != codes.ResourceExhausted {
				break
			}
		}
	}
}
