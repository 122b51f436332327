package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// startPiped starts `straw serve` and returns the reading end of its stderr, of which it has read up to the listeners.
func startPiped(t *testing.T, dir string, args ...string) (*gateway, *os.File) {
	t.Helper()
	bin, err := buildStraw()
	if err != nil {
		t.Fatal(err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Close() }) // the test may have done so
	g := &gateway{t: t, logs: &logTail{}, exited: make(chan struct{})}
	args = append([]string{"serve", "--webhook-addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0",
		"--store", "pebble:" + filepath.Join(dir, "store"), "--blobs", "file:" + filepath.Join(dir, "exports"), "--log-format", "json"}, args...)
	g.cmd = exec.Command(bin, args...)
	g.cmd.Env = append(os.Environ(), "STRAW_WEBHOOK_SECRET="+secret)
	g.cmd.Stderr = writer
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close() // the child has its own
	go func() {
		g.err = g.cmd.Wait()
		close(g.exited)
	}()
	t.Cleanup(g.kill)
	lines := bufio.NewScanner(reader)
	for g.webhook == "" || g.grpc == "" || g.http == "" {
		if !lines.Scan() {
			t.Fatalf("straw serve ended before it listened\n%s", g.logs)
		}
		g.logs.add(lines.Text())
		var line struct{ Listener, Addr string }
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue
		}
		switch line.Listener {
		case "webhook":
			g.webhook = "http://" + line.Addr
		case "grpc":
			g.grpc = line.Addr
		case "http":
			g.http = "http://" + line.Addr
		}
	}
	return g, reader
}

// ask returns the answer of the HTTP port.
func (g *gateway) ask(path string) (int, string) {
	g.t.Helper()
	resp, err := http.Get(g.http + path)
	if err != nil {
		g.t.Fatalf("GET %s: %v", path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestReaderOfStderrIsGone ends the reader of the log: webhooks are taken as before, and the lost lines are counted.
func TestReaderOfStderrIsGone(t *testing.T) {
	g, reader := startPiped(t, t.TempDir(), "--log-level", "debug")
	g.mustPost(`{"id":"evt_before","type":"x"}`)
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	for n := range 200 {
		g.mustPost(fmt.Sprintf(`{"id":"evt_%d","type":"x"}`, n))
	}
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		_, text := g.ask("/metrics")
		if strings.Contains(text, "\nstraw_log_lines_lost_total ") && !strings.Contains(text, "\nstraw_log_lines_lost_total 0\n") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no lost line is counted")
		}
		<-tick.C
	}
	if err := g.terminate(); err != nil {
		t.Fatalf("the end: %v", err)
	}
}

// TestReaderOfStderrStalls stops reading the log: webhooks are taken as before, and SIGTERM is heeded.
func TestReaderOfStderrStalls(t *testing.T) {
	g, _ := startPiped(t, t.TempDir(), "--log-level", "debug")
	client := &http.Client{Timeout: 30 * time.Second}
	for n := range 1500 { // each logs a line, of which a pipe holds a few hundred
		if status, answer, err := g.post(client, fmt.Sprintf(`{"id":"evt_%d","type":"x"}`, n)); err != nil || status != http.StatusOK {
			t.Fatalf("webhook %d: %d %s %v", n, status, answer, err)
		}
	}
	if err := g.terminate(); err != nil {
		t.Fatalf("the end: %v", err)
	}
}

// TestStderrIsFullAtTheStart gives the program a pipe that takes nothing: it runs, ends and refuses as with any other.
func TestStderrIsFullAtTheStart(t *testing.T) {
	t.Parallel()
	bin, err := buildStraw()
	if err != nil {
		t.Fatal(err)
	}
	start := func(t *testing.T, args ...string) *gateway {
		t.Helper()
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = errors.Join(reader.Close(), writer.Close()) })
		if err := writer.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = writer.Write(make([]byte, 4096))
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		g := &gateway{t: t, logs: &logTail{}, exited: make(chan struct{}), cmd: exec.Command(bin, args...)}
		g.cmd.Env = append(os.Environ(), "STRAW_WEBHOOK_SECRET=weak-weak") // which is warned of
		g.cmd.Stderr = writer
		if err := g.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() {
			g.err = g.cmd.Wait()
			close(g.exited)
		}()
		t.Cleanup(g.kill)
		return g
	}
	for _, command := range []string{"serve", "dev"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			port, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			addr := port.Addr().String()
			_ = port.Close()
			dir := t.TempDir()
			g := start(t, command, "--webhook-addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0", "--http-addr", addr,
				"--store", "pebble:"+filepath.Join(dir, "store"), "--blobs", "file:"+filepath.Join(dir, "exports"))
			deadline := time.Now().Add(30 * time.Second)
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for {
				resp, err := http.Get("http://" + addr + "/readyz")
				if err == nil {
					_ = resp.Body.Close()
					if resp.StatusCode == http.StatusOK {
						break
					}
				}
				if time.Now().After(deadline) {
					t.Fatalf("not ready within 30 s: %v", err)
				}
				<-tick.C
			}
			if err := g.terminate(); err != nil && g.cmd.ProcessState.ExitCode() != 143 { // as dev ends
				t.Fatalf("the end: %v", err)
			}
		})
	}
	for _, args := range [][]string{{"serve", "--bogus"}, {"serve", "--log-level", "loud"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			g := start(t, args...)
			select {
			case <-g.exited:
				if code := g.cmd.ProcessState.ExitCode(); code != 2 {
					t.Errorf("exit code %d, want 2", code)
				}
			case <-time.After(30 * time.Second):
				t.Error("still running after 30 s")
			}
		})
	}
}

// TestHeadEndsTail has the reader of a command's output go away: that ends the command quietly, by SIGPIPE.
func TestHeadEndsTail(t *testing.T) {
	g := startGateway(t, t.TempDir())
	for n := range 10 {
		g.mustPost(fmt.Sprintf(`{"id":"evt_%d","type":"x"}`, n))
	}
	bin, err := buildStraw()
	if err != nil {
		t.Fatal(err)
	}
	// It follows the stream, so that nothing else ends it but the write that nobody reads.
	script := `"$0" tail --addr "$1" --from earliest -o jsonl | head -1; echo "ended ${PIPESTATUS[0]}"`
	cmd := exec.Command("bash", "-c", script, bin, g.grpc)
	done := make(chan struct{})
	var out []byte
	go func() {
		defer close(done)
		out, err = cmd.CombinedOutput()
	}()
	deadline, tick := time.After(30*time.Second), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-done:
			if lines := strings.Split(strings.TrimSpace(string(out)), "\n"); err != nil || len(lines) != 2 || lines[1] != "ended 141" {
				t.Fatalf("%v\n%s", err, out)
			}
			return
		case <-tick.C:
			g.mustPost(fmt.Sprintf(`{"id":"evt_more_%d","type":"x"}`, n))
		case <-deadline:
			_ = cmd.Process.Kill()
			t.Fatal("the command didn't end with its reader")
		}
	}
}
