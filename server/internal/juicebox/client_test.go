package juicebox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/juicebox"
)

const (
	key    = "jb_live_4711"
	secret = "the webhook's secret"
)

// upstream is Juicebox's API as its documentation has it. refuse, if set, answers instead.
type upstream struct {
	*httptest.Server
	calls  atomic.Int32
	got    atomic.Pointer[map[string]any]
	refuse http.HandlerFunc
}

func startUpstream(t *testing.T, refuse http.HandlerFunc) *upstream {
	t.Helper()
	u := &upstream{refuse: refuse}
	u.Server = httptest.NewServer(http.HandlerFunc(u.serve))
	t.Cleanup(u.Close)
	return u
}

func (u *upstream) serve(w http.ResponseWriter, r *http.Request) {
	u.calls.Add(1)
	switch {
	case u.refuse != nil:
		u.refuse(w, r)
	case r.Method != http.MethodPost || r.URL.Path != "/v1/webhooks" || r.Header.Get("Content-Type") != "application/json":
		http.NotFound(w, r)
	case r.Header.Get("Authorization") != "Bearer "+key:
		w.WriteHeader(http.StatusUnauthorized)
	default:
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		u.got.Store(&body)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"id":"wh_1"}`)
	}
}

type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

func noWarning() *strawv1.Event { return nil }

func client(u *upstream, change func(*juicebox.Options)) *juicebox.Client {
	o := juicebox.Options{URL: u.URL, Key: key, Latest: noWarning, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	return juicebox.NewClient(o)
}

var registration = juicebox.Registration{URL: "https://hooks.example.com/webhooks/juicebox", Events: []string{"export.ready"}, Secret: secret}

func TestRegisterWebhook(t *testing.T) {
	u := startUpstream(t, nil)
	id, err := client(u, nil).RegisterWebhook(t.Context(), registration)
	if err != nil || id != "wh_1" {
		t.Fatalf("%q, %v", id, err)
	}
	want := map[string]any{"url": registration.URL, "events": []any{"export.ready"}, "secret": secret}
	if diff := cmp.Diff(want, *u.got.Load()); diff != "" {
		t.Errorf("Juicebox got (-want +got):\n%s", diff)
	}
}

func TestRejections(t *testing.T) {
	tests := []struct {
		status int
		body   string
		says   string
	}{
		{401, `{"error":"Invalid API key"}`, "JUICEBOX_API_KEY"},
		{403, ``, "JUICEBOX_API_KEY"},
		{400, `{"error":{"message":"url must be reachable"}}`, "url must be reachable"},
		{422, `not JSON`, "URL"},
		{404, ``, "--juicebox-api-url"},
		{302, ``, "--juicebox-api-url"},
		{400, `{"message":"bad key ` + key + `"}`, "URL"},
		{400, `{"message":"bad secret ` + secret + `"}`, "URL"},
		{400, `{"message":"` + strings.Repeat("x", 5000) + `"}`, "xxx…"},
	}
	for _, test := range tests {
		u := startUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(test.status)
			_, _ = io.WriteString(w, test.body)
		})
		_, err := client(u, nil).RegisterWebhook(t.Context(), registration)
		rejected, ok := errors.AsType[*juicebox.RejectedError](err)
		if !ok || rejected.Status != test.status || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), key) || strings.Contains(err.Error(), secret) || len(err.Error()) > 500 {
			t.Errorf("%d %s: %v", test.status, test.body, err)
		}
		if n := u.calls.Load(); n != 1 {
			t.Errorf("%d: %d calls", test.status, n)
		}
	}
}

func TestUnreachable(t *testing.T) {
	gone := startUpstream(t, nil)
	gone.Close()
	failing := startUpstream(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	silent := startUpstream(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the end of the connection is only seen after it
		<-r.Context().Done()
	})
	for name, u := range map[string]*upstream{"gone": gone, "failing": failing, "silent": silent} {
		_, err := client(u, func(o *juicebox.Options) { o.Timeout = 50 * time.Millisecond }).RegisterWebhook(t.Context(), registration)
		if !errors.Is(err, juicebox.ErrUnreachable) || strings.Contains(err.Error(), key) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client(gone, nil).RegisterWebhook(ctx, registration); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestNoKey(t *testing.T) {
	u := startUpstream(t, nil)
	_, err := client(u, func(o *juicebox.Options) { o.Key = "" }).RegisterWebhook(t.Context(), registration)
	if !errors.Is(err, juicebox.ErrNoKey) || u.calls.Load() != 0 {
		t.Errorf("%v after %d calls", err, u.calls.Load())
	}
}

func TestHoldAfterARefusal(t *testing.T) {
	c := newClock()
	start := c.now()
	tests := []struct {
		name, body, retryAfter string
		until                  time.Time
	}{
		{"RFC 3339", `{"error":"quota","reset_date":"2026-12-01T02:00:00+02:00"}`, "", time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)},
		{"a date", `{"error":{"resetDate":"2026-12-01"}}`, "60", time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)},
		{"in seconds", `{}`, "90", start.Add(90 * time.Second)},
		{"unreadable", `{"reset_date":"next month"}`, "", start.Add(time.Hour)},
		{"passed", `{"reset_date":"2026-11-01"}`, "", start.Add(time.Hour)},
		{"nothing", ``, "", start.Add(time.Hour)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newClock()
			var ended atomic.Bool
			u := startUpstream(t, nil)
			u.refuse = func(w http.ResponseWriter, _ *http.Request) {
				if ended.Load() {
					return
				}
				w.Header().Set("Retry-After", test.retryAfter)
				w.WriteHeader(http.StatusTooManyRequests)
				_, _ = io.WriteString(w, test.body)
			}
			juice := client(u, func(o *juicebox.Options) { o.Now = c.now })
			for range 3 { // the second and third are not made
				_, err := juice.RegisterWebhook(t.Context(), registration)
				held, ok := errors.AsType[*juicebox.HeldError](err)
				if !ok || !held.Until.Equal(test.until) || !strings.Contains(err.Error(), test.until.Format(time.RFC3339)) {
					t.Fatalf("%v, want it held until %s", err, test.until)
				}
			}
			if n := u.calls.Load(); n != 1 || !juice.Held().Until.Equal(test.until) {
				t.Errorf("%d calls, held until %s", n, juice.Held().Until)
			}
			c.advance(test.until.Sub(c.now()))
			ended.Store(true)
			if _, err := juice.RegisterWebhook(t.Context(), registration); err != nil || !juice.Held().Until.IsZero() {
				t.Errorf("after the hold: %v, %v", err, juice.Held())
			}
		})
	}
}

func TestHoldAfterAWarning(t *testing.T) {
	c := newClock()
	warn := func(percent float64, reset string) *strawv1.Event {
		q := &strawv1.QuotaWarning{UsagePercent: &percent}
		if reset != "" {
			q.ResetDate = &reset
		}
		return &strawv1.Event{ReceiveTime: timestamppb.New(c.now().Add(-time.Minute)), Payload: &strawv1.Event_QuotaWarning{QuotaWarning: q}}
	}
	tests := []struct {
		warning *strawv1.Event
		until   time.Time
	}{
		{warn(99.9, "2026-12-01"), time.Time{}},
		{warn(100, "2026-12-01"), time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)},
		{warn(250, "2026-11-23T12:30:00Z"), time.Date(2026, 11, 23, 12, 30, 0, 0, time.UTC)},
		{warn(100, "2026-11-23"), time.Time{}}, // began already
		{warn(100, "soon"), c.now().Add(59 * time.Minute)},
		{warn(100, ""), c.now().Add(59 * time.Minute)},
		{&strawv1.Event{Payload: &strawv1.Event_QuotaWarning{QuotaWarning: &strawv1.QuotaWarning{}}}, time.Time{}},
	}
	for i, test := range tests {
		u := startUpstream(t, nil)
		var latest atomic.Pointer[strawv1.Event]
		latest.Store(test.warning)
		juice := client(u, func(o *juicebox.Options) { o.Now, o.Latest = c.now, latest.Load })
		if got := juice.Held().Until; !got.Equal(test.until) {
			t.Errorf("%d: held until %s, want %s", i, got, test.until)
		}
		_, err := juice.RegisterWebhook(t.Context(), registration)
		if _, held := errors.AsType[*juicebox.HeldError](err); held == test.until.IsZero() || held == (u.calls.Load() == 1) {
			t.Errorf("%d: %v after %d calls", i, err, u.calls.Load())
		}
		// A newer warning tells that there is quota again.
		latest.Store(warn(3, "2026-12-01"))
		if _, err := juice.RegisterWebhook(t.Context(), registration); err != nil {
			t.Errorf("%d: with quota left: %v", i, fmt.Sprint(err))
		}
	}
}
