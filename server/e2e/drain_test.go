package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// TestTermUnderLoad asks a loaded gateway to end: it must say so to its subscriber, with a cursor, end by itself with exit
// code 0, and have lost nothing that it answered.
func TestTermUnderLoad(t *testing.T) {
	dir := t.TempDir()
	g := startGateway(t, dir)
	stream, err := strawv1.NewEventServiceClient(g.dial()).Subscribe(t.Context(), &strawv1.SubscribeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	frames := make(chan *strawv1.SubscribeResponse, 1000)
	end := make(chan error, 1)
	go func() {
		defer close(frames)
		for {
			f, err := stream.Recv()
			if err != nil {
				end <- err
				return
			}
			frames <- f
		}
	}()
	first := <-frames
	answered := g.loadUntilGone(8)
	for got := 0; got < 200; {
		f := <-frames
		got += len(f.GetDeliveries())
	}
	if err := g.terminate(); err != nil {
		t.Fatalf("straw serve ended with %v\n%s", err, g.logs)
	}
	last := first
	for f := range frames {
		last = f
	}
	if last.GetGoingAway() == nil || last.GetCursor() == "" {
		t.Errorf("the last frame is %v", last)
	}
	if err := <-end; status.Code(err) != codes.Unavailable {
		t.Errorf("the stream ended with %v", err)
	}
	stored := map[string]bool{}
	for _, e := range startGateway(t, dir).everything(t.Context()) {
		stored[e.GetId()] = true
	}
	for _, id := range answered() {
		if !stored[id] {
			t.Errorf("%s was answered 200 and is gone", id)
		}
	}
}

// loadUntilGone posts events from several senders until the gateway stops answering; the function that it returns waits for
// them and returns the ids that were answered 200.
func (g *gateway) loadUntilGone(senders int) (answered func() []string) {
	var (
		mu   sync.Mutex
		ids  []string
		done sync.WaitGroup
	)
	for sender := range senders {
		done.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
			defer client.CloseIdleConnections()
			for n := 0; ; n++ {
				id := fmt.Sprintf("load_%d_%d", sender, n)
				status, _, err := g.post(client, fmt.Sprintf(`{"id":%q,"type":"search.alert","data":{"alert_id":"a"}}`, id))
				if err != nil {
					return
				}
				if status == http.StatusOK {
					mu.Lock()
					ids = append(ids, id)
					mu.Unlock()
				}
			}
		})
	}
	return func() []string {
		done.Wait()
		return ids
	}
}

// TestTermWithAStreamThatDoesNotRead ends a gateway whose subscriber has stopped reading: it can't be told, and must not hold
// the gateway up for long.
func TestTermWithAStreamThatDoesNotRead(t *testing.T) {
	g := startGateway(t, t.TempDir())
	stream, err := strawv1.NewEventServiceClient(g.dial()).Subscribe(t.Context(), &strawv1.SubscribeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	g.fill(t, 40, 512<<10) // far beyond what the transport buffers
	began := time.Now()
	if err := g.terminate(); err != nil {
		t.Fatalf("straw serve ended with %v\n%s", err, g.logs)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v to end", took)
	}
}

// fill posts n events with a text of so many bytes each.
func (g *gateway) fill(t *testing.T, n, size int) {
	t.Helper()
	text := make([]byte, size)
	for i := range text {
		text[i] = 'q'
	}
	for i := range n {
		g.mustPost(fmt.Sprintf(`{"id":"fill_%d","type":"analysis.completed","data":{"analysis_id":"a","query":%q}}`, i, text))
	}
}

func TestReadinessFollowsTheGateway(t *testing.T) {
	g := startGateway(t, t.TempDir())
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200} {
		if got := get(t, g.http+path); got != want {
			t.Errorf("GET %s: %d", path, got)
		}
	}
	if got := get(t, g.webhook+"/healthz"); got != http.StatusOK {
		t.Errorf("GET /healthz on the webhook port: %d", got)
	}
	for _, path := range []string{"/metrics", "/v1/events", "/readyz", "/"} {
		if got := get(t, g.webhook+path); got != http.StatusNotFound {
			t.Errorf("GET %s on the webhook port: %d; it must serve nothing but the webhook", path, got)
		}
	}
}

func get(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
