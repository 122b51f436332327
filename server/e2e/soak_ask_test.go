package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// ask is one visit of a client that makes unary calls, over gRPC and REST.
func (s *soak) ask(ctx context.Context, random *rand.Rand) {
	conn := s.dialSoak()
	defer conn.Close()
	client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	events, subscriptions := strawv1.NewEventServiceClient(conn), strawv1.NewSubscriptionServiceClient(conn)
	calls := map[string]func() error{
		"ListEvents": func() error {
			req := &strawv1.ListEventsRequest{Filter: ownFilter(random), PageSize: 50}
			page, err := events.ListEvents(ctx, req)
			if err == nil && page.GetNextPageToken() != "" {
				req.PageToken = page.GetNextPageToken()
				_, err = events.ListEvents(ctx, req)
			}
			return err
		},
		"GetEvent": func() error {
			id := s.sent.any(random)
			e, err := events.GetEvent(ctx, &strawv1.GetEventRequest{Id: id, View: strawv1.EventView_RAW})
			if err == nil && e.GetId() != id {
				return fmt.Errorf("asked for %s, got %s", id, e.GetId())
			}
			return err
		},
		"ListSubscriptions": func() error {
			_, err := subscriptions.ListSubscriptions(ctx, &strawv1.ListSubscriptionsRequest{})
			return err
		},
		"ListDeadLetters": func() error {
			_, err := subscriptions.ListDeadLetters(ctx, &strawv1.ListDeadLettersRequest{SubscriptionId: s.durable[0].id, PageSize: 20})
			return err
		},
		"GetStatus": func() error {
			_, err := strawv1.NewGatewayServiceClient(conn).GetStatus(ctx, &strawv1.GetStatusRequest{})
			return err
		},
		"ListExports": func() error {
			_, err := strawv1.NewExportServiceClient(conn).ListExports(ctx, &strawv1.ListExportsRequest{PageSize: 20})
			return err
		},
	}
	for _, path := range []string{
		"/v1/status", "/v1/events?pageSize=20&filter=" + url.QueryEscape(ownFilter(random)), "/v1/subscriptions", "/v1/subscriptions/" + s.durable[0].id + "/deadLetters?pageSize=5",
		"/v1/exports?pageSize=5", "/openapi.json", "/docs", "/healthz", "/v1/events/" + escape(s.sent.any(random)),
	} {
		calls["GET "+path] = func() error { return s.get(ctx, client, path, nil) }
	}
	for name, call := range calls { // a map's order is random
		if ctx.Err() != nil || pause(ctx, between(random, 10*time.Millisecond, 100*time.Millisecond)) != nil {
			return
		}
		if s.fine(ctx, name, call()) {
			s.count(didAsk)
		}
	}
}

// get asks over HTTP and hands the body to a reader; nil to throw it away.
func (s *soak) get(ctx context.Context, client *http.Client, path string, take func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.g.http+path, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return status.Error(codes.Unavailable, err.Error())
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return answered(resp)
	}
	if take == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	return take(resp.Body)
}

// export is one visit of a client that waits for an export to be stored and downloads it, hanging up in the middle at first;
// now and then the export's link leads nowhere good.
func (s *soak) export(ctx context.Context, random *rand.Rand) {
	conn := s.dialSoak()
	defer conn.Close()
	client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	m := made{seed: random.Int64N(1 << 30), size: 1 + random.Int64N(256<<10)}
	id, link := fmt.Sprintf("export-%d", random.Uint64()), s.files.link(m)
	good := random.IntN(5) > 0
	if !good {
		link = s.files.URL + []string{"/inside", "/loopback", "/huge", "/teapot"}[random.IntN(4)]
	}
	s.post(context.WithoutCancel(ctx), client, id, announcementAt(id, id, link, time.Now()))
	if !good {
		_ = pause(ctx, time.Second)
		return
	}
	exports := strawv1.NewExportServiceClient(conn)
	for {
		x, err := exports.GetExport(ctx, &strawv1.GetExportRequest{Id: id})
		if x.GetState() == strawv1.Export_AVAILABLE {
			break
		}
		if status.Code(err) != codes.NotFound && !s.fine(ctx, "GetExport", err) || pause(ctx, 100*time.Millisecond) != nil {
			return
		}
	}
	hangUp, cancel := context.WithCancel(ctx)
	if stream, err := exports.DownloadExport(hangUp, &strawv1.DownloadExportRequest{Id: id}); err == nil {
		_, _ = stream.Recv() // however it ends
	}
	cancel()
	sum := sha256.New()
	if s.fine(ctx, "download", s.get(ctx, client, "/v1/exports/"+id+":download", func(r io.Reader) error {
		_, err := io.Copy(sum, r)
		return err
	})) {
		s.count(didDownload)
		if got := hex.EncodeToString(sum.Sum(nil)); got != m.sum(s.t) {
			s.problem(problemAnswer, "export %s of %d bytes came as %s", id, m.size, got)
		}
	}
}
