package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/ingest"
	"github.com/straw-gateway/straw/server/internal/signature"
	"github.com/straw-gateway/straw/server/internal/store"
)

// The table of answers, each over a real connection.
func TestAnswers(t *testing.T) {
	g := open(t, ingest.Options{})
	first, second := webhook("evt_1"), strings.Replace(webhook("evt_1"), `:1}`, `:2}`, 1)
	large := webhook("evt_large")
	large = strings.Replace(large, "SENSITIVE", strings.Repeat("x", event.MaxBody-len(large)+len("SENSITIVE")), 1)
	for i, c := range []struct {
		name    string
		request string
		status  int
		body    string
		outcome string
	}{
		{"stored", signed(first), 200, `{"received":true}`, "stored"},
		{"duplicate", signed(first), 200, `{"received":true,"duplicate":true}`, "duplicate"},
		{"conflict", signed(second), 200, `{"received":true,"duplicate":true}`, "conflict"},
		{"the first again", signed(first), 200, `{"received":true,"duplicate":true}`, "duplicate"},
		{"not JSON", signed("nonsense"), 200, `{"received":true}`, "stored"},
		{"not JSON again", signed("nonsense"), 200, `{"received":true,"duplicate":true}`, "duplicate"},
		{"empty", signed(""), 200, `{"received":true}`, "stored"},
		{"upper case", request(webhook("evt_2"), fmt.Sprint("Content-Length: ", len(webhook("evt_2"))), "X-JUICEBOX-SIGNATURE: "+strings.ToUpper(sign(webhook("evt_2")))), 200, `{"received":true}`, "stored"},
		{"prefixed", request(webhook("evt_3"), fmt.Sprint("Content-Length: ", len(webhook("evt_3"))), "x-juicebox-signature: sha256="+sign(webhook("evt_3"))), 200, `{"received":true}`, "stored"},
		{"chunked", request(chunked(webhook("evt_4"), 7), "Transfer-Encoding: chunked", "x-juicebox-signature: "+sign(webhook("evt_4"))), 200, `{"received":true}`, "stored"},
		{"exactly 1 MiB", signed(large), 200, `{"received":true}`, "stored"},
		{"exactly 1 MiB, chunked", request(chunked(large, 100_000), "Transfer-Encoding: chunked", "x-juicebox-signature: "+sign(large)), 200, `{"received":true,"duplicate":true}`, "duplicate"},
		{"any content type", signed(webhook("evt_5"), "Content-Type: text/plain"), 200, `{"received":true}`, "stored"},
		{"expects 100", strings.Replace(signed(webhook("evt_6")), "Host", "Expect: 100-continue\r\nHost", 1), 100, "", "stored"},

		{"no signature", request(first, fmt.Sprint("Content-Length: ", len(first))), 401, `{"error":"Invalid signature"}`, "unauthorized missing"},
		{"wrong signature", request(first, fmt.Sprint("Content-Length: ", len(first)), "x-juicebox-signature: "+sign(second)), 401, `{"error":"Invalid signature"}`, "unauthorized mismatch"},
		{"odd length", request(first, fmt.Sprint("Content-Length: ", len(first)), "x-juicebox-signature: "+sign(first)[1:]), 401, `{"error":"Invalid signature"}`, "unauthorized malformed"},
		{"not hex", request(first, fmt.Sprint("Content-Length: ", len(first)), "x-juicebox-signature: "+sign(first)[1:]+"x"), 401, `{"error":"Invalid signature"}`, "unauthorized malformed"},
		{"comma-joined", request(first, fmt.Sprint("Content-Length: ", len(first)), "x-juicebox-signature: "+sign(first)+", "+sign(first)), 401, `{"error":"Invalid signature"}`, "unauthorized repeated"},
		{"repeated", signed(first, "x-juicebox-signature: "+sign(first)), 401, `{"error":"Invalid signature"}`, "unauthorized repeated"},
		{"in the trailer", request("1\r\nx\r\n0\r\nX-Juicebox-Signature: "+sign("x")+"\r\n\r\n", "Transfer-Encoding: chunked", "Trailer: X-Juicebox-Signature"), 401, `{"error":"Invalid signature"}`, "unauthorized missing"},

		{"over 1 MiB", signed(large + " "), 413, `{"error":"The body has more than 1048576 bytes"}`, "too_large"},
		{"over 1 MiB, chunked", request(chunked(large+" ", 100_000), "Transfer-Encoding: chunked", "x-juicebox-signature: "+sign(large+" ")), 413, `{"error":"The body has more than 1048576 bytes"}`, "too_large"},
		{"gzip", signed(webhook("evt_7"), "Content-Encoding: gzip"), 415, `{"error":"Content-Encoding is not supported; send the body as it was signed"}`, "unsupported_encoding"},
		{"identity", signed(webhook("evt_7"), "Content-Encoding: identity"), 415, `{"error":"Content-Encoding is not supported; send the body as it was signed"}`, "unsupported_encoding"},
		{"GET", strings.Replace(signed(webhook("evt_7")), "POST", "GET", 1), 405, `{"error":"Only POST is allowed here"}`, "bad_method"},
		{"PUT", strings.Replace(signed(webhook("evt_7")), "POST", "PUT", 1), 405, `{"error":"Only POST is allowed here"}`, "bad_method"},
		{"a method of its own", strings.Replace(signed(webhook("evt_7")), "POST", "STRAW", 1), 405, `{"error":"Only POST is allowed here"}`, "bad_method"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := g.dial().send(c.request)
			got := w.reply()
			if got.status != c.status || got.body != c.body {
				t.Errorf("%d %s, want %d %s", got.status, got.body, c.status, c.body)
			}
			if got.status == 100 {
				if got = w.reply(); got.status != 200 {
					t.Errorf("after 100: %d", got.status)
				}
			}
			if ct := got.header.Values("Content-Type"); len(ct) != 1 || ct[0] != "application/json" {
				t.Errorf("Content-Type %q", ct)
			}
			if outcome := g.seen.nth(t, i+1); outcome != c.outcome {
				t.Errorf("the outcome is %q, want %q", outcome, c.outcome)
			}
		})
	}
	if g.stored("evt_7") {
		t.Error("a refused webhook was stored")
	}
	if got, want := g.head(), event.Sequence(9); got != want {
		t.Errorf("the log has %d events, want %d", got, want)
	}
	stored, err := g.log.Get(t.Context(), event.SourceJuicebox, "evt_1")
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := g.log.Raw(t.Context(), stored.Seq); err != nil || string(raw) != first {
		t.Errorf("after the conflict the body is %s, %v; want the first", raw, err)
	}
	if text := g.logged.String(); strings.Count(text, "with a different body") != 1 || !strings.Contains(text, "id=evt_1") {
		t.Errorf("the log doesn't tell of the conflict once:\n%s", text)
	}
}

// Nobody learns from the answer what was wrong: all of it is the same, header for header and byte for byte.
func TestEveryUnauthorizedAnswerIsTheSame(t *testing.T) {
	g := open(t, ingest.Options{})
	body := webhook("evt_1")
	good, length := sign(body), fmt.Sprint("Content-Length: ", len(body))
	var first string
	for _, headers := range [][]string{
		{},
		{"X-Juicebox-Signature:"},
		{"X-Juicebox-Signature: " + strings.Repeat("0", 64)},
		{"X-Juicebox-Signature: " + good[:63]},
		{"X-Juicebox-Signature: " + strings.Repeat("a", 9000)},
		{"X-Juicebox-Signature: sha1=" + good},
		{"X-Juicebox-Signature: " + good + "," + good},
		{"X-Juicebox-Signature: " + good, "X-Juicebox-Signature: " + good},
		{"X-Juicebox-Signature: \xff\xfe"},
		{"X-Juicebox-Signatur: " + good},
	} {
		got := g.exchange(request(body, append(headers, length)...))
		if got.status != 401 {
			t.Fatalf("%q: %d %s", headers, got.status, got.body)
		}
		if first == "" {
			first = got.raw
		}
		if got.raw != first {
			t.Errorf("%q is answered\n%s\nand the first\n%s", headers, got.raw, first)
		}
	}
	if n := strings.Count(g.logged.String(), "its signature doesn't verify"); n != 1 {
		t.Errorf("%d lines logged for a burst of refusals:\n%s", n, g.logged)
	}
	if g.head() != 0 {
		t.Error("something was stored")
	}
}

// An appendFunc is a log in a state that a real one is rarely in.
type appendFunc func(ctx context.Context, d *event.Draft) (store.Receipt, error)

func (f appendFunc) Append(ctx context.Context, d *event.Draft) (store.Receipt, error) {
	return f(ctx, d)
}

func TestUnavailable(t *testing.T) {
	for name, c := range map[string]struct {
		err        error
		retryAfter string
		logged     string
	}{
		"overloaded": {fmt.Errorf("append: %w", event.ErrOverloaded), "1", "too many events wait"},
		"full":       {fmt.Errorf("append: %w", event.ErrFull), "60", "the disk is full"},
		"away":       {event.ErrUnavailable, "5", "the store is unavailable"},
		"corrupt":    {event.ErrCorrupt, "5", "the store is corrupt"},
		"deadline":   {nil, "5", "didn't make it durable in time"},
		"unheard of": {errors.New("flux capacitor"), "5", "flux capacitor"},
	} {
		t.Run(name, func(t *testing.T) {
			g := open(t, ingest.Options{AppendTimeout: 20 * time.Millisecond, Log: appendFunc(
				func(ctx context.Context, _ *event.Draft) (store.Receipt, error) {
					if c.err == nil {
						<-ctx.Done()
						return store.Receipt{}, ctx.Err()
					}
					return store.Receipt{}, c.err
				})})
			got := g.exchange(signed(webhook("evt_1")))
			if got.status != 503 || got.header.Get("Retry-After") != c.retryAfter {
				t.Errorf("%d, Retry-After %q; want 503 and %s", got.status, got.header.Get("Retry-After"), c.retryAfter)
			}
			if strings.Contains(got.body, "flux") || !strings.Contains(got.body, `"error"`) {
				t.Errorf("the answer is %s", got.body)
			}
			if outcome := g.seen.nth(t, 1); outcome != "unavailable" {
				t.Errorf("the outcome is %q", outcome)
			}
			if !strings.Contains(g.logged.String(), c.logged) {
				t.Errorf("the log doesn't say %q:\n%s", c.logged, g.logged)
			}
		})
	}
}

func TestNothingElseOnThePort(t *testing.T) {
	g := open(t, ingest.Options{})
	for _, c := range []struct {
		request string
		status  int
	}{
		{"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200},
		{"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405},
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404},
		{"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n", 404},
		{"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 404},
		{"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", 404},
		{"GET /debug/pprof/ HTTP/1.1\r\nHost: x\r\n\r\n", 404},
		{"POST /straw.v1.EventService/Subscribe HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404},
		{strings.Replace(signed(webhook("evt_1")), "/webhooks/juicebox", "//webhooks/juicebox", 1), 404},
		{strings.Replace(signed(webhook("evt_1")), "/webhooks/juicebox", "/webhooks/juicebox/", 1), 404},
		{strings.Replace(signed(webhook("evt_1")), "/webhooks/juicebox", "/x/../webhooks/juicebox", 1), 404},
		{"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 404},
		{"CONNECT straw:443 HTTP/1.1\r\nHost: straw:443\r\n\r\n", 404},
	} {
		line, _, _ := strings.Cut(c.request, "\r\n")
		got := g.exchange(c.request)
		if got.status != c.status {
			t.Errorf("%s: %d, want %d", line, got.status, c.status)
		}
		if got.status == http.StatusOK && got.body != "ok\n" || got.status != http.StatusOK && got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s %s", line, got.header, got.body)
		}
	}
	w := g.dial().send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	if status, err := w.in.ReadString('\n'); err == nil && !strings.HasPrefix(status, "HTTP/1.1 ") {
		t.Errorf("HTTP/2 is answered %q", status)
	}
	if g.head() != 0 || len(g.seen.all) != 0 {
		t.Errorf("%d stored, %v", g.head(), g.seen.all)
	}
}

// What the request says of its trace and what time it is end up in the event.
func TestEventCarriesTheRequest(t *testing.T) {
	g := open(t, ingest.Options{})
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	before := time.Now()
	for id, c := range map[string]struct {
		headers []string
		want    string
	}{
		"evt_traced":   {[]string{"traceparent: " + trace}, trace},
		"evt_twice":    {[]string{"traceparent: " + trace, "traceparent: " + trace}, ""},
		"evt_bad":      {[]string{"traceparent: 00-" + strings.Repeat("0", 32) + trace[35:]}, ""},
		"evt_untraced": {nil, ""},
	} {
		if got := g.exchange(signed(webhook(id), c.headers...)); got.status != 200 {
			t.Fatalf("%s: %d", id, got.status)
		}
		stored, err := g.log.Get(t.Context(), event.SourceJuicebox, id)
		if err != nil {
			t.Fatal(err)
		}
		e := new(strawv1.Event)
		if err := proto.Unmarshal(stored.Encoded, e); err != nil {
			t.Fatal(err)
		}
		if e.Traceparent != c.want {
			t.Errorf("%s: traceparent %q, want %q", id, e.Traceparent, c.want)
		}
		if at := e.ReceiveTime.AsTime(); at.Before(before.Truncate(time.Microsecond)) || at.After(time.Now()) {
			t.Errorf("%s: received at %v", id, at)
		}
	}
}

// The closed sets that metrics rely on.
func TestLabels(t *testing.T) {
	seen := map[ingest.Outcome]bool{}
	for _, o := range ingest.Outcomes() {
		if seen[o] || o == "" {
			t.Errorf("%q is there twice, or empty", o)
		}
		seen[o] = true
	}
	if len(seen) != 9 || len(signature.Causes()) != 4 {
		t.Errorf("%d outcomes, %d causes", len(seen), len(signature.Causes()))
	}
}
