// Package e2e tests the real binary, over its real ports, as its users would: scripts of commands, and kill -9 under load.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/signature"
)

// secret signs the webhooks of all tests here.
const secret = "an-e2e-secret-of-32-characters!!"

// buildStraw builds the binary once for all tests.
var buildStraw = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "straw-e2e-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "straw")
	out, err := exec.Command("go", "build", "-o", bin, "../cmd/straw").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
})

// A gateway is a running `straw serve`.
type gateway struct {
	t       testing.TB
	cmd     *exec.Cmd
	webhook string // base URLs, and host:port for gRPC
	http    string
	grpc    string
	logs    *logTail
	exited  chan struct{}
	err     error // of Wait; read it after exited
}

// startGateway starts `straw serve` on free ports over a store directory and waits until it is ready.
func startGateway(t testing.TB, dir string, args ...string) *gateway {
	t.Helper()
	bin, err := buildStraw()
	if err != nil {
		t.Fatal(err)
	}
	return startBinary(t, bin, dir, args...)
}

// startBinary is startGateway for another build of the binary.
func startBinary(t testing.TB, bin, dir string, args ...string) *gateway {
	t.Helper()
	return startBinaryWith(t, nil, bin, dir, args...)
}

// startBinaryWith does so with some more variables, as NAME=value, in the environment.
func startBinaryWith(t testing.TB, variables []string, bin, dir string, args ...string) *gateway {
	t.Helper()
	g, listening := launchBinary(t, variables, bin, dir, args...)
	select {
	case <-listening:
	case <-g.exited:
		t.Fatalf("straw serve ended before it listened: %v\n%s", g.err, g.logs)
	case <-time.After(30 * time.Second):
		t.Fatalf("straw serve didn't listen within 30 s\n%s", g.logs)
	}
	return g
}

// launchBinary starts `straw serve`; listening is closed once it listens.
func launchBinary(t testing.TB, variables []string, bin, dir string, args ...string) (g *gateway, listening <-chan struct{}) {
	t.Helper()
	g = &gateway{t: t, logs: &logTail{}, exited: make(chan struct{})}
	args = append([]string{"serve", "--webhook-addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0",
		"--store", "pebble:" + filepath.Join(dir, "store"), "--blobs", "file:" + filepath.Join(dir, "exports"), "--log-format", "json"}, args...)
	g.cmd = exec.Command(bin, args...)
	g.cmd.Env = append(append(os.Environ(), "STRAW_WEBHOOK_SECRET="+secret), variables...)
	stderr, err := g.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	heard := make(chan struct{})
	go g.follow(stderr, heard)
	t.Cleanup(g.kill)
	return g, heard
}

// follow reads the log for the listeners' addresses, and then to its end.
func (g *gateway) follow(stderr io.Reader, listening chan struct{}) {
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		g.logs.add(lines.Text())
		var line struct{ Listener, Addr string }
		if json.Unmarshal(lines.Bytes(), &line) != nil || line.Listener == "" {
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
		if g.webhook != "" && g.grpc != "" && g.http != "" && listening != nil {
			close(listening)
			listening = nil
		}
	}
	g.err = g.cmd.Wait()
	close(g.exited)
}

// kill is kill -9; it returns when the process is gone.
func (g *gateway) kill() {
	_ = g.cmd.Process.Kill() // it may be gone already
	<-g.exited
}

// terminate asks the gateway to drain and waits for its end.
func (g *gateway) terminate() error {
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-g.exited:
		return g.err
	case <-time.After(30 * time.Second):
		return fmt.Errorf("still running 30 s after SIGTERM\n%s", g.logs)
	}
}

// dial returns a connection that ends with the test.
func (g *gateway) dial() *grpc.ClientConn {
	g.t.Helper()
	conn, err := grpc.NewClient(g.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// post signs and posts a webhook and returns the answer's status and body.
func (g *gateway) post(client *http.Client, body string) (int, string, error) {
	req, err := http.NewRequest(http.MethodPost, g.webhook+"/webhooks/juicebox", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("x-juicebox-signature", signature.Sign([]byte(secret), []byte(body)))
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer), err
}

// mustPost posts a webhook that must be stored, or be a duplicate.
func (g *gateway) mustPost(body string) {
	g.t.Helper()
	if status, answer, err := g.post(http.DefaultClient, body); err != nil || status != http.StatusOK {
		g.t.Fatalf("POST %s: %d %s %v\n%s", body, status, answer, err, g.logs)
	}
}

// everything reads the whole log.
func (g *gateway) everything(ctx context.Context) []*strawv1.Event {
	g.t.Helper()
	stream, err := strawv1.NewEventServiceClient(g.dial()).Subscribe(ctx, &strawv1.SubscribeRequest{
		Start: &strawv1.SubscribeRequest_StartPosition{StartPosition: strawv1.StartPosition_EARLIEST}, EndAtHead: true,
	})
	if err != nil {
		g.t.Fatal(err)
	}
	var events []*strawv1.Event
	for {
		frame, err := stream.Recv()
		if err == io.EOF {
			return events
		}
		if err != nil {
			g.t.Fatalf("reading the log: %v\n%s", err, g.logs)
		}
		for _, d := range frame.GetDeliveries() {
			events = append(events, d.GetEvent())
		}
	}
}

// A logTail keeps the last lines of a log.
type logTail struct {
	mu    sync.Mutex
	lines []string
}

func (l *logTail) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines = append(l.lines, line); len(l.lines) > 200 {
		l.lines = l.lines[100:]
	}
}

func (l *logTail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b bytes.Buffer
	for _, line := range l.lines {
		fmt.Fprintln(&b, line)
	}
	return b.String()
}
