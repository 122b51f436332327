package straw_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

const webhookSecret = "a-secret-of-the-clients-tests!!!"

// buildStraw builds the gateway once for all tests.
var buildStraw = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "straw-client-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "straw")
	if out, err := exec.Command("go", "build", "-o", bin, "../../server/cmd/straw").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
})

// A realGateway is a running `straw serve`: what durable subscriptions do can't be shown with less.
type realGateway struct {
	t       testing.TB
	dir     string
	cmd     *exec.Cmd
	addr    string // of gRPC
	webhook string // URL
	exited  chan struct{}
	posted  int
}

func startReal(t testing.TB) *realGateway {
	t.Helper()
	g := &realGateway{t: t, dir: t.TempDir(), addr: "127.0.0.1:0"}
	g.run()
	t.Cleanup(g.kill)
	return g
}

// run starts the gateway on the address that it has had before, if any.
func (g *realGateway) run() {
	g.t.Helper()
	bin, err := buildStraw()
	if err != nil {
		g.t.Fatal(err)
	}
	g.cmd = exec.Command(bin, "serve", "--webhook-addr", "127.0.0.1:0", "--grpc-addr", g.addr, "--http-addr", "127.0.0.1:0",
		"--store", "pebble:"+filepath.Join(g.dir, "store"), "--blobs", "file:"+filepath.Join(g.dir, "exports"), "--log-format", "json")
	g.cmd.Env = append(os.Environ(), "STRAW_WEBHOOK_SECRET="+webhookSecret)
	stderr, err := g.cmd.StderrPipe()
	if err != nil {
		g.t.Fatal(err)
	}
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.exited = make(chan struct{})
	listening := make(chan map[string]string, 1)
	go g.follow(bufio.NewScanner(stderr), listening, g.exited)
	select {
	case addrs := <-listening:
		g.addr, g.webhook = addrs["grpc"], "http://"+addrs["webhook"]+"/webhooks/juicebox"
	case <-time.After(30 * time.Second):
		g.kill()
		g.t.Fatal("the gateway didn't listen within 30 s")
	}
}

// follow reads the log for the listeners' addresses, and then to its end.
func (g *realGateway) follow(lines *bufio.Scanner, listening chan<- map[string]string, exited chan<- struct{}) {
	cmd := g.cmd
	addrs := map[string]string{}
	for lines.Scan() {
		var line struct{ Listener, Addr string }
		if json.Unmarshal(lines.Bytes(), &line) != nil || line.Listener == "" {
			continue
		}
		if addrs[line.Listener] = line.Addr; len(addrs) == 3 {
			listening <- addrs
		}
	}
	_ = cmd.Wait() // it was killed
	close(exited)
}

// kill is kill -9; it returns when the process is gone.
func (g *realGateway) kill() {
	_ = g.cmd.Process.Kill() // it may be gone already
	<-g.exited
}

func (g *realGateway) restart() {
	g.t.Helper()
	g.kill()
	g.run()
}

// post posts n webhooks: evt_1, evt_2 and so on.
func (g *realGateway) post(n int) {
	g.t.Helper()
	for range n {
		g.posted++
		body := fmt.Sprintf(`{"id":"evt_%d","type":"dataset.updated","data":{"dataset_id":"ds_%d"}}`, g.posted, g.posted)
		mac := hmac.New(sha256.New, []byte(webhookSecret))
		mac.Write([]byte(body))
		req, err := http.NewRequest(http.MethodPost, g.webhook, strings.NewReader(body))
		if err != nil {
			g.t.Fatal(err)
		}
		req.Header.Set("X-Juicebox-Signature", hex.EncodeToString(mac.Sum(nil)))
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			g.t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			g.t.Fatalf("the webhook was answered with %s", resp.Status)
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// client returns a client, and a subscription from the earliest event on, whose retries don't wait long.
func (g *realGateway) client(t *testing.T, definition *straw.Subscription) *straw.Client {
	t.Helper()
	c := dial(t, g.addr)
	create(t, c, definition)
	return c
}

func create(t *testing.T, c *straw.Client, definition *straw.Subscription) {
	t.Helper()
	definition = proto.CloneOf(definition)
	definition.Id = "billing"
	definition.Start = &strawv1.Subscription_StartPosition{StartPosition: strawv1.StartPosition_EARLIEST}
	definition.RetryBackoff = &strawv1.Backoff{Min: durationpb.New(time.Millisecond), Max: durationpb.New(10 * time.Millisecond)}
	if _, err := c.Subscriptions().CreateSubscription(bounded(t), &strawv1.CreateSubscriptionRequest{Subscription: definition}); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, c *straw.Client) *straw.Subscription {
	t.Helper()
	s, err := c.Subscriptions().GetSubscription(bounded(t), &strawv1.GetSubscriptionRequest{Id: "billing"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
