package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/straw-gateway/straw/server/internal/convert"
)

// TestWebhooksAreConvertible holds the generator to what Straw takes as typed events.
func TestWebhooksAreConvertible(t *testing.T) {
	for _, order := range []IDOrder{RandomIDs, OrderedIDs} {
		hooks, types, last := &Webhooks{Order: order, Seed: 7}, map[string]int{}, ""
		for i := range 100 {
			id, body := hooks.Next()
			draft := convert.Convert(body, convert.Request{ReceiveTime: time.Unix(0, 0)})
			if draft.Unrecognized || draft.ID != id {
				t.Fatalf("%s became event %q, unrecognized: %v", body, draft.ID, draft.Unrecognized)
			}
			if index, ok := indexOf(id); !ok || index != i {
				t.Errorf("the index of %s is %d, %v; want %d", id, index, ok, i)
			}
			if order == OrderedIDs && id <= last {
				t.Errorf("id %s doesn't come after %s", id, last)
			}
			types[draft.Type]++
			last = id
		}
		want := map[string]int{}
		for _, name := range webhookTypes {
			want[name] += 20
		}
		if diff := cmp.Diff(want, types); diff != "" {
			t.Errorf("events by type (-want +got):\n%s", diff)
		}
	}
	if _, ok := indexOf("evt_1"); ok {
		t.Error("a foreign id has an index")
	}
}

func TestSeedsDontShareIDs(t *testing.T) {
	for _, order := range []IDOrder{RandomIDs, OrderedIDs} {
		seen := map[string]bool{}
		for seed := range uint64(10) {
			hooks := &Webhooks{Order: order, Seed: seed}
			for range 100 {
				id, _ := hooks.Next()
				if seen[id] {
					t.Fatalf("%s ids: %s came twice", order, id)
				}
				seen[id] = true
			}
		}
	}
}

func TestParseAnswer(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{\"received\":true}"
	tests := []struct {
		name     string
		answer   string
		status   int
		complete bool
		problem  string
	}{
		{"whole", ok, 200, true, ""},
		{"body cut", ok[:len(ok)-1], 200, false, ""},
		{"header cut", ok[:40], 0, false, ""},
		{"refused", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 503, true, ""},
		{"no length", "HTTP/1.1 200 OK\r\n\r\n", 0, false, "Content-Length"},
		{"another protocol", "SSH-2.0\r\nContent-Length: 1\r\n\r\n1", 0, false, "HTTP/1.1"},
		{"mad length", "HTTP/1.1 200 OK\r\nContent-Length: one\r\n\r\n", 0, false, "Content-Length"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, complete, err := parseAnswer([]byte(test.answer))
			if test.problem != "" {
				if err == nil || !strings.Contains(err.Error(), test.problem) {
					t.Errorf("got error %v, want one that says %q", err, test.problem)
				}
				return
			}
			if err != nil || status != test.status || complete != test.complete {
				t.Errorf("got %d, %v, %v; want %d, %v", status, complete, err, test.status, test.complete)
			}
		})
	}
}

// A recorder takes webhooks as a server of another make than the limits would.
type recorder struct {
	mu     sync.Mutex
	ids    map[string]int
	conns  map[string]bool
	badSum int
	status int
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	mac := hmac.New(sha256.New, []byte(webhookSecret))
	mac.Write(body)
	var hook struct{ ID string }
	_ = json.Unmarshal(body, &hook)
	r.mu.Lock()
	r.ids[hook.ID]++
	r.conns[req.RemoteAddr] = true
	if req.Header.Get(signatureHeader) != hex.EncodeToString(mac.Sum(nil)) || req.URL.Path != webhookPath {
		r.badSum++
	}
	r.mu.Unlock()
	w.WriteHeader(r.status)
	_, _ = w.Write([]byte(`{"received":true}`))
}

// record runs the generator against a recorder.
func record(t *testing.T, status int, config LoadConfig) (*recorder, *LoadResult) {
	t.Helper()
	r := &recorder{ids: map[string]int{}, conns: map[string]bool{}, status: status}
	server := httptest.NewServer(r)
	defer server.Close()
	config.Addr, config.Order, config.Seed = strings.TrimPrefix(server.URL, "http://"), RandomIDs, 3
	l, _, err := openLoad(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	result, err := l.do("run", nil)
	if err != nil {
		t.Fatal(err)
	}
	server.Close() // its last handler has returned
	return r, result.(*LoadResult)
}

func TestLoadSendsEachWebhookOnce(t *testing.T) {
	r, result := record(t, http.StatusOK, LoadConfig{Conns: 4, Window: time.Minute, Most: 500})
	if result.Total != 500 || len(r.ids) != 500 || r.badSum != 0 {
		t.Errorf("sent %d, received %d, with a wrong signature or path %d; want 500, 500 and 0", result.Total, len(r.ids), r.badSum)
	}
	if most := slices.Max(slices.Collect(maps.Values(r.ids))); most != 1 {
		t.Errorf("a webhook was sent %d times", most)
	}
}

func TestLoadKeepsItsRate(t *testing.T) {
	r, result := record(t, http.StatusOK, LoadConfig{Conns: 8, Rate: 200, Warmup: 100 * time.Millisecond, Window: 500 * time.Millisecond, KeepTimes: true})
	if result.Total < 30 || result.Total > 120 || len(r.ids) != result.Total {
		t.Errorf("sent %d webhooks and %d came; want up to 120 in 600 ms at 200/s", result.Total, len(r.ids))
	}
	if result.Elapsed < 490*time.Millisecond { // the clocks of two processes differ a little
		t.Errorf("the window was %v instead of 500 ms", result.Elapsed)
	}
	if !slices.IsSorted(result.Sent[:result.Total]) || result.Sent[0] == 0 {
		t.Errorf("the times of sending don't grow from a time on: %v", result.Sent)
	}
	if len(r.conns) != 8 { // a server closes those that it hears nothing from
		t.Errorf("%d connections of 8 were used", len(r.conns))
	}
	if result.P50 <= 0 || result.P99 < result.P50 {
		t.Errorf("p50 is %v and p99 %v", result.P50, result.P99)
	}
}

func TestLoadTellsOfRefusals(t *testing.T) {
	_, result := record(t, http.StatusServiceUnavailable, LoadConfig{Conns: 2, Window: time.Minute, Most: 10})
	if result.Refused != 10 || !strings.Contains(result.Refusal, "503") {
		t.Errorf("%d refused, the first with %q; want 10 and 503", result.Refused, result.Refusal)
	}
}

func TestLoadStaysOnThisMachine(t *testing.T) {
	_, _, err := openLoad(LoadConfig{Addr: "192.0.2.1:80", Conns: 1, Window: time.Second, Most: 1})
	if err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("got error %v, want one that speaks of loopback", err)
	}
}
