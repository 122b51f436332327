package export_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/blob/fileblob"
	"github.com/straw-gateway/straw/server/internal/convert"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/export"
	"github.com/straw-gateway/straw/server/internal/fanout"
	"github.com/straw-gateway/straw/server/internal/store"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore"
)

// A house is a log, its exports and a blob store, with a fetcher that can be ended and begun again.
type house struct {
	t       *testing.T
	log     *pebblestore.Log
	hub     *fanout.Hub
	exports *pebblestore.Exports
	blobs   *fileblob.Blobs
	logged  *lockedBuffer
	fetcher *export.Fetcher
	client  *export.Client
	// wrap, if set, stands between the fetcher and its stores.
	wrap func(*export.FetcherOptions)
	// skew is added to the fetcher's clock.
	skew atomic.Int64
	// room, if set, is how many bytes of exports wait in memory.
	room int
	stop func()
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.String()
}

type noObserver struct{}

func (noObserver) ExportStored(int64, time.Duration, time.Duration) {}
func (noObserver) ExportRetried()                                   {}

func newHouse(t *testing.T, allow string, o pebblestore.Options) *house {
	t.Helper()
	h := &house{t: t, hub: fanout.New(0), logged: &lockedBuffer{}, client: newClient(t, export.Options{}, allow)}
	o.Tail, o.FS, o.Logger = h.hub, vfs.NewMem(), slog.New(slog.DiscardHandler)
	var err error
	if h.log, err = pebblestore.Open("store", o); err != nil {
		t.Fatal(err)
	}
	h.hub.Open(h.log.Identity(), h.log.Types(), h.log.Bounds().Head)
	if h.exports, err = pebblestore.OpenExports(h.log); err != nil {
		t.Fatal(err)
	}
	if h.blobs, err = fileblob.Open(t.TempDir(), fileblob.Options{Reserve: -1}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	waking := make(chan error, 1)
	go func() { waking <- h.hub.Run(ctx) }()
	t.Cleanup(func() {
		if h.stop != nil {
			h.stop()
		}
		cancel()
		if err := errors.Join(<-waking, h.blobs.Close(), h.log.Close()); err != nil {
			t.Error(err)
		}
	})
	return h
}

// run begins a fetcher; stop ends it and waits for its end.
func (h *house) run() {
	h.t.Helper()
	o := export.FetcherOptions{
		Log: h.log, Hub: h.hub, Exports: h.exports, Blobs: h.blobs, Client: h.client, Observer: noObserver{},
		Logger:     slog.New(slog.NewTextHandler(h.logged, nil)),
		MinBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond,
		Now: func() time.Time { return time.Now().Add(time.Duration(h.skew.Load())) },
	}
	if h.wrap != nil {
		h.wrap(&o)
	}
	h.fetcher = export.NewFetcher(o)
	if h.room > 0 {
		h.fetcher.Bound(h.room)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.fetcher.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Error(err)
		}
	})
}

// announce appends an export.ready, as the webhook endpoint would.
func (h *house) announce(eventID, exportID, link string) {
	h.t.Helper()
	body := fmt.Sprintf(`{"id":%q,"type":"export.ready","data":{"export_id":%q,"download_url":%q,"format":"csv"}}`, eventID, exportID, link)
	if _, err := h.log.Append(h.t.Context(), convert.Convert([]byte(body), convert.Request{ReceiveTime: time.Now()})); err != nil {
		h.t.Fatal(err)
	}
}

// settled waits until a generation is finished and returns it.
func (h *house) settled(id string, generation int64) store.Export {
	h.t.Helper()
	return h.when(id, generation, func(x store.Export) bool { return x.Settled })
}

func (h *house) when(id string, generation int64, is func(store.Export) bool) store.Export {
	h.t.Helper()
	var x store.Export
	eventually(h.t, fmt.Sprintf("generation %d of %s is not as it should be\n%s", generation, id, h.logged.text()), func() bool {
		var err error
		x, err = h.exports.Generation(h.t.Context(), store.ExportKey{ID: id, Generation: generation})
		if err != nil && !errors.Is(err, event.ErrExportNotFound) {
			h.t.Fatal(err)
		}
		return err == nil && is(x)
	})
	return x
}

// eventually polls until something holds.
func eventually(t *testing.T, otherwise string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal(otherwise)
		}
	}
}

// own returns the gateway's own events.
func (h *house) own() []*strawv1.Event {
	h.t.Helper()
	var own []*strawv1.Event
	for pos := h.log.Bounds().Floor; pos < h.log.Bounds().Head; {
		seg, err := h.log.Read(h.t.Context(), pos, nil)
		if err != nil {
			h.t.Fatal(err)
		}
		for i := range seg.View() {
			e, err := seg.Decode(i)
			if err != nil {
				h.t.Fatal(err)
			}
			if e.GetSource() == event.SourceStraw {
				own = append(own, e)
			}
		}
		pos = seg.Through()
	}
	return own
}

// content reads a stored file.
func (h *house) content(x store.Export) []byte {
	h.t.Helper()
	r, err := h.blobs.Open(h.t.Context(), export.BlobName(x.Key()))
	if err != nil {
		h.t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

// empty checks that nothing of any download is left.
func (h *house) empty() {
	h.t.Helper()
	for entry, err := range h.blobs.List(h.t.Context()) {
		h.t.Errorf("there is still %v, %v", entry, err)
	}
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func TestFetcherStoresAndTells(t *testing.T) {
	file := bytes.Repeat([]byte("name,city\n"), 100_000)
	var requests atomic.Int32
	var asked atomic.Pointer[time.Time] // when the last request came
	_, host := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		asked.Store(new(time.Now()))
		w.Header().Set("Content-Type", "text/csv")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file))
	})
	h := newHouse(t, host, pebblestore.Options{})
	h.announce("evt_before", "exp_1", link(host)) // before the fetcher runs
	h.run()
	began := time.Now()
	h.announce("evt_after", "exp_2", link(host))
	for i, id := range []string{"exp_1", "exp_2"} {
		x := h.settled(id, 1)
		r := x.Record
		if r.GetState() != strawv1.Export_AVAILABLE || r.GetSizeBytes() != int64(len(file)) || r.GetSha256() != sum(file) || r.GetContentType() != "text/csv" ||
			r.GetFormat() != "csv" || r.GetAttempts() != 1 || r.GetLastError() != "" || x.EventID != []string{"evt_before", "evt_after"}[i] {
			t.Errorf("%s is %v", id, x)
		}
		if !bytes.Equal(h.content(x), file) {
			t.Errorf("%s holds other bytes", id)
		}
	}
	if took := asked.Load().Sub(began); took > time.Second {
		t.Errorf("it took %s to begin", took)
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests for 2 exports", n)
	}
	own := h.own()
	if len(own) != 2 {
		t.Fatalf("%d events for 2 exports: %v", len(own), own)
	}
	for _, e := range own {
		s := e.GetExportStored()
		if e.GetType() != event.TypeExportStored || s.GetGeneration() != 1 || s.GetSha256() != sum(file) || s.GetSizeBytes() != int64(len(file)) || s.GetFormat() != "csv" || s.GetContentType() != "text/csv" {
			t.Errorf("%v", e)
		}
		if want := "straw-export-" + export.BlobName(store.ExportKey{ID: s.GetExportId(), Generation: 1}).String(); e.GetId() != want {
			t.Errorf("the id is %s, want %s", e.GetId(), want)
		}
	}
	if strings.Contains(h.logged.text(), "hush") {
		t.Errorf("the log has the link's query:\n%s", h.logged.text())
	}
}

func TestFetcherRetriesAndResumes(t *testing.T) {
	file := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // 16 MiB
	var requests atomic.Int32
	var resumed atomic.Value
	_, host := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		switch requests.Add(1) {
		case 1:
			http.Error(w, "later", http.StatusServiceUnavailable)
		case 2: // cut at 60 %
			w.Header().Set("Content-Length", fmt.Sprint(len(file)))
			_, _ = w.Write(file[:len(file)*6/10])
			panic(http.ErrAbortHandler)
		default:
			resumed.Store(r.Header.Get("Range"))
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file))
		}
	})
	h := newHouse(t, host, pebblestore.Options{})
	h.run()
	h.announce("evt_1", "exp_1", link(host))
	x := h.settled("exp_1", 1)
	if x.Record.GetState() != strawv1.Export_AVAILABLE || x.Record.GetAttempts() != 3 || x.Record.GetSha256() != sum(file) {
		t.Errorf("it is %v", x)
	}
	var offset int
	if _, err := fmt.Sscanf(fmt.Sprint(resumed.Load()), "bytes=%d-", &offset); err != nil || offset < len(file)/2 {
		t.Errorf("the third request asked for %v, want it to go on near %d", resumed.Load(), len(file)*6/10)
	}
}

func TestFetcherGivesUp(t *testing.T) {
	var requests atomic.Int32
	_, host := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		switch {
		case strings.HasPrefix(r.URL.Path, "/gone"):
			w.WriteHeader(http.StatusGone)
		case strings.HasPrefix(r.URL.Path, "/inside"):
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data?"+secret, http.StatusFound)
		case strings.HasPrefix(r.URL.Path, "/teapot"):
			w.WriteHeader(http.StatusTeapot)
		}
	})
	tests := []struct {
		path   string
		state  strawv1.Export_State
		reason string
		most   int32
	}{
		{"gone", strawv1.Export_EXPIRED, "410", 5},
		{"inside", strawv1.Export_FAILED, "not allowed", 1},
		{"teapot", strawv1.Export_FAILED, "418", 1},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			requests.Store(0)
			h := newHouse(t, host, pebblestore.Options{})
			h.run()
			h.announce("evt_1", "exp_1", "http://"+host+"/"+test.path+"?"+secret)
			r := h.settled("exp_1", 1).Record
			if r.GetState() != test.state || !strings.Contains(r.GetLastError(), test.reason) || requests.Load() > test.most {
				t.Errorf("it is %v after %d requests, want %s for %q after at most %d", r, requests.Load(), test.state, test.reason, test.most)
			}
			own := h.own()
			if len(own) != 1 || own[0].GetType() != event.TypeExportFailed || own[0].GetExportFailed().GetReason() != r.GetLastError() || own[0].GetExportFailed().GetSourceEventId() != "evt_1" {
				t.Errorf("the log tells %v", own)
			}
			for _, text := range []string{r.GetLastError(), fmt.Sprint(own), h.logged.text()} {
				if strings.Contains(text, "hush") {
					t.Errorf("the link's query is in %s", text)
				}
			}
			h.empty()
		})
	}
}

func TestFetcherLetsADeadLinkBe(t *testing.T) {
	var requests atomic.Int32
	_, host := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	h := newHouse(t, host, pebblestore.Options{})
	h.run()
	h.announce("evt_1", "exp_1", link(host))
	h.when("exp_1", 1, func(x store.Export) bool { return x.Record.GetAttempts() >= 3 && x.Record.GetLastError() != "" })
	h.skew.Store(int64(time.Hour))
	if r := h.settled("exp_1", 1).Record; r.GetState() != strawv1.Export_EXPIRED || !strings.Contains(r.GetLastError(), "503") {
		t.Errorf("it is %v", r)
	}
	after := requests.Load()
	if _, err := h.fetcher.Refetch(t.Context(), "exp_1"); !errors.Is(err, export.ErrLinkExpired) {
		t.Errorf("refetch: %v", err)
	}
	// One that is announced when its link is dead already is never asked for.
	h.announce("evt_2", "exp_2", link(host))
	if r := h.settled("exp_2", 1).Record; r.GetState() != strawv1.Export_EXPIRED || r.GetAttempts() != 0 {
		t.Errorf("it is %v", r)
	}
	if requests.Load() != after || len(h.own()) != 2 {
		t.Errorf("%d more requests, %d events", requests.Load()-after, len(h.own()))
	}
	h.empty()
}

func TestFetcherKeepsGenerationsApart(t *testing.T) {
	var version atomic.Int32
	_, host := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(strings.Repeat(fmt.Sprint(version.Load()), 1<<20)))
	})
	h := newHouse(t, host, pebblestore.Options{})
	h.run()
	h.announce("evt_1", "exp_1", link(host))
	first := h.settled("exp_1", 1)
	r, err := h.blobs.Open(t.Context(), export.BlobName(first.Key()))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	begun := make([]byte, 1000)
	if _, err := io.ReadFull(r, begun); err != nil {
		t.Fatal(err)
	}
	version.Store(1)
	h.announce("evt_2", "exp_1", link(host))
	second := h.settled("exp_1", 2)
	version.Store(2)
	if _, err := h.fetcher.Refetch(t.Context(), "exp_1"); err != nil {
		t.Fatal(err)
	}
	third := h.settled("exp_1", 3)
	rest, err := io.ReadAll(r)
	if err != nil || strings.Trim(string(begun)+string(rest), "0") != "" || len(rest) != 1<<20-1000 {
		t.Errorf("the first generation's reader got %d more bytes, %v", len(rest), err)
	}
	for i, x := range []store.Export{first, second, third} {
		if b := h.content(x); strings.Trim(string(b), fmt.Sprint(i)) != "" || len(b) != 1<<20 {
			t.Errorf("generation %d holds other bytes", i+1)
		}
	}
	if third.EventID != "evt_2" || len(h.own()) != 3 {
		t.Errorf("%v; %d events", third, len(h.own()))
	}
}

func TestFetcherPurges(t *testing.T) {
	_, host := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("a,b\n"))
	})
	h := newHouse(t, host, pebblestore.Options{Retention: pebblestore.Retention{Bytes: 1}})
	h.run()
	h.announce("evt_old", "exp_1", link(host))
	h.settled("exp_1", 1)
	for i := range 1100 {
		body := fmt.Sprintf(`{"id":"evt_%d","type":"search.alert","data":{"alert_id":"a"}}`, i)
		if _, err := h.log.Append(t.Context(), convert.Convert([]byte(body), convert.Request{ReceiveTime: time.Now()})); err != nil {
			t.Fatal(err)
		}
	}
	h.announce("evt_new", "exp_2", link(host))
	kept := h.settled("exp_2", 1)
	if err := h.log.Retain(t.Context()); err != nil || h.log.Bounds().Floor == 0 {
		t.Fatalf("the floor is %d, %v", h.log.Bounds().Floor, err)
	}
	h.stop()
	h.run() // housekeeping comes first
	purged := h.when("exp_1", 1, func(x store.Export) bool { return x.Record.GetState() == strawv1.Export_PURGED })
	if _, err := h.blobs.Stat(t.Context(), export.BlobName(purged.Key())); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("the purged file: %v", err)
	}
	if string(h.content(kept)) != "a,b\n" {
		t.Error("the other file is gone")
	}
}
