package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/inprocess"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// api is a gRPC server's answers: each test sets those that it asks for.
type api struct {
	strawv1.UnimplementedEventServiceServer
	strawv1.UnimplementedSubscriptionServiceServer
	strawv1.UnimplementedExportServiceServer
	strawv1.UnimplementedGatewayServiceServer

	subscribe  func(*strawv1.SubscribeRequest, grpc.ServerStreamingServer[strawv1.SubscribeResponse]) error
	getEvent   func(context.Context, *strawv1.GetEventRequest) (*strawv1.Event, error)
	listEvents func(*strawv1.ListEventsRequest) (*strawv1.ListEventsResponse, error)
	create     func(*strawv1.CreateSubscriptionRequest) (*strawv1.Subscription, error)
	update     func(*strawv1.UpdateSubscriptionRequest) (*strawv1.Subscription, error)
	nack       func(*strawv1.NackRequest) (*strawv1.NackResponse, error)
	getExport  func(*strawv1.GetExportRequest) (*strawv1.Export, error)
	refetch    func(*strawv1.RefetchExportRequest) (*strawv1.Export, error)
}

func (a *api) Subscribe(req *strawv1.SubscribeRequest, s grpc.ServerStreamingServer[strawv1.SubscribeResponse]) error {
	return a.subscribe(req, s)
}

func (a *api) GetEvent(ctx context.Context, req *strawv1.GetEventRequest) (*strawv1.Event, error) {
	return a.getEvent(ctx, req)
}

func (a *api) ListEvents(_ context.Context, req *strawv1.ListEventsRequest) (*strawv1.ListEventsResponse, error) {
	return a.listEvents(req)
}

func (a *api) CreateSubscription(_ context.Context, req *strawv1.CreateSubscriptionRequest) (*strawv1.Subscription, error) {
	return a.create(req)
}

func (a *api) UpdateSubscription(_ context.Context, req *strawv1.UpdateSubscriptionRequest) (*strawv1.Subscription, error) {
	return a.update(req)
}

func (a *api) Nack(_ context.Context, req *strawv1.NackRequest) (*strawv1.NackResponse, error) {
	return a.nack(req)
}

func (a *api) GetExport(_ context.Context, req *strawv1.GetExportRequest) (*strawv1.Export, error) {
	return a.getExport(req)
}

func (a *api) RefetchExport(_ context.Context, req *strawv1.RefetchExportRequest) (*strawv1.Export, error) {
	return a.refetch(req)
}

// port is the HTTP port over the API, as the gateway runs it: listeners, connections and limits are real.
type port struct {
	*httptest.Server
	t   *testing.T
	log *bytes.Buffer // complete once the server is closed
}

func serve(t *testing.T, a *api, change ...func(*http.Server, *Options)) *port {
	t.Helper()
	conn := inprocess.New(inprocess.Options{Codec: encoding.GetCodecV2("proto"), MaxRequest: maxBody})
	strawv1.RegisterEventServiceServer(conn, a)
	strawv1.RegisterSubscriptionServiceServer(conn, a)
	strawv1.RegisterExportServiceServer(conn, a)
	strawv1.RegisterGatewayServiceServer(conn, a)
	p := &port{t: t, log: &bytes.Buffer{}}
	options := Options{Conn: conn, Ready: func() error { return nil }, Logger: slog.New(slog.NewTextHandler(p.log, nil))}
	p.Server = httptest.NewUnstartedServer(nil)
	p.Config = NewServer(nil)
	for _, c := range change {
		c(p.Config, &options)
	}
	var err error
	if p.Config.Handler, err = New(options); err != nil {
		t.Fatal(err)
	}
	p.Start()
	t.Cleanup(func() {
		p.Client().CloseIdleConnections()
		p.CloseClientConnections()
		p.Close()
		if err := conn.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// request makes a request for a path as it is, without cleaning it. Headers are name and value in turn; a body is JSON unless
// they say otherwise.
func (p *port) request(method, path, body string, header ...string) *http.Request {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.URL, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.URL.Opaque = "//" + req.URL.Host + path
	if body == "" {
		req.Body = http.NoBody
		req.ContentLength = 0
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	if body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

// send sends a request and returns the answer, its body still to be read.
func (p *port) send(method, path, body string, header ...string) *http.Response {
	p.t.Helper()
	client := *p.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(p.request(method, path, body, header...))
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp
}

// open sends a request and returns the answer's body as it comes.
func (p *port) open(method, path, body string, header ...string) io.ReadCloser {
	p.t.Helper()
	resp := p.send(method, path, body, header...)
	p.t.Cleanup(func() { resp.Body.Close() })
	return resp.Body
}

// A reply is the head of an answer.
type reply struct {
	Status     string
	StatusCode int
	Header     http.Header
}

// do sends a request and returns the whole answer.
func (p *port) do(method, path, body string, header ...string) (reply, string) {
	p.t.Helper()
	resp := p.send(method, path, body, header...)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	return reply{resp.Status, resp.StatusCode, resp.Header}, string(content)
}

// problem is what a test looks at in an error.
type problem struct {
	Code    int
	Message string
	Details []struct {
		Reason, Domain string
		Metadata       map[string]string
	}
}

// wantProblem checks an error's HTTP status and the field that it names, and returns it.
func wantProblem(t *testing.T, resp reply, body string, code int, field string) problem {
	t.Helper()
	var got problem
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%s isn't a Status: %v: %s", resp.Status, err, body)
	}
	if resp.StatusCode != code || len(got.Details) != 1 || got.Details[0].Domain != domain ||
		got.Details[0].Reason != "INVALID_FIELD" || got.Details[0].Metadata["field"] != field {
		t.Errorf("%s, want %d and INVALID_FIELD for %q: %s", resp.Status, code, field, body)
	}
	if kind := resp.Header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("the error's type is %q", kind)
	}
	return got
}

func TestOptionsAreRequired(t *testing.T) {
	for _, o := range []Options{{}, {Ready: func() error { return nil }}} {
		if _, err := New(o); err == nil {
			t.Errorf("New(%+v) gives no error", o)
		}
	}
}

func TestPagesAboutTheGateway(t *testing.T) {
	var notReady error
	p := serve(t, &api{}, func(_ *http.Server, o *Options) {
		o.Ready = func() error { return notReady }
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "straw_streams 0") })
	})
	check := func(path string, code int, want string) {
		t.Helper()
		resp, body := p.do("GET", path, "")
		if resp.StatusCode != code || body != want {
			t.Errorf("GET %s: %s %q, want %d %q", path, resp.Status, body, code, want)
		}
	}
	check("/healthz", 200, `{"status":"ok"}`+"\n")
	check("/readyz", 200, `{"ready":true}`+"\n")
	check("/metrics", 200, "straw_streams 0\n")
	notReady = errors.New("the disk is full")
	check("/readyz", 503, `{"ready":false,"reason":"the disk is full"}`+"\n")
	check("/healthz", 200, `{"status":"ok"}`+"\n")

	if resp, _ := p.do("GET", "/", ""); resp.StatusCode != http.StatusFound || resp.Header.Get("Location") != "/docs" {
		t.Errorf("GET /: %s to %q, want 302 to /docs", resp.Status, resp.Header.Get("Location"))
	}
	if resp, body := p.do("HEAD", "/healthz", ""); resp.StatusCode != http.StatusOK || body != "" {
		t.Errorf("HEAD /healthz: %s %q", resp.Status, body)
	}
	resp, body := p.do("POST", "/metrics", "")
	wantProblem(t, resp, body, 405, "method")
	if diff := cmp.Diff([]string{"GET, HEAD"}, resp.Header.Values("Allow")); diff != "" {
		t.Errorf("Allow (-want +got):\n%s", diff)
	}
}

func TestMetricsAreOptional(t *testing.T) {
	p := serve(t, &api{})
	resp, body := p.do("GET", "/metrics", "")
	wantProblem(t, resp, body, 404, "path")
}

func TestAPanicCostsOneRequest(t *testing.T) {
	calls := 0
	p := serve(t, &api{}, func(_ *http.Server, o *Options) {
		o.Ready = func() error {
			if calls++; calls == 1 {
				panic("a slip")
			}
			return nil
		}
	})
	resp, body := p.do("GET", "/readyz", "")
	if resp.StatusCode != http.StatusInternalServerError || !strings.Contains(body, `"code":13`) || strings.Contains(body, "slip") {
		t.Errorf("%s %s, want 500, INTERNAL, and no more than that", resp.Status, body)
	}
	if resp, body := p.do("GET", "/readyz", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("the next one: %s %s", resp.Status, body)
	}
	p.Close()
	if !strings.Contains(p.log.String(), `panic="a slip"`) {
		t.Errorf("the log doesn't tell of it: %s", p.log)
	}
}
