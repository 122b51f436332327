package rpc_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/rest"
	"github.com/straw-gateway/straw/server/internal/rpc"
)

// from is a dialer whose connections come from another address of this machine.
func from(ip string) *net.Dialer { return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}} }

// overHTTP serves the API's HTTP port and returns its URL.
func (s *shelf) overHTTP() string {
	s.t.Helper()
	handler, err := rest.New(rest.Options{Conn: s.server.InProcess(), Exports: s.server, Ready: func() error { return nil }})
	if err != nil {
		s.t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Config = rest.NewServer(handler)
	server.Start()
	s.t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		if err := s.server.InProcess().Shutdown(context.Background()); err != nil {
			s.t.Error(err)
		}
	})
	return server.URL
}

// A caller calls over HTTP from an address, each time on a connection of its own.
type caller struct {
	*http.Client
	t   *testing.T
	url string
}

func (s *shelf) callerFrom(t *testing.T, ip, url string) caller {
	return caller{&http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: from(ip).DialContext, DisableKeepAlives: true}}, t, url}
}

// get returns the answer's status, its first byte read, and its body.
func (c caller) get(path, accept string) (int, string, io.Closer) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.url+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	resp, err := c.Do(req)
	if err != nil {
		c.t.Fatalf("GET %s: %v", path, err)
	}
	if resp.StatusCode == http.StatusOK {
		if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
			c.t.Fatalf("GET %s: %v", path, err)
		}
		return resp.StatusCode, "", resp.Body
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Body
}

// TestTheQuotaIsTheRealCallersOverHTTPToo has a caller use up its streams, of every kind; those of others are none of its.
func TestTheQuotaIsTheRealCallersOverHTTPToo(t *testing.T) {
	s := newShelf(t)
	s.put("exp", make([]byte, 16<<20)) // more than any socket takes
	url := s.overHTTP()
	const subscribe = "/v1/events:subscribe"
	mine, other := s.callerFrom(t, "127.0.0.2", url), s.callerFrom(t, "127.0.0.3", url)
	kinds := [][2]string{{subscribe, "*/*"}, {subscribe, "text/event-stream"}, {"/v1/exports/exp:download", "*/*"}}
	open := make([]io.Closer, len(kinds))
	for i, kind := range kinds {
		code, body, closer := mine.get(kind[0], kind[1])
		if code != http.StatusOK {
			t.Fatalf("stream %d: %d %s", i, code, body)
		}
		open[i] = closer
	}
	for _, kind := range kinds {
		code, body, _ := mine.get(kind[0], kind[1])
		if code != http.StatusTooManyRequests || !strings.Contains(body, "TOO_MANY_STREAMS") || !strings.Contains(body, "127.0.0.2") {
			t.Errorf("%s %s beyond the quota: %d %s", kind[0], kind[1], code, body)
		}
	}
	if code, body, _ := mine.get("/v1/status", "*/*"); code != http.StatusOK {
		t.Errorf("a call that is no stream: %d %s", code, body)
	}
	conn, err := grpc.NewClient("passthrough:"+s.conn.Target(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			return from("127.0.0.2").DialContext(ctx, "tcp", addr)
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := strawv1.NewEventServiceClient(conn).Subscribe(t.Context(), &strawv1.SubscribeRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	wantError(t, err, codes.ResourceExhausted, strawv1.ErrorReason_TOO_MANY_STREAMS, map[string]string{"limit": "3"})
	for _, kind := range kinds {
		code, body, closer := other.get(kind[0], kind[1])
		if code != http.StatusOK {
			t.Errorf("another caller: %d %s", code, body)
		}
		_ = closer.Close()
	}
	for i, kind := range kinds { // each that ends makes room for another
		_ = open[i].Close()
		tick := time.NewTicker(5 * time.Millisecond)
		for deadline := time.Now().Add(10 * time.Second); ; <-tick.C {
			code, body, closer := mine.get(kind[0], kind[1])
			if code == http.StatusOK {
				_ = closer.Close()
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("a stream ended, and there is no room: %d %s", code, body)
			}
		}
		tick.Stop()
	}
}

// TestAConnectionTakesMoreThanTheQuota reads what the server allows on a connection: a client waits at that limit, so it must
// lie above the quota, which has an error, with room for other calls; and there must be one.
func TestAConnectionTakesMoreThanTheQuota(t *testing.T) {
	a := newAPI(t, setup{})
	conn, err := net.Dial("tcp", a.conn.Target())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprint(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	f, err := framer.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	settings, ok := f.(*http2.SettingsFrame)
	if !ok {
		t.Fatalf("the first frame is %v", f)
	}
	most, _ := settings.Value(http2.SettingMaxConcurrentStreams)
	if most < rpc.DefaultMaxStreams+100 || most > 2*rpc.DefaultMaxStreams {
		t.Errorf("a connection takes %d streams; the quota is %d", most, rpc.DefaultMaxStreams)
	}
}
