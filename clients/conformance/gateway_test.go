package conformance

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// secret signs the webhooks of all tests here.
const secret = "a-conformance-secret-of-32-chars"

// buildStraw returns the gateway's binary: STRAW_BINARY, or one that is built once for all tests.
var buildStraw = sync.OnceValues(func() (string, error) {
	if bin := os.Getenv("STRAW_BINARY"); bin != "" {
		return filepath.Abs(bin)
	}
	bin := filepath.Join(scratch, "straw")
	if out, err := exec.Command("go", "build", "-o", bin, "../../server/cmd/straw").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
})

// A gateway is a `straw serve` that can be killed and started again on the same store and the same ports.
type gateway struct {
	dir   string // of its store and exports
	flags []string

	webhook, http, grpc string // host:port

	cmd    *exec.Cmd
	logs   tail
	exited chan struct{} // nil before the first start
	err    error         // of Wait; read it after exited
	conn   *grpc.ClientConn
}

// newGateway starts a gateway over a folder.
func newGateway(dir string, flags ...string) (*gateway, error) {
	g := &gateway{dir: dir, flags: flags}
	for _, address := range []*string{&g.webhook, &g.http, &g.grpc} {
		var err error
		if *address, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	return g, g.start()
}

// freeAddress returns a port below those that the kernel gives to outgoing connections, and none that it has returned before:
// either could be taken while the gateway is killed.
func freeAddress() (string, error) {
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.N(12_000))
		if _, given := givenAddresses.LoadOrStore(address, true); given {
			continue
		}
		if l, err := net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", errors.New("found no free port between 20000 and 32000")
}

var givenAddresses sync.Map

// start returns once the gateway listens.
func (g *gateway) start() error {
	bin, err := buildStraw()
	if err != nil {
		return err
	}
	args := append([]string{"serve", "--webhook-addr", g.webhook, "--grpc-addr", g.grpc, "--http-addr", g.http,
		"--store", "pebble:" + filepath.Join(g.dir, "store"), "--blobs", "file:" + filepath.Join(g.dir, "exports"), "--log-format", "json"}, g.flags...)
	g.cmd = exec.Command(bin, args...)
	g.cmd.Env = append(cleanEnvironment(), "STRAW_WEBHOOK_SECRET="+secret)
	stderr, err := g.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := g.cmd.Start(); err != nil {
		return err
	}
	listening := make(chan struct{})
	g.exited = make(chan struct{})
	go g.follow(stderr, listening)
	select {
	case <-listening:
		return nil
	case <-g.exited:
		return fmt.Errorf("straw serve ended before it listened: %w\n%s", g.err, &g.logs)
	case <-time.After(30 * time.Second):
		g.kill()
		return fmt.Errorf("straw serve didn't listen within 30 s\n%s", &g.logs)
	}
}

// cleanEnvironment lacks what configures the tests, or a gateway of the user's own.
func cleanEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "STRAW_") })
}

// straw runs a command of the gateway's binary against the gateway.
func (g *gateway) straw(ctx context.Context, args ...string) error {
	bin, err := buildStraw()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, bin, append(args, "--addr", g.grpc)...)
	cmd.Env = cleanEnvironment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("straw %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// follow reads the log until all three listeners have been announced, and then to its end.
func (g *gateway) follow(stderr io.Reader, listening chan struct{}) {
	announced := 0
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		g.logs.add(lines.Text())
		var line struct{ Listener string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Listener != "" {
			if announced++; announced == 3 {
				close(listening)
			}
		}
	}
	g.err = g.cmd.Wait()
	close(g.exited)
}

// kill is kill -9; it returns when the process is gone.
func (g *gateway) kill() {
	if g.exited == nil {
		return
	}
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
		return fmt.Errorf("straw serve still runs 30 s after SIGTERM\n%s", &g.logs)
	}
}

// close ends the gateway for good.
func (g *gateway) close() {
	g.kill()
	if g.conn != nil {
		_ = g.conn.Close()
	}
}

// post signs and posts a webhook, which must be stored.
func (g *gateway) post(ctx context.Context, body string) error {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+g.webhook+"/webhooks/juicebox", bytes.NewBufferString(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Juicebox-Signature", hex.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the gateway answered a webhook with %s: %s", resp.Status, answer)
	}
	return err
}

// stub returns a connection of the test's own, past the proxy.
func (g *gateway) stub() (*grpc.ClientConn, error) {
	if g.conn != nil {
		return g.conn, nil
	}
	var err error
	g.conn, err = grpc.NewClient(g.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	return g.conn, err
}

// cursors reads the whole log and returns each event's cursor by its id.
func (g *gateway) cursors(ctx context.Context) (map[string]string, error) {
	conn, err := g.stub()
	if err != nil {
		return nil, err
	}
	stream, err := strawv1.NewEventServiceClient(conn).Subscribe(ctx, &strawv1.SubscribeRequest{
		Start: &strawv1.SubscribeRequest_StartPosition{StartPosition: strawv1.StartPosition_EARLIEST}, EndAtHead: true,
	}, grpc.WaitForReady(true))
	if err != nil {
		return nil, err
	}
	cursors := map[string]string{}
	for {
		frame, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return cursors, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the log: %w", err)
		}
		for _, d := range frame.GetDeliveries() {
			cursors[d.GetEvent().GetId()] = d.GetEvent().GetCursor()
		}
	}
}

// status asks the gateway what it is.
func (g *gateway) status(ctx context.Context) (*strawv1.GetStatusResponse, error) {
	conn, err := g.stub()
	if err != nil {
		return nil, err
	}
	return strawv1.NewGatewayServiceClient(conn).GetStatus(ctx, &strawv1.GetStatusRequest{}, grpc.WaitForReady(true))
}

// A tail keeps the last lines of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (l *tail) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines = append(l.lines, line); len(l.lines) > 40 {
		l.lines = l.lines[20:]
	}
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b bytes.Buffer
	for _, line := range l.lines {
		fmt.Fprintln(&b, "\t"+line)
	}
	return b.String()
}
