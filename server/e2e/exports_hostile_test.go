package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// A trap is a server that is up to no good, and what must come of it.
type trap struct {
	serve http.HandlerFunc
	// lives is how long its link lives once it is announced.
	lives time.Duration
	state strawv1.Export_State
	// says is part of the last error.
	says string
	// size is that of what is stored.
	size int64
}

const cutFile = 10 << 20

// TestExportsOfHostileServers announces links to servers that are up to no good. Each must come to its end, told once, leave
// no temporary file, and give away nothing of its link's query.
func TestExportsOfHostileServers(t *testing.T) {
	t.Parallel()
	var inside atomic.Int32
	forbidden := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside.Add(1) }))
	defer forbidden.Close()
	bomb := gzipBomb(t)
	traps := map[string]trap{
		"drip":     {drip, time.Second, strawv1.Export_EXPIRED, "fewer than 65536 bytes came in 30s", 0}, // by then its link is dead
		"short":    {raw("Content-Length: 100000\r\n\r\nit is cut here"), 3 * time.Second, strawv1.Export_EXPIRED, "the connection ended too early", 0},
		"chunks":   {raw("Transfer-Encoding: chunked\r\n\r\n5\r\nit is\r\n"), 3 * time.Second, strawv1.Export_EXPIRED, "the connection ended too early", 0},
		"long":     {raw("Content-Length: 5\r\n\r\nhello, and more than was announced"), time.Hour, strawv1.Export_AVAILABLE, "", 5},
		"endless":  {raw("\r\nwhere it ends is anyone's guess"), time.Hour, strawv1.Export_FAILED, "without its length", 0},
		"metadata": {redirect("http://169.254.169.254/latest/meta-data/?also=hush"), time.Hour, strawv1.Export_FAILED, "169.254.169.254", 0},
		"loopback": {redirect(forbidden.URL + "/?also=hush"), time.Hour, strawv1.Export_FAILED, "127.0.0.1", 0},
		"file":     {redirect("file:///etc/passwd?also=hush"), time.Hour, strawv1.Export_FAILED, "not allowed", 0},
		"around":   {redirect("/around?also=hush"), time.Hour, strawv1.Export_FAILED, "more than 3 times", 0},
		"dead":     {refuse(http.StatusForbidden), 3 * time.Second, strawv1.Export_EXPIRED, "403", 0},
		"late":     {refuse(http.StatusForbidden), -time.Minute, strawv1.Export_EXPIRED, "expired before", 0},
		"bomb":     {explode(bomb), time.Hour, strawv1.Export_AVAILABLE, "", int64(len(bomb))},
		"cut":      {cutOnce(), time.Hour, strawv1.Export_AVAILABLE, "", cutFile},
	}
	files := startFiles(t, func(w http.ResponseWriter, r *http.Request) { traps[r.URL.Path[1:]].serve(w, r) })
	dir := t.TempDir()
	g := startGateway(t, dir, "--export-allow-host", files.host)
	client, err := straw.Dial(g.grpc)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	idle, peak := watchMemory(t, g)
	for name, trap := range traps {
		g.mustPost(announcementAt("evt_"+name, name, files.URL+"/"+name+"?token=hush", time.Now().Add(trap.lives-time.Hour)))
	}
	stored := 0
	for name, trap := range traps {
		x := awaitExport(t, g, client, name)
		if x.GetState() != trap.state || !strings.Contains(x.GetLastError(), trap.says) || x.GetSizeBytes() != trap.size {
			t.Errorf("%s: %v", name, x)
		}
		awaitTold(t, g, name)
		if trap.state == strawv1.Export_AVAILABLE {
			stored++
		}
	}
	if n := inside.Load(); n > 0 {
		t.Errorf("%d requests were redirected to a port that isn't allowed", n)
	}
	if n := files.requests("/late"); n > 0 {
		t.Errorf("a link that was dead on arrival was asked %d times", n)
	}
	if n := files.requests("/dead"); n < 1 || n > 5 {
		t.Errorf("a dead link was asked %d times", n)
	}
	if grown := peak() - idle; grown > 64<<20 {
		t.Errorf("the gateway's memory grew by %d MiB", grown>>20)
	}
	told := g.told(t.Context())
	for name, trap := range traps {
		want := outcomes{failed: 1}
		if trap.state == strawv1.Export_AVAILABLE {
			want = outcomes{stored: 1}
		}
		if told[name] != want {
			t.Errorf("the log tells of %s as %+v, want %+v", name, told[name], want)
		}
	}
	onlyBlobs(t, filepath.Join(dir, "exports"), stored)
	keepsSecret(t, g, "hush", "/v1/exports", "/v1/exports/dead", "/v1/exports/metadata", "/v1/exports/around", "/metrics", "/v1/status")
	stillPacked(t, g, bomb)
}

// announcementAt is an announcement that was made at a time.
func announcementAt(eventID, exportID, link string, at time.Time) string {
	return fmt.Sprintf(`{"id":%q,"type":"export.ready","created_at":%q,"data":{"export_id":%q,"download_url":%q}}`, eventID, at.UTC().Format(time.RFC3339Nano), exportID, link)
}

// drip sends a byte each 100 ms until the gateway hangs up.
func drip(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "1000000")
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		_, _ = w.Write([]byte("x"))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// raw answers 200 with what follows the status line, whatever it says, and closes the connection.
func raw(rest string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n"+rest)
	}
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
}

func refuse(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no "+r.URL.String(), status) // the link is in what it says, too
	}
}

// gzipBomb is 10 GiB of zeros in 10 MiB.
func gzipBomb(t *testing.T) []byte {
	var member bytes.Buffer
	w := gzip.NewWriter(&member)
	if _, err := w.Write(make([]byte, 16<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.Repeat(member.Bytes(), 640)
}

func explode(bomb []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb)
	}
}

// cutOnce cuts the first download of a file at 60 %, and serves the rest of it to whoever asks just for that.
func cutOnce() http.HandlerFunc {
	file, first := made{seed: 7, size: cutFile}, new(atomic.Bool)
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"7"`)
		if first.CompareAndSwap(false, true) {
			w.Header().Set("Content-Length", fmt.Sprint(file.size))
			_, _ = io.CopyN(w, file.reader(), file.size*6/10)
			panic(http.ErrAbortHandler)
		}
		if r.Header.Get("Range") == "" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, file.reader())
	}
}

// outcomes are how often the log tells of an export, and as what.
type outcomes struct{ stored, failed int }

// told returns what the log tells of each export.
func (g *gateway) told(ctx context.Context) map[string]outcomes {
	told := map[string]outcomes{}
	for _, e := range g.everything(ctx) {
		if s := e.GetExportStored(); s != nil {
			n := told[s.GetExportId()]
			n.stored++
			told[s.GetExportId()] = n
		}
		if f := e.GetExportFailed(); f != nil {
			n := told[f.GetExportId()]
			n.failed++
			told[f.GetExportId()] = n
		}
	}
	return told
}

// onlyBlobs checks that a folder of exports holds just so many files, each with its manifest.
func onlyBlobs(t *testing.T, dir string, files int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, entry := range entries {
		kinds = append(kinds, filepath.Ext(entry.Name()))
	}
	slices.Sort(kinds)
	want := slices.Concat([]string{""}, slices.Repeat([]string{".data"}, files), slices.Repeat([]string{".manifest"}, files)) // the lock has no extension
	if !slices.Equal(kinds, want) {
		t.Errorf("%s holds %v, want a lock and %d files with their manifests", dir, entries, files)
	}
}

// keepsSecret checks that neither the log nor any of the answers holds a text.
func keepsSecret(t *testing.T, g *gateway, text string, paths ...string) {
	t.Helper()
	for _, path := range paths {
		answer := g.get(path)
		if strings.Contains(answer, text) || answer == "" {
			t.Errorf("%s answers\n%s", path, answer)
		}
	}
	if log := g.logs.String(); strings.Contains(log, text) || !strings.Contains(log, "gave an export up") {
		t.Errorf("the log is\n%s", log)
	}
}

// get returns what the gateway answers on its HTTP port, which must be 200.
func (g *gateway) get(path string) string {
	g.t.Helper()
	answer, err := http.Get(g.http + path)
	if err != nil {
		g.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		g.t.Errorf("GET %s: %s, %v", path, answer.Status, err)
	}
	return string(text)
}

// stillPacked checks that a bomb comes out as it came in.
func stillPacked(t *testing.T, g *gateway, bomb []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.http+"/v1/exports/bomb:download", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip") // so that this client doesn't unpack it
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got := sumOf(t, answer.Body); answer.Header.Get("Content-Encoding") != "gzip" || got != sumOf(t, bytes.NewReader(bomb)) {
		t.Errorf("the bomb comes with the coding %q and the SHA-256 %s", answer.Header.Get("Content-Encoding"), got)
	}
}
