package ingest_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/ingest"
	"github.com/straw-gateway/straw/server/internal/signature"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "whsec_of the tests"

// patience is how long a test waits for what must happen at once.
const patience = 20 * time.Second

// A gateway is a public port that serves on loopback until its test ends.
type gateway struct {
	t       *testing.T
	addr    string
	server  *ingest.Server
	log     *pebblestore.Log
	seen    *outcomes
	logged  *lockedBuffer
	secrets *signature.Set
}

// open serves with a real log in a directory of its own, unless o has another.
func open(t *testing.T, o ingest.Options) *gateway {
	t.Helper()
	g := &gateway{t: t, seen: &outcomes{}, logged: &lockedBuffer{}}
	if o.Log == nil {
		g.log = openLog(t, t.TempDir(), pebblestore.Options{})
		o.Log = g.log
	}
	if o.Secrets == nil {
		var err error
		if g.secrets, err = signature.NewSet([]string{"whsec_another", secret}); err != nil {
			t.Fatal(err)
		}
		o.Secrets = g.secrets
	}
	o.Observer = g.seen
	o.Logger = slog.New(slog.NewTextHandler(g.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	g.server = ingest.NewServer(o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.addr = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- g.server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := g.server.Shutdown(ctx); err != nil {
			t.Errorf("shutting down: %v", err)
		}
		if err := <-done; err != http.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
		if text := g.logged.String(); strings.Contains(text, "whsec_") || strings.Contains(text, "SENSITIVE") {
			t.Errorf("the log shows a secret or a body:\n%s", text)
		}
	})
	return g
}

func openLog(t *testing.T, dir string, o pebblestore.Options) *pebblestore.Log {
	t.Helper()
	o.Logger, o.MinFreeBytes, o.CacheBytes, o.MemtableBytes = slog.New(slog.DiscardHandler), 1, 8<<20, 4<<20
	log, err := pebblestore.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Errorf("closing the log: %v", err)
		}
	})
	return log
}

// outcomes records what an Observer is told.
type outcomes struct {
	mu       sync.Mutex
	all      []string
	appended int // events that the log made durable, or knew
}

func (o *outcomes) Appended(took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if took > 0 {
		o.appended++
	}
}

func (o *outcomes) Received(outcome ingest.Outcome, cause signature.Cause, took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := string(outcome)
	if cause != "" {
		text += " " + string(cause)
	}
	if took <= 0 {
		text += fmt.Sprintf(" took %v", took)
	}
	o.all = append(o.all, text)
}

// nth waits for the n-th outcome, for it is told after the answer.
func (o *outcomes) nth(t *testing.T, n int) string {
	t.Helper()
	var got string
	eventually(t, fmt.Sprintf("outcome %d is told", n), func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		if len(o.all) < n {
			return false
		}
		got = o.all[n-1]
		return true
	})
	return got
}

// has reports whether an outcome was told.
func (o *outcomes) has(outcome string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Contains(o.all, outcome)
}

// stored counts the events that were stored.
func (o *outcomes) stored() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, text := range o.all {
		if text == string(ingest.Stored) {
			n++
		}
	}
	return n
}

// A lockedBuffer is a log that a test reads while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ; !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func webhook(id string) string {
	return fmt.Sprintf(`{"id":%q,"type":"analysis.completed","data":{"analysis_id":"SENSITIVE","result_count":1}}`, id)
}

func sign(body string) string { return signature.Sign([]byte(secret), []byte(body)) }

// request writes a POST as a sender would, byte for byte. Headers are lines without their ends.
func request(body string, headers ...string) string {
	all := append([]string{"POST /webhooks/juicebox HTTP/1.1", "Host: straw"}, headers...)
	return strings.Join(all, "\r\n") + "\r\n\r\n" + body
}

// signed is a well-formed request.
func signed(body string, headers ...string) string {
	return request(body, append([]string{fmt.Sprint("Content-Length: ", len(body)), "X-Juicebox-Signature: " + sign(body)}, headers...)...)
}

// chunked frames a body as chunks of the given size.
func chunked(body string, size int) string {
	var b strings.Builder
	for len(body) > 0 {
		n := min(size, len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String() + "0\r\n\r\n"
}

// A wire is a connection to the port on which a test speaks for itself.
type wire struct {
	*net.TCPConn
	t  *testing.T
	in *bufio.Reader
}

func (g *gateway) dial() *wire {
	g.t.Helper()
	c, err := net.Dial("tcp", g.addr)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		g.t.Fatal(err)
	}
	return &wire{c.(*net.TCPConn), g.t, bufio.NewReader(c)}
}

func (w *wire) send(text string) *wire {
	w.t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		w.t.Fatal(err)
	}
	return w
}

// A reply is what came back on a wire.
type reply struct {
	status int
	header http.Header
	body   string
	raw    string // all of it, without its Date
}

func (w *wire) reply() reply {
	w.t.Helper()
	line, err := w.in.ReadString('\n')
	if err != nil {
		w.t.Fatalf("reading the answer: %v", err)
	}
	got := reply{header: http.Header{}, raw: line}
	if _, err := fmt.Sscanf(line, "HTTP/1.1 %d ", &got.status); err != nil {
		w.t.Fatalf("the answer begins with %q", line)
	}
	for {
		line, err := w.in.ReadString('\n')
		if err != nil {
			w.t.Fatalf("reading the answer's headers: %v", err)
		}
		name, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if name != "Date" {
			got.raw += line
			got.header.Add(name, value)
		}
		if !ok {
			break
		}
	}
	if got.status == http.StatusContinue {
		return got
	}
	body := io.Reader(w.in)
	if length := got.header.Get("Content-Length"); length != "" {
		n, err := strconv.ParseInt(length, 10, 64)
		if err != nil {
			w.t.Fatal(err)
		}
		body = io.LimitReader(w.in, n)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		w.t.Fatalf("reading the answer's body: %v", err)
	}
	got.body, got.raw = string(b), got.raw+string(b)
	return got
}

// closed waits for the server to close the connection, and fails if it sends anything before.
func (w *wire) closed() {
	w.t.Helper()
	rest, err := io.ReadAll(w.in)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		w.t.Error("the connection stays open")
	}
	if len(rest) > 0 {
		w.t.Errorf("the server also sent %q", rest)
	}
}

// exchange sends bytes on a fresh connection and returns the answer.
func (g *gateway) exchange(text string) reply {
	g.t.Helper()
	w := g.dial()
	defer w.Close()
	return w.send(text).reply()
}

// stored reports whether the log has the event.
func (g *gateway) stored(id string) bool {
	g.t.Helper()
	_, err := g.log.Get(context.Background(), event.SourceJuicebox, id)
	if err != nil && !errors.Is(err, event.ErrNotFound) {
		g.t.Fatal(err)
	}
	return err == nil
}

func (g *gateway) head() event.Sequence { return g.log.Bounds().Head }
