package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

const (
	// defaultExportBytes is how large the export of the test is; STRAW_EXPORT_BYTES sets it.
	defaultExportBytes = 256 << 20
)

// maxGrowth is how much memory a gateway may take, beyond what it has when idle, to store and serve an export of any size. To
// S3 files go in parts of 8 MiB, and some that were sent wait for the garbage collector.
var maxGrowth = map[string]int64{"file": 64 << 20, "s3": 96 << 20}

func exportBytes(t *testing.T) int64 {
	t.Helper()
	text := os.Getenv("STRAW_EXPORT_BYTES")
	if text == "" {
		return defaultExportBytes
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("STRAW_EXPORT_BYTES: %v", err)
	}
	return n
}

// TestExports stores a large export and serves it through every door, in flat memory, and meets servers that are up to no
// good; with the files on the disk and in a bucket, which must give the same answers.
func TestExports(t *testing.T) {
	big := made{seed: 1, size: exportBytes(t)}
	answers := map[string][]string{}
	for _, engine := range []string{"file", "s3"} {
		t.Run(engine, func(t *testing.T) {
			dir := t.TempDir()
			blobs := "file:" + filepath.Join(dir, "exports")
			if engine == "s3" {
				blobs = startS3(t)
			}
			files := startFiles(t, hostile)
			g := startGateway(t, dir, "--blobs", blobs, "--export-allow-host", files.host)
			answers[engine] = exportScript(t, g, files, big, maxGrowth[engine])
		})
	}
	if diff := cmp.Diff(answers["file"], answers["s3"]); diff != "" {
		t.Errorf("the engines answer differently (-file +s3):\n%s", diff)
	}
}

// hostile answers as a path says.
func hostile(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/inside":
		http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
	case "/loopback":
		http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
	case "/huge":
		w.Header().Set("Content-Length", fmt.Sprint(10<<30))
		_, _ = w.Write([]byte("x"))
	default:
		w.WriteHeader(http.StatusTeapot)
	}
}

// exportScript returns what the gateway answered, without times.
func exportScript(t *testing.T, g *gateway, files *files, big made, maxGrowth int64) (answers []string) {
	client, err := straw.Dial(g.grpc)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	note := func(format string, args ...any) { answers = append(answers, fmt.Sprintf(format, args...)) }
	idle, peak := watchMemory(t, g)
	sum := big.sum(t)

	g.mustPost(announcement("evt_big", "exp/big", files.link(big)))
	x := awaitExport(t, g, client, "exp/big")
	note("%s %d %s %s %s %d", x.GetState(), x.GetSizeBytes(), x.GetSha256(), x.GetContentType(), x.GetFormat(), x.GetGeneration())
	if x.GetState() != strawv1.Export_AVAILABLE || x.GetSha256() != sum {
		t.Fatalf("the export is %v, want the SHA-256 %s\n%s", x, sum, g.logs)
	}

	d, err := client.Download(t.Context(), "exp/big", straw.DownloadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := sumOf(t, d); got != sum {
		t.Errorf("gRPC brought %s", got)
	}
	overHTTP(t, g, big, sum, note)
	overCommandLine(t, g, big, sum)
	if grown := peak() - idle; grown > maxGrowth {
		t.Errorf("the gateway's memory grew by %d MiB over %d MiB to store and serve %d MiB", grown>>20, idle>>20, big.size>>20)
	} else {
		t.Logf("%d MiB stored and served thrice: memory grew by %d MiB over %d MiB", big.size>>20, grown>>20, idle>>20)
	}

	for _, path := range []string{"inside", "loopback", "huge", "teapot"} {
		g.mustPost(announcement("evt_"+path, path, files.URL+"/"+path+"?token=hush"))
		x := awaitExport(t, g, client, path)
		note("%s %s %s", path, x.GetState(), strings.ReplaceAll(x.GetLastError(), files.host, "HOST"))
		if x.GetState() != strawv1.Export_FAILED || strings.Contains(x.GetLastError(), "hush") {
			t.Errorf("%s: %v", path, x)
		}
		_, err := client.Download(t.Context(), path, straw.DownloadOptions{})
		note("%v", err)
		awaitTold(t, g, path) // so that the log's order is one and the same
	}
	for _, e := range g.everything(t.Context()) {
		stored, failed := e.GetExportStored(), e.GetExportFailed()
		note("%s %v %v", e.GetType(), stored.GetExportId(), failed.GetExportId())
	}
	if strings.Contains(g.logs.String(), "hush") {
		t.Errorf("a link's query is in the log:\n%s", g.logs)
	}
	return answers
}

// awaitTold waits until the log tells how an export ended, which comes after its state.
func awaitTold(t testing.TB, g *gateway, id string) {
	t.Helper()
	await(t, "the log doesn't tell of "+id, func() bool {
		for _, e := range g.everything(context.WithoutCancel(t.Context())) {
			if e.GetExportStored().GetExportId() == id || e.GetExportFailed().GetExportId() == id {
				return true
			}
		}
		return false
	})
}

// awaitExport waits until an export is finished.
func awaitExport(t testing.TB, g *gateway, client *straw.Client, id string) (x *strawv1.Export) {
	t.Helper()
	await(t, "export "+id+" isn't finished\n"+g.logs.String(), func() bool {
		var err error
		x, err = client.Exports().GetExport(context.WithoutCancel(t.Context()), &strawv1.GetExportRequest{Id: id})
		if err != nil && straw.ReasonOf(err) != strawv1.ErrorReason_EXPORT_NOT_FOUND {
			t.Fatal(err)
		}
		return err == nil && x.GetState() != strawv1.Export_PENDING && x.GetState() != strawv1.Export_DOWNLOADING
	})
	return x
}

func overHTTP(t *testing.T, g *gateway, big made, sum string, note func(string, ...any)) {
	t.Helper()
	ask := func(headers ...string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.http+"/v1/exports/exp%2Fbig:download", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		note("%s %s %s %s %d", resp.Status, resp.Header.Get("ETag"), resp.Header.Get("Content-Type"), resp.Header.Get("Content-Disposition"), resp.ContentLength)
		return resp
	}
	whole := ask()
	if got := sumOf(t, whole.Body); got != sum || whole.Header.Get("ETag") != `"`+sum+`"` {
		t.Errorf("HTTP brought %s, with the ETag %s", got, whole.Header.Get("ETag"))
	}
	_ = whole.Body.Close()
	at := big.size * 6 / 10
	rest := ask("Range", fmt.Sprintf("bytes=%d-", at), "If-Range", `"`+sum+`"`)
	want := sumOf(t, io.NewSectionReader(big, at, big.size-at))
	if got := sumOf(t, rest.Body); got != want || rest.StatusCode != http.StatusPartialContent {
		t.Errorf("%s: the rest is %s, want %s", rest.Status, got, want)
	}
	_ = rest.Body.Close()
	same := ask("If-None-Match", `"`+sum+`"`)
	_ = same.Body.Close()
	if same.StatusCode != http.StatusNotModified {
		t.Errorf("unchanged: %s", same.Status)
	}
}

// overCommandLine downloads, is killed on the way, goes on, and pipes.
func overCommandLine(t *testing.T, g *gateway, big made, sum string) {
	t.Helper()
	bin, err := buildStraw()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	straw := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), bin, append([]string{"export"}, append(args, "--addr", g.grpc)...)...)
		cmd.Dir = dir
		return cmd
	}
	first := straw("download", "exp/big", "big.csv")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(dir, "big.csv.part")
	await(t, "the download didn't begin", func() bool {
		info, err := os.Stat(part)
		return err == nil && info.Size() > 1<<20
	})
	_ = first.Process.Kill()
	_ = first.Wait()
	info, err := os.Stat(part)
	if err != nil || info.Size() >= big.size {
		t.Fatalf("killed on the way it left %v, %v", info, err)
	}
	out, err := straw("download", "exp/big", "big.csv", "-o", "jsonl").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte(`"sha256":"`+sum)) || bytes.Contains(out, []byte("beginning anew")) {
		t.Errorf("going on after %d bytes: %v\n%s", info.Size(), err, out)
	}
	file, err := os.Open(filepath.Join(dir, "big.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if got := sumOf(t, file); got != sum {
		t.Errorf("the file is %s", got)
	}
	if _, err := os.Stat(part); !os.IsNotExist(err) {
		t.Errorf("the part is still there: %v", err)
	}

	// A part of something else is told by its checksum, and replaced.
	if err := os.WriteFile(filepath.Join(dir, "other.csv.part"), []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := straw("download", "exp/big", "other.csv").CombinedOutput(); err != nil || !bytes.Contains(out, []byte("beginning anew")) {
		t.Errorf("over a part of something else: %v\n%s", err, out)
	}
	if out, err := straw("download", "exp/big", "other.csv").CombinedOutput(); err == nil || !bytes.Contains(out, []byte("--force")) {
		t.Errorf("over a file: %v\n%s", err, out)
	}
	piped := straw("download", "exp/big", "-")
	pipe, err := piped.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := piped.Start(); err != nil {
		t.Fatal(err)
	}
	if got := sumOf(t, pipe); got != sum {
		t.Errorf("stdout brought %s", got)
	}
	if err := piped.Wait(); err != nil {
		t.Error(err)
	}
	list, err := straw("list").CombinedOutput()
	if err != nil || !bytes.Contains(list, []byte("AVAILABLE")) || !bytes.Contains(list, []byte("exp/big")) {
		t.Errorf("list: %v\n%s", err, list)
	}
	got, err := straw("get", "exp/big").CombinedOutput()
	if err != nil || !bytes.Contains(got, []byte(sum)) {
		t.Errorf("get: %v\n%s", err, got)
	}
}

// watchMemory returns how much memory a gateway has now, and a function that ends the watch and returns the most it had.
func watchMemory(t *testing.T, g *gateway) (idle int64, peak func() int64) {
	t.Helper()
	idle = residentBytes(t, g)
	var most atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if now := residentBytes(t, g); now > most.Load() {
					most.Store(now)
				}
			}
		}
	}()
	return idle, func() int64 {
		close(stop)
		<-stopped
		return most.Load()
	}
}

// residentBytes is the process' resident memory without the pages of files.
func residentBytes(t *testing.T, g *gateway) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		t.Errorf("read the gateway's memory: %v", err)
		return 0
	}
	for line := range strings.Lines(string(status)) {
		var kilobytes int64
		if _, err := fmt.Sscanf(line, "RssAnon: %d kB", &kilobytes); err == nil {
			return kilobytes << 10
		}
	}
	t.Error("/proc has no RssAnon")
	return 0
}
