package rest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/hostname"
)

func TestEveryAnswerIsGuarded(t *testing.T) {
	p := serve(t, &api{})
	want := map[string]string{
		"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	}
	for _, path := range []string{"/healthz", "/docs", "/openapi.json", "/v1/nothing", "/v1/status"} {
		for _, header := range [][]string{{"Origin", "https://elsewhere.example"}, {"Sec-Fetch-Site", "cross-site"}} {
			resp, _ := p.do("GET", path, "", header...)
			for name, value := range want {
				if path == "/docs" && name == "Content-Security-Policy" && resp.StatusCode == http.StatusOK {
					continue // the page's own policy has a test of its own
				}
				if got := resp.Header.Get(name); got != value {
					t.Errorf("%s: %s is %q, want %q", path, name, got, value)
				}
			}
			for name := range resp.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s: %s allows other origins", path, name)
				}
			}
		}
	}
}

// creator counts the subscriptions that are created.
func creator(created *int) *api {
	return &api{
		create: func(*strawv1.CreateSubscriptionRequest) (*strawv1.Subscription, error) {
			*created++
			return &strawv1.Subscription{}, nil
		},
		refetch: func(*strawv1.RefetchExportRequest) (*strawv1.Export, error) {
			*created++
			return &strawv1.Export{}, nil
		},
		listEvents: func(*strawv1.ListEventsRequest) (*strawv1.ListEventsResponse, error) {
			return &strawv1.ListEventsResponse{}, nil
		},
		subscribe: func(*strawv1.SubscribeRequest, sender) error {
			*created++
			return nil
		},
	}
}

// TestPagesOfOtherOriginsDoNothing sends what browsers send on behalf of a page elsewhere: those of today, and those that
// don't tell of the site.
func TestPagesOfOtherOriginsDoNothing(t *testing.T) {
	changed := 0
	p := serve(t, creator(&changed))
	page := func(site, mode, dest string) []string {
		return []string{"Sec-Fetch-Site", site, "Sec-Fetch-Mode", mode, "Sec-Fetch-Dest", dest}
	}
	for _, header := range [][]string{
		page("cross-site", "cors", "empty"), page("cross-site", "no-cors", "empty"), page("same-site", "cors", "empty"), page("cross-site", "navigate", "document"),
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", ""}, {"Sec-Fetch-Site", "Same-Origin"},
		{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "cross-site"},
		{"Origin", "https://elsewhere.example"}, {"Origin", "null"}, {"Origin", strings.Replace(p.URL, "127.0.0.1", "localhost", 1)},
	} {
		for _, call := range [][3]string{
			{"POST", "/v1/subscriptions", `{"id":"a"}`}, {"POST", "/v1/exports/a:refetch", ""}, {"POST", "/v1/events:subscribe", ""},
		} {
			resp, body := p.do(call[0], call[1], call[2], header...)
			wantProblem(t, resp, body, 403, "origin")
		}
		if header[0] == "Origin" {
			continue // a browser keeps such a page from the answer to its GET
		}
		for _, path := range []string{"/v1/events", "/v1/events:subscribe", "/v1/status", "/openapi.json", "/metrics", "/healthz", "/readyz", "/", "/nothing"} {
			resp, body := p.do("GET", path, "", header...)
			wantProblem(t, resp, body, 403, "origin")
		}
	}
	if changed != 0 {
		t.Errorf("%d calls came through", changed)
	}
	own := strings.TrimPrefix(p.URL, "http://")
	for _, header := range [][]string{
		nil, page("same-origin", "cors", "empty"), page("none", "navigate", "document"), {"Sec-Fetch-Site", "same-origin", "Origin", p.URL}, {"Origin", p.URL},
		{"Origin", "https://" + own}, // behind a proxy that does TLS
	} {
		if resp, body := p.do("POST", "/v1/subscriptions", `{"id":"a"}`, header...); resp.StatusCode != http.StatusOK {
			t.Errorf("with %q: %s %s", header, resp.Status, body)
		}
		if resp, body := p.do("GET", "/v1/events", "", header...); resp.StatusCode != http.StatusOK {
			t.Errorf("with %q: %s %s", header, resp.Status, body)
		}
	}
}

// TestLinksToPages: people may follow a link from elsewhere to a page for people, and nothing else may use that.
func TestLinksToPages(t *testing.T) {
	p := serve(t, &api{})
	tests := []struct {
		method, path, mode, dest string
		code                     int
	}{
		{"GET", "/docs", "navigate", "document", 200},
		{"GET", "/docs", "navigate", "", 200},
		{"GET", "/docs", "", "", 200},
		{"GET", "/console", "navigate", "document", 404}, // none is built in, but the way is free
		{"GET", "/docs", "navigate", "iframe", 403},
		{"GET", "/docs", "navigate", "object", 403},
		{"GET", "/docs", "no-cors", "script", 403},
		{"GET", "/docs", "cors", "empty", 403},
		{"HEAD", "/docs", "cors", "empty", 403},
		{"POST", "/docs", "navigate", "document", 403},
		{"GET", "/docs/", "navigate", "document", 403},
		{"GET", "/v1/status", "navigate", "document", 403},
	}
	for _, tt := range tests {
		header := []string{"Sec-Fetch-Site", "cross-site"}
		if tt.mode != "" {
			header = append(header, "Sec-Fetch-Mode", tt.mode)
		}
		if tt.dest != "" {
			header = append(header, "Sec-Fetch-Dest", tt.dest)
		}
		if resp, body := p.do(tt.method, tt.path, "", header...); resp.StatusCode != tt.code {
			t.Errorf("%s %s to %q as %q: %s %.100s, want %d", tt.method, tt.path, tt.mode, tt.dest, resp.Status, body, tt.code)
		}
	}
}

// raw sends bytes as they are and returns the answer.
func (p *port) raw(request string) (reply, string) {
	p.t.Helper()
	conn, err := net.Dial("tcp", p.Listener.Addr().String())
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		p.t.Fatalf("%q: %v", request, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return reply{resp.Status, resp.StatusCode, resp.Header}, string(body)
}

func TestHost(t *testing.T) {
	hosts, err := hostname.NewSet("straw.example.com", "one.example.com:8443", "tls.example.com:443")
	if err != nil {
		t.Fatal(err)
	}
	changed := 0
	p := serve(t, creator(&changed), func(_ *http.Server, o *Options) { o.Hosts = hosts })
	for _, host := range []string{
		"localhost", "localhost:9080", "LOCALHOST:1", "localhost.", "localhost.:9080", "127.0.0.1", "127.0.0.1:9080", "192.168.1.5", "[::1]", "[::1]:9080",
		"[fe80::1]:9080", "straw.example.com", "Straw.Example.Com.:1234", "one.example.com:8443", "tls.example.com",
	} {
		if resp, body := p.raw("GET /v1/events HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n"); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %s", host, resp.Status, body)
		}
	}
	for _, host := range []string{
		"evil.example", "evil.example:9080", "localhost.evil.example", "evil.localhost", "localhost.localdomain", "127.0.0.1.nip.io:9080", "one.example.com",
		"one.example.com:9080", "a.straw.example.com", "straw.example.com.evil.example", "2130706433", "0x7f000001", "127.1", "", ":9080", "[::1", "::1",
		"localhost:x",
	} {
		for _, path := range []string{"/v1/events", "/docs", "/metrics", "/openapi.json", "/healthz", "/readyz", "/nothing"} {
			resp, body := p.raw("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nOrigin: http://" + host + "\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n\r\n")
			wantMisdirected(t, resp, body, host)
		}
	}
	body := `{"id":"a"}`
	resp, answer := p.raw("POST /v1/subscriptions HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\nContent-Type: application/json\r\n" +
		fmt.Sprintf("Content-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body))
	wantMisdirected(t, resp, answer, "evil.example")
	if changed != 0 {
		t.Errorf("%d calls came through", changed)
	}
}

func wantMisdirected(t *testing.T, resp reply, body, host string) {
	t.Helper()
	var got problem
	if err := json.Unmarshal([]byte(body), &got); err != nil || resp.StatusCode != http.StatusMisdirectedRequest || len(got.Details) != 1 ||
		got.Details[0].Reason != "HOST_NOT_ALLOWED" || got.Details[0].Metadata["host"] != host || got.Details[0].Metadata["setting"] != "http-host" ||
		!strings.Contains(got.Message, fmt.Sprintf("%q", host)) || !strings.Contains(got.Message, "--http-host") {
		t.Errorf("Host %q: %s %s, want 421, HOST_NOT_ALLOWED, and what to set", host, resp.Status, body)
	}
}

// TestStrangeRequestTargets: the host counts that HTTP says counts, and what names none or several names none of the gateway's.
func TestStrangeRequestTargets(t *testing.T) {
	p := serve(t, creator(new(int)))
	tests := []struct {
		name, head string
		code       int
	}{
		{"a URL for a target", "GET http://evil.example/v1/events HTTP/1.1\r\nHost: localhost", 421},
		{"a URL of the gateway's", "GET http://localhost:9080/v1/events HTTP/1.1\r\nHost: localhost:9080", 200},
		{"two Hosts", "GET /v1/events HTTP/1.1\r\nHost: localhost\r\nHost: evil.example", 400},
		{"a list", "GET /v1/events HTTP/1.1\r\nHost: localhost, evil.example", 400},
		{"a name and a host", "GET /v1/events HTTP/1.1\r\nHost: localhost@evil.example", 400},
		{"no Host", "GET /v1/events HTTP/1.1", 400},
		{"no Host, as in HTTP/1.0", "GET /v1/events HTTP/1.0", 421},
		{"HTTP/1.0 with a Host", "GET /v1/events HTTP/1.0\r\nHost: localhost", 200},
		{"a host to connect to", "CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example:80", 421},
		{"a host that a proxy claims", "GET /v1/events HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost", 421},
	}
	for _, tt := range tests {
		if resp, body := p.raw(tt.head + "\r\nConnection: close\r\n\r\n"); resp.StatusCode != tt.code {
			t.Errorf("%s: %s %.200s, want %d", tt.name, resp.Status, body, tt.code)
		}
	}
}

func TestBodiesMustSayThatTheyAreJSON(t *testing.T) {
	created := 0
	p := serve(t, creator(&created))
	for _, kind := range []string{"application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;charset=\"utf-8\""} {
		if resp, body := p.do("POST", "/v1/subscriptions", `{"id":"a"}`, "Content-Type", kind); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %s", kind, resp.Status, body)
		}
	}
	created = 0
	for _, kind := range []string{
		"text/plain", "text/plain; application/json", "text/plain;charset=application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=json",
		"application/json, text/plain", "application/jsonp", "json", ";", " ", "application/json; charset",
	} {
		for _, path := range []string{"/v1/subscriptions", "/v1/exports/a:refetch"} {
			resp, body := p.do("POST", path, `{"id":"a"}`, "Content-Type", kind)
			if got := wantProblem(t, resp, body, 415, "body"); !strings.Contains(got.Message, "Content-Type: application/json") {
				t.Errorf("%s: %s doesn't say what to send", kind, got.Message)
			}
		}
	}
	resp, body := p.do("POST", "/v1/subscriptions", `{"id":"a"}`, "Content-Type", "application/json", "Content-Type", "text/plain")
	wantProblem(t, resp, body, 415, "body")
	for _, accept := range []string{"", eventStream} {
		resp, body := p.do("POST", subscribePath, `{}`, "Content-Type", "text/plain", "Accept", accept)
		if resp.StatusCode != http.StatusUnsupportedMediaType || !strings.Contains(body, "INVALID_FIELD") {
			t.Errorf("subscribe with Accept %q: %s %s", accept, resp.Status, body)
		}
	}
	// No type at all, its length known and not.
	for _, framing := range []string{"Content-Length: 10\r\n\r\n{\"id\":\"a\"}", "Transfer-Encoding: chunked\r\n\r\na\r\n{\"id\":\"a\"}\r\n0\r\n\r\n"} {
		resp, body := p.raw("POST /v1/subscriptions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + framing)
		wantProblem(t, resp, body, 415, "body")
	}
	if created != 0 {
		t.Errorf("%d calls came through", created)
	}
	// What has no body needs no type.
	for _, framing := range []string{"Content-Length: 0\r\n\r\n", "Content-Type: text/plain\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"} {
		if resp, body := p.raw("POST /v1/exports/a:refetch HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + framing); resp.StatusCode != http.StatusOK {
			t.Errorf("%q: %s %s", framing, resp.Status, body)
		}
	}
}

func TestAGETConsumesOnlyIfItSaysSo(t *testing.T) {
	consumed := 0
	p := serve(t, creator(&consumed))
	const query = "/v1/events:subscribe?subscriptionId=billing"
	for _, header := range [][]string{
		nil, {"Straw-Consume", "false"}, {"Straw-Consume", ""}, {"Straw-Consume", "1"}, {"Straw-Consume", "false", "Straw-Consume", "true"},
	} {
		for _, path := range []string{query, "/v1/events:subscribe?subscription_id=billing&maxOutstanding=1", query + "&Straw-Consume=true"} {
			for _, accept := range []string{"", eventStream} {
				resp, body := p.do("GET", path, "", append(header, "Accept", accept)...)
				if resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, "INVALID_FIELD") {
					t.Errorf("%s with %q: %s %s, want 400 and INVALID_FIELD", path, header, resp.Status, body)
				}
				if !strings.HasSuffix(path, "=true") && (!strings.Contains(compactAnswer(body), `"field":"subscription_id"`) || !strings.Contains(body, "Straw-Consume: true")) {
					t.Errorf("%s with %q: %s doesn't name the field and say what to do", path, header, body)
				}
			}
		}
	}
	if consumed != 0 {
		t.Errorf("%d of them consumed", consumed)
	}
	for _, call := range [][]string{
		{"GET", query, "", "Straw-Consume", "true"}, {"POST", subscribePath, `{"subscriptionId":"billing"}`}, {"GET", subscribePath, ""}, {"GET", subscribePath + "?subscriptionId=", ""},
	} {
		if resp, body := p.do(call[0], call[1], call[2], call[3:]...); resp.StatusCode != http.StatusOK {
			t.Errorf("%q: %s %s", call, resp.Status, body)
		}
	}
}

// compactAnswer takes the spaces out of an answer, for protojson varies them.
func compactAnswer(text string) string { return strings.ReplaceAll(text, `": "`, `":"`) }

// TestGETsOnlyRead holds the list of what is served to GET against what was found to change nothing. A browser follows links
// from anywhere, so a new one must be looked at before it is added here: one that changes something is a POST.
func TestGETsOnlyRead(t *testing.T) {
	reads := []string{
		"DownloadExport", "GetEvent", "GetExport", "GetStatus", "GetSubscription", "ListDeadLetters", "ListEvents", "ListExports", "ListSubscriptions",
		"Subscribe", // but for a durable subscription, see TestAGETConsumesOnlyIfItSaysSo
	}
	var got []string
	protoregistry.GlobalFiles.RangeFilesByPackage(strawv1.File_straw_v1_event_proto.Package(), func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				for _, rule := range rulesOf(methods.Get(j)) {
					if r, _ := routeOfRule(rule); strings.HasPrefix(string(r), "GET ") {
						got = append(got, string(methods.Get(j).Name()))
					}
				}
			}
		}
		return true
	})
	got = append(got, "DownloadExport") // its route is hand-written
	slices.Sort(got)
	if diff := cmp.Diff(reads, slices.Compact(got)); diff != "" {
		t.Errorf("what is served to GET (-looked at, +served):\n%s", diff)
	}
}

// TestTheDocsPageCanCall sends what a browser sends for the page itself and for the calls of its forms.
func TestTheDocsPageCanCall(t *testing.T) {
	a := creator(new(int))
	a.getEvent = func(context.Context, *strawv1.GetEventRequest) (*strawv1.Event, error) { return &strawv1.Event{}, nil }
	p := serve(t, a)
	fetch := []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Referer", p.URL + "/docs"}
	for _, path := range []string{"/v1/events?pageSize=1", "/v1/events/evt_1", subscribePath + "?endAtHead=true"} {
		if resp, body := p.do("GET", path, "", fetch...); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %s", path, resp.Status, body)
		}
	}
}
