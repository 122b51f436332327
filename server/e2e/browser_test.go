package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// TestABrowserIsNoWayIn plays the pages that a visitor of a developer's machine, or of an operator's, may have open: one that
// gave its own name the gateway's address, and one that only sends requests. Neither reads, changes or consumes anything.
func TestABrowserIsNoWayIn(t *testing.T) {
	var registered atomic.Int32
	juicebox := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		registered.Add(1)
		_, _ = io.WriteString(w, `{"id":"wh_1"}`)
	}))
	t.Cleanup(juicebox.Close)
	t.Setenv("JUICEBOX_API_KEY", "key")
	g := startGateway(t, t.TempDir(), "--juicebox-api-url", juicebox.URL, "--http-host", "straw.example.com")
	g.mustPost(`{"id":"evt_1","type":"dataset.updated","data":{"dataset_id":"ds_secret"}}`)
	one := int32(1)
	subscriptions := strawv1.NewSubscriptionServiceClient(g.dial())
	_, err := subscriptions.CreateSubscription(t.Context(), &strawv1.CreateSubscriptionRequest{Subscription: &strawv1.Subscription{
		Id: "victim", MaxAttempts: &one, Start: &strawv1.Subscription_StartPosition{StartPosition: strawv1.StartPosition_EARLIEST},
	}})
	if err != nil {
		t.Fatal(err)
	}
	rebound := []string{"Host", "evil.example", "Origin", "http://evil.example", "Sec-Fetch-Site", "same-origin", "Content-Type", "application/json"}
	tests := []struct {
		name, method, path, body string
		header                   []string
		code                     int
		reason                   string
	}{
		{"rebound: reads events", "GET", "/v1/events", "", rebound, 421, "HOST_NOT_ALLOWED"},
		{"rebound: reads the stream", "GET", "/v1/events:subscribe?startPosition=EARLIEST&endAtHead=true", "", rebound, 421, "HOST_NOT_ALLOWED"},
		{"rebound: reads metrics", "GET", "/metrics", "", rebound, 421, "HOST_NOT_ALLOWED"},
		{"rebound: reads the API", "GET", "/openapi.json", "", rebound, 421, "HOST_NOT_ALLOWED"},
		{"rebound: creates", "POST", "/v1/subscriptions", `{"id":"evil"}`, rebound, 421, "HOST_NOT_ALLOWED"},
		{"rebound: registers", "POST", "/v1/webhooks", `{"url":"https://evil.example/x"}`, rebound, 421, "HOST_NOT_ALLOWED"},
		{"elsewhere: reads", "GET", "/v1/events", "", []string{"Sec-Fetch-Site", "cross-site"}, 403, "INVALID_FIELD"},
		{"elsewhere: creates", "POST", "/v1/subscriptions", `{"id":"evil"}`, []string{"Content-Type", "text/plain", "Origin", "https://evil.example"}, 403, "INVALID_FIELD"},
		{"elsewhere: consumes", "GET", "/v1/events:subscribe?subscriptionId=victim&endAtHead=true", "", []string{"Sec-Fetch-Site", "cross-site"}, 403, "INVALID_FIELD"},
		// From a browser of old, which says nothing about the page.
		{"a form: creates", "POST", "/v1/subscriptions", `{"id":"evil"}`, []string{"Content-Type", "text/plain"}, 415, "INVALID_FIELD"},
		{"a picture: consumes", "GET", "/v1/events:subscribe?subscriptionId=victim", "", nil, 400, "Straw-Consume: true"},
		// From a program, which may do what it is allowed to.
		{"a program: registers elsewhere", "POST", "/v1/webhooks", `{"url":"https://evil.example/x"}`, []string{"Content-Type", "application/json"}, 403, "HOST_NOT_ALLOWED"},
		{"a program: reads", "GET", "/v1/events", "", nil, 200, "ds_secret"},
		{"by the gateway's name", "GET", "/v1/events", "", []string{"Host", "straw.example.com"}, 200, "ds_secret"},
	}
	for _, tt := range tests {
		code, body := g.call(tt.method, tt.path, tt.body, tt.header...)
		if code != tt.code || !strings.Contains(body, tt.reason) || tt.code != 200 && strings.Contains(body, "ds_secret") {
			t.Errorf("%s: %d %s, want %d and %s", tt.name, code, body, tt.code, tt.reason)
		}
	}
	if n := registered.Load(); n != 0 {
		t.Errorf("%d webhooks were registered", n)
	}
	list, err := subscriptions.ListSubscriptions(t.Context(), &strawv1.ListSubscriptionsRequest{})
	if err != nil || len(list.GetSubscriptions()) != 1 {
		t.Fatalf("%v, %v, want the victim alone", list, err)
	}
	if victim := list.GetSubscriptions()[0]; victim.GetBacklog() != 1 || victim.GetInFlight() != 0 || victim.GetDeadLetterCount() != 0 {
		t.Errorf("something was consumed: %v", victim)
	}
	// The webhook port is for the internet, under any name.
	req := g.request(http.MethodGet, g.webhook+"/healthz", "", "Host", "anything.example")
	if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the webhook port: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
}

// request makes a request; headers are name and value in turn.
func (g *gateway) request(method, url, body string, header ...string) *http.Request {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		} else {
			req.Header.Add(header[i], header[i+1])
		}
	}
	return req
}

// call sends a request to the HTTP port and returns the answer's status and whole body.
func (g *gateway) call(method, path, body string, header ...string) (code int, answer string) {
	g.t.Helper()
	resp, err := http.DefaultClient.Do(g.request(method, g.http+path, body, header...))
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode, string(b)
}
