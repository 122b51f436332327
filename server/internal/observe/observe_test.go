package observe

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/ingest"
	"github.com/straw-gateway/straw/server/internal/listen"
	"github.com/straw-gateway/straw/server/internal/signature"
	"github.com/straw-gateway/straw/server/internal/store"
	"github.com/straw-gateway/straw/server/internal/stream"
)

var update = flag.Bool("update", false, "write the golden files anew")

// figures are what a log and its readers say at a scrape.
type figures struct {
	types           event.Types
	bounds          store.Bounds
	stats           store.Stats
	furthest, total uint64
}

func (f *figures) Types() *event.Types   { return &f.types }
func (f *figures) Bounds() store.Bounds  { return f.bounds }
func (f *figures) Stats() store.Stats    { return f.stats }
func (f *figures) Lag() (uint64, uint64) { return f.furthest, f.total }
func (f *figures) add(t string, n int64) { f.types.Add(t); f.stats.ByType = append(f.stats.ByType, n) }
func newFigures() *figures               { return &figures{stats: store.Stats{ByType: []int64{0}}} }

// scrape returns the gateway's own lines of what a Prometheus server would get.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	server := httptest.NewServer(m.Handler())
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("scrape: %s, %v\n%s", resp.Status, err, body)
	}
	var own strings.Builder
	for line := range strings.Lines(string(body)) {
		if strings.Contains(line, "straw_") {
			own.WriteString(line)
		}
	}
	return own.String()
}

func TestMetrics(t *testing.T) {
	f := newFigures()
	f.stats.ByType[0] = 2 // of types beyond the table
	f.add(event.TypeExportReady, 10)
	f.add("profile.enriched", 3)
	f.bounds = store.Bounds{Floor: 5, Head: 15}
	f.stats.Unrecognized, f.stats.SizeBytes = 5, 4096
	f.furthest, f.total = 7, 9

	m := NewMetrics()
	m.ObserveLog(f, f)
	usage := 87.5
	m.ObserveQuota(func() *strawv1.Event {
		return &strawv1.Event{Payload: &strawv1.Event_QuotaWarning{QuotaWarning: &strawv1.QuotaWarning{UsagePercent: &usage}}}
	})
	m.Received(ingest.Stored, "", 3*time.Millisecond)
	m.Received(ingest.Stored, "", 40*time.Millisecond)
	m.Received(ingest.Unauthorized, signature.Mismatch, time.Millisecond)
	m.Appended(2 * time.Millisecond)
	m.Synced(1, time.Millisecond)
	m.Synced(256, 5*time.Millisecond)
	m.Opened(stream.ModeCursor)
	m.Opened(stream.ModeCursor)
	m.Opened(stream.ModeDurable)
	m.Closed(stream.ModeCursor)
	m.Sent(0)
	m.Sent(12)
	m.FilterFailed()
	m.ObserveExports(func() map[strawv1.Export_State]int64 {
		return map[strawv1.Export_State]int64{strawv1.Export_AVAILABLE: 4, strawv1.Export_EXPIRED: 1}
	})
	m.ExportStored(5<<20, 2*time.Second, 59*time.Minute)
	m.ExportStored(0, 0, -time.Second)
	m.ExportRetried()
	m.ObserveConnections("webhook", func() int { return 3 })
	m.ConnectionEnded("webhook", listen.Evicted)
	m.ConnectionEnded("webhook", listen.Evicted)
	m.AcceptFailed("webhook")

	golden := filepath.Join("testdata", "metrics.txt")
	got := scrape(t, m)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("metrics differ from %s; if they should, run `go test -update` (-want +got):\n%s", golden, diff)
	}
}

func TestFiguresAreReadAtEachScrape(t *testing.T) {
	f := newFigures()
	m := NewMetrics()
	m.ObserveLog(f, f)
	var latest *strawv1.Event
	m.ObserveQuota(func() *strawv1.Event { return latest })
	before := scrape(t, m)
	for _, line := range []string{"straw_store_writable 1\n", "straw_store_head_sequence 0\n", `straw_events_appended_total{type="export.ready"} 0` + "\n"} {
		if !strings.Contains(before, line) {
			t.Errorf("no %q in\n%s", line, before)
		}
	}
	if strings.Contains(before, "straw_juicebox_quota") {
		t.Errorf("a quota is shown before one is known:\n%s", before)
	}

	f.stats.Problem = "the disk is full"
	f.bounds.Head = 1
	f.add(event.TypeExportReady, 1)
	latest = &strawv1.Event{Payload: &strawv1.Event_QuotaWarning{QuotaWarning: &strawv1.QuotaWarning{}}}
	after := scrape(t, m)
	for _, line := range []string{"straw_store_writable 0\n", "straw_store_head_sequence 1\n", `straw_events_appended_total{type="export.ready"} 1` + "\n"} {
		if !strings.Contains(after, line) {
			t.Errorf("no %q in\n%s", line, after)
		}
	}
	if strings.Contains(after, "straw_juicebox_quota") {
		t.Errorf("a quota is shown though the warning doesn't say it:\n%s", after)
	}
}

func TestSeriesAreBounded(t *testing.T) {
	f := newFigures()
	f.add(strings.Repeat("long", 1000), 1)
	f.add("not utf-8 \xff", 1)
	for i := range event.MaxTypes - 3 {
		f.add(fmt.Sprintf("made.up.%d", i), 1)
	}
	f.add(event.TypeSearchAlert, 1) // known, however late
	m := NewMetrics()
	m.ObserveLog(f, f)

	var series int
	for line := range strings.Lines(scrape(t, m)) {
		if strings.HasPrefix(line, "straw_events_appended_total{") {
			series++
		}
	}
	own := maxTypeLabels - 2 // the two absurd names have numbers and no series
	if want := own + len(event.Known()) + 1; series != want {
		t.Errorf("%d series by type, want %d", series, want)
	}
	text := scrape(t, m)
	for _, want := range []string{
		fmt.Sprintf(`straw_events_appended_total{type="other"} %d`, event.MaxTypes-1-own),
		`straw_events_appended_total{type="search.alert"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %q", want)
		}
	}
}

func TestGoAndProcessAreObservedToo(t *testing.T) {
	recorder := httptest.NewRecorder()
	NewMetrics().Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	for _, name := range []string{"go_goroutines ", "go_gc_heap_live_bytes ", "process_resident_memory_bytes "} {
		if !strings.Contains(recorder.Body.String(), "\n"+name) {
			t.Errorf("no %s", name)
		}
	}
}

func TestLogger(t *testing.T) {
	var text, lines bytes.Buffer
	for _, logger := range []*slog.Logger{NewLogger(&text, slog.LevelInfo, "text"), NewLogger(&lines, slog.LevelInfo, "json")} {
		logger.Debug("not shown")
		logger.Info("listening", "listener", "http", "addr", "127.0.0.1:9080")
	}
	if got := text.String(); !strings.Contains(got, "level=INFO msg=listening listener=http addr=127.0.0.1:9080\n") || strings.Contains(got, "not shown") {
		t.Errorf("text: %s", got)
	}
	var record map[string]string
	if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
		t.Fatalf("%v: %s", err, lines.Bytes())
	}
	delete(record, "time")
	if diff := cmp.Diff(map[string]string{"level": "INFO", "msg": "listening", "listener": "http", "addr": "127.0.0.1:9080"}, record); diff != "" {
		t.Errorf("json (-want +got):\n%s", diff)
	}
}
