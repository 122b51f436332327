package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// limitFiles sets how many descriptors the running gateway may have open, where its hard limit is a higher one.
func (g *gateway) limitFiles(n uint64) {
	g.t.Helper()
	var was unix.Rlimit
	if err := unix.Prlimit(g.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &was); err != nil {
		g.t.Fatal(err)
	}
	if err := unix.Prlimit(g.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: was.Max}, nil); err != nil {
		g.t.Fatal(err)
	}
}

// openFiles is how many descriptors the gateway has open.
func (g *gateway) openFiles() int {
	g.t.Helper()
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", g.cmd.Process.Pid))
	if err != nil {
		g.t.Fatal(err)
	}
	return len(names)
}

// idle keeps connections to the webhook port open that do nothing after a request, until the test ends. It comes back for
// those that are closed.
func (g *gateway) idle(connections int) {
	g.t.Helper()
	stop := make(chan struct{})
	var clients, begun sync.WaitGroup
	g.t.Cleanup(func() {
		close(stop)
		clients.Wait()
	})
	addr := strings.TrimPrefix(g.webhook, "http://")
	for range connections {
		begun.Add(1)
		clients.Go(func() {
			for first := true; ; first = false {
				c, err := net.Dial("tcp", addr)
				if err == nil {
					_, _ = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") // it may be refused
				}
				if first {
					begun.Done()
				}
				gone := make(chan struct{})
				if err == nil {
					go func() {
						defer close(gone)
						_, _ = io.Copy(io.Discard, c)
					}()
				} else {
					close(gone)
				}
				select {
				case <-stop:
				case <-gone:
				}
				if err == nil {
					_ = c.Close()
				}
				<-gone
				select {
				case <-stop:
					return
				case <-time.After(500 * time.Millisecond):
				}
			}
		})
	}
	begun.Wait()
}

// bigWebhooks posts so much that the store must write tables, and counts the answers.
func (g *gateway) bigWebhooks(client *http.Client, prefix string, n int) map[int]int {
	g.t.Helper()
	answers := map[int]int{}
	padding := strings.Repeat("q", 600<<10)
	for i := range n {
		status, _, err := g.post(client, fmt.Sprintf(`{"id":"%s_%d","type":"analysis.completed","data":{"analysis_id":"a","query":%q}}`, prefix, i, padding))
		if err != nil {
			status = 0
		}
		answers[status]++
	}
	return answers
}

// TestIdleConnectionsUseUpDescriptors holds more idle connections open than the gateway may have files, while webhooks come
// in that make the store write tables; once with the default limits, and once with limits that are absurd. The hard limit is
// so low for the whole life of the process.
func TestIdleConnectionsUseUpDescriptors(t *testing.T) {
	for name, args := range map[string][]string{
		"default limits": nil,
		"absurd limits":  {"--max-connections", "1000000", "--max-connections-per-address", "1000000"},
	} {
		t.Run(name, func(t *testing.T) {
			g := startGateway(t, t.TempDir(), args...)
			if err := unix.Prlimit(g.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 512, Max: 512}, nil); err != nil {
				t.Fatal(err)
			}
			g.idle(700)
			client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			if answers := g.bigWebhooks(client, "beside", 36); answers[http.StatusOK] < 32 {
				t.Errorf("36 webhooks beside the idle connections were answered %v\n%s", answers, g.logs)
			}
			if n := g.openFiles(); n > 512 {
				t.Errorf("%d files are open", n)
			}
			g.mustPost(`{"id":"after","type":"search.alert","data":{"alert_id":"a"}}`)
		})
	}
}

// TestStoreWithoutDescriptors takes every descriptor away from a gateway that runs. Webhooks are answered with 503 at worst, it
// doesn't end, and when there are descriptors again it goes on as before.
func TestStoreWithoutDescriptors(t *testing.T) {
	g := startGateway(t, t.TempDir())
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	if answers := g.bigWebhooks(client, "before", 2); answers[http.StatusOK] != 2 {
		t.Fatalf("before: %v\n%s", answers, g.logs)
	}
	g.limitFiles(3) // fewer than are open: whatever is opened now fails
	without := map[int]int{}
	for i := 0; i < 200 && without[http.StatusServiceUnavailable] == 0; i++ {
		for status, n := range g.bigWebhooks(client, fmt.Sprint("without_", i), 1) {
			without[status] += n
		}
	}
	if without[http.StatusServiceUnavailable] == 0 || len(without) > 2 || without[0] > 0 {
		t.Errorf("without descriptors webhooks were answered %v, want 200 until the store needs a file, and then 503\n%s", without, g.logs)
	}
	select {
	case <-g.exited:
		t.Fatalf("it has ended: %v\n%s", g.err, g.logs)
	default:
	}
	g.limitFiles(512)
	deadline := time.Now().Add(30 * time.Second)
	for g.bigWebhooks(client, "after", 1)[http.StatusOK] == 0 {
		if time.Now().After(deadline) {
			t.Fatalf("no webhook was stored within 30 s of the descriptors' return\n%s", g.logs)
		}
	}
	g.mustServe()
	if err := g.terminate(); err != nil {
		t.Errorf("it doesn't end as it should: %v\n%s", err, g.logs)
	}
}

// TestTheSoftLimitIsRaised: a shell's soft limit is low by tradition; the gateway divides what the hard one allows.
func TestTheSoftLimitIsRaised(t *testing.T) {
	bin, err := buildStraw()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command("sh", "-c", `ulimit -Sn 300 && ulimit -Hn 3000 && exec "$0" "$@"`, bin, "serve", "--log-format", "json", "--webhook-addr", "127.0.0.1:0",
		"--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--store", "pebble:"+filepath.Join(dir, "store"), "--blobs", "file:"+filepath.Join(dir, "exports"))
	cmd.Env = append(os.Environ(), "STRAW_WEBHOOK_SECRET="+secret)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	}()
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		var line struct {
			Msg       string
			OpenFiles int `json:"open_files"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "limits" {
			if line.OpenFiles < 2900 || line.OpenFiles > 3000 {
				t.Errorf("the gateway goes by %d open files, want about 3000", line.OpenFiles)
			}
			return
		}
	}
	t.Fatal("the log doesn't say what the limits are")
}
