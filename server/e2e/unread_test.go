package e2e

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/rpc/rawhttp2"
)

const (
	// maxUnread is what a stream that nobody reads may cost of HeapInuse + StackInuse, in bytes.
	maxUnread = 256 << 10
	// unreadStreams are as many as there are of each kind, each on a connection of its own.
	unreadStreams = 1000
	// keepaliveAfter is when gRPC's keepalive ends a peer that answers nothing, at the earliest.
	keepaliveAfter = 30 * time.Second
)

// unreadFor is how long they aren't read; STRAW_UNREAD_FOR sets it.
func unreadFor(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("STRAW_UNREAD_FOR")
	if text == "" {
		return time.Minute
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("STRAW_UNREAD_FOR: %v", err)
	}
	return d
}

// An unreadKind is a way to ask for much and take nothing of it.
type unreadKind struct {
	name string
	// open asks, and returns when the answer has begun.
	open func(g *gateway, conn net.Conn) error
	grpc bool
	// mute peers answer nothing at all, not even the keepalive's pings, which ends them in time.
	mute bool
}

var unreadKinds = []unreadKind{
	{name: "none"}, // what the others are held against
	{name: "NDJSON", open: askHTTP("/v1/events:subscribe?startPosition=EARLIEST", "*/*")},
	{name: "SSE", open: askHTTP("/v1/events:subscribe?startPosition=EARLIEST", "text/event-stream")},
	{name: "HTTP download", open: askHTTP("/v1/exports/exp:download", "*/*")},
	{name: "gRPC, closed windows", open: askGRPC(64<<10-1, true), grpc: true},
	{name: "gRPC, unread sockets", open: askGRPC(1<<31-1, false), grpc: true, mute: true},
}

// TestStreamsThatNeverRead has a gateway of its own for each transport, with much to read and a thousand connections that ask
// for it and read nothing. Each may cost a bounded bit of memory, none is ended, and whoever does read waits no longer than at
// a gateway without such company, which runs beside them.
func TestStreamsThatNeverRead(t *testing.T) {
	files := startFiles(t, http.NotFound)
	filled, opened := newBarrier(), newBarrier()
	var (
		mu    sync.Mutex
		waits = map[string]time.Duration{}
		tests sync.WaitGroup // not parallel tests, of which there are as many at once as processors
	)
	for _, kind := range unreadKinds {
		tests.Go(func() {
			t.Run(kind.name, func(t *testing.T) {
				defer opened.arrive(kind.name) // whatever happens, the others don't wait for ever
				defer filled.arrive(kind.name)
				p99 := kind.run(t, startUnread(t, files), filled, opened)
				mu.Lock()
				defer mu.Unlock()
				if !t.Failed() {
					waits[kind.name] = p99
				}
			})
		})
	}
	tests.Wait()
	const noise = 10 * time.Millisecond // of a machine that runs all of them
	for name, p99 := range waits {
		t.Logf("beside streams of %s: p99 from a webhook to its subscriber is %v", name, p99)
		if limit := 2*waits["none"] + noise; p99 > limit {
			t.Errorf("beside streams of %s: p99 from a webhook to its subscriber is %v, more than %v", name, p99, limit)
		}
	}
}

// A barrier holds tests up until all of them have come to it.
type barrier struct {
	mu      sync.Mutex
	missing map[string]bool
	open    chan struct{}
}

func newBarrier() *barrier {
	b := &barrier{missing: map[string]bool{}, open: make(chan struct{})}
	for _, kind := range unreadKinds {
		b.missing[kind.name] = true
	}
	return b
}

// arrive says that a test has come, without waiting for the others. Idempotent.
func (b *barrier) arrive(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if delete(b.missing, name); len(b.missing) == 0 && b.missing != nil {
		b.missing = nil
		close(b.open)
	}
}

func (b *barrier) wait(name string) {
	b.arrive(name)
	<-b.open
}

// startUnread starts a gateway with an export and 12 MiB of events, none of them in memory.
func startUnread(t *testing.T, files *files) *gateway {
	t.Helper()
	dir := t.TempDir()
	g := startGateway(t, dir, "--export-allow-host", files.host)
	client, err := straw.Dial(g.grpc)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	g.mustPost(announcement("evt_exp", "exp", files.link(made{seed: 1, size: 8 << 20})))
	if x := awaitExport(t, g, client, "exp"); x.GetState() != strawv1.Export_AVAILABLE {
		t.Fatalf("the export is %v", x)
	}
	text := strings.Repeat("q", 4<<10)
	var posts errgroup.Group
	for sender := range 8 {
		posts.Go(func() error {
			for i := range 3000 / 8 {
				status, answer, err := g.post(http.DefaultClient, fmt.Sprintf(`{"id":"fill_%d_%d","type":"analysis.completed","data":{"analysis_id":"a","query":%q}}`, sender, i, text))
				if err != nil || status != http.StatusOK {
					return fmt.Errorf("%d %s %w", status, answer, err)
				}
			}
			return nil
		})
	}
	if err := posts.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := g.terminate(); err != nil {
		t.Fatal(err)
	}
	// It collects whenever its heap has grown by a tenth, so that little garbage lies about when it is measured.
	bin, err := buildStraw()
	if err != nil {
		t.Fatal(err)
	}
	return startBinaryWith(t, []string{"GOGC=10"}, bin, dir)
}

// run opens the streams, measures what they cost, at once and at the end, and returns the p99 of those who read beside them.
func (k unreadKind) run(t *testing.T, g *gateway, filled, opened *barrier) (p99 time.Duration) {
	before, err := g.settledHeap(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	filled.wait(k.name)
	began := time.Now()
	if k.open != nil {
		k.openAll(t, g)
	}
	if k.mute { // there is no later for it: give it time to be stuck with as much as it can be
		<-time.After(time.Until(began.Add(keepaliveAfter / 2)))
	}
	if err := k.measure(t, g, before, began); err != nil {
		t.Fatalf("%v\n%s", err, g.logs)
	}
	opened.wait(k.name)
	ctx, cancel := context.WithTimeout(t.Context(), unreadFor(t))
	defer cancel()
	p99 = g.waits(ctx, t)
	if err := k.measure(t, g, before, began); err != nil {
		t.Errorf("%v\n%s", err, g.logs)
	}
	return p99
}

func (k unreadKind) openAll(t *testing.T, g *gateway) {
	t.Helper()
	var opening errgroup.Group
	opening.SetLimit(16)
	for range unreadStreams {
		opening.Go(func() error {
			addr := strings.TrimPrefix(g.http, "http://")
			if k.grpc {
				addr = g.grpc
			}
			conn, err := (&net.Dialer{Control: smallBuffers}).Dial("tcp", addr)
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = conn.Close() })
			return k.open(g, conn)
		})
	}
	if err := opening.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, g.logs)
	}
	await(t, "the gateway doesn't count all streams", func() bool {
		n, err := g.streamCount(t)
		return err == nil && n >= unreadStreams
	})
}

// smallBuffers makes the kernel keep little of what isn't read, on both sides: a loopback's segments are large, and so are the
// buffers for them.
func smallBuffers(_, _ string, raw syscall.RawConn) error {
	var err error
	if failed := raw.Control(func(fd uintptr) {
		if err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<10); err == nil {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, 1460)
		}
	}); failed != nil {
		return failed
	}
	return err
}

// measure holds what the streams cost to the limit, and their number to what it must be. The first of them began at a time.
func (k unreadKind) measure(t *testing.T, g *gateway, before int, began time.Time) error {
	after, err := g.settledHeap(t.Context())
	if err != nil {
		return err
	}
	streams, err := g.streamCount(t)
	if err != nil {
		return err
	}
	each, since := (after-before)/unreadStreams, time.Since(began).Round(time.Second)
	t.Logf("%s: after %v %d streams are open; the heap and the stacks went from %d to %d KiB, %d KiB for each of %d",
		k.name, since, streams, before>>10, after>>10, each>>10, unreadStreams)
	if each > maxUnread {
		return fmt.Errorf("after %v a stream that nobody reads costs %d KiB, more than %d", since, each>>10, maxUnread>>10)
	}
	if k.open != nil && streams < unreadStreams && (!k.mute || since < keepaliveAfter) {
		return fmt.Errorf("after %v %d streams are open of %d", since, streams, unreadStreams)
	}
	return nil
}

func (g *gateway) streamCount(t *testing.T) (int, error) {
	client, err := straw.Dial(g.grpc)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	s, err := client.Gateway().GetStatus(t.Context(), &strawv1.GetStatusRequest{})
	return int(s.GetStreamCount()), err
}

// askHTTP asks for a path and reads the head of the answer, through a buffer that takes no more than that and a bit.
func askHTTP(path, accept string) func(*gateway, net.Conn) error {
	return func(g *gateway, conn net.Conn) error {
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: %s\r\n\r\n", path, accept); err != nil {
			return err
		}
		line, err := bufio.NewReaderSize(conn, 16).ReadString('\n')
		if err != nil || !strings.Contains(line, " 200 ") {
			return fmt.Errorf("GET %s: %q, %w", path, line, err)
		}
		return nil
	}
}

// askGRPC subscribes on a connection with windows of a size. With answers it goes on to read the connection and to answer
// pings, though it never opens a window again; otherwise it reads nothing.
func askGRPC(window uint32, answers bool) func(*gateway, net.Conn) error {
	return func(g *gateway, conn net.Conn) error {
		p, err := rawhttp2.New(conn, http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
		if err != nil {
			return err
		}
		if more := window - (64<<10 - 1); more > 0 {
			if err := p.WriteWindowUpdate(0, more); err != nil {
				return err
			}
		}
		if err := p.Open(1, subscribePath); err != nil {
			return err
		}
		m, err := proto.Marshal(&strawv1.SubscribeRequest{Start: &strawv1.SubscribeRequest_StartPosition{StartPosition: strawv1.StartPosition_EARLIEST}})
		if err != nil {
			return err
		}
		if err := p.WriteData(1, true, append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(m))), m...)); err != nil {
			return err
		}
		if answers {
			go answerPings(p) // ends with the connection
		}
		return nil
	}
}

func answerPings(p *rawhttp2.Peer) {
	for {
		f, err := p.ReadFrame()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *http2.PingFrame:
			if !f.IsAck() && p.WritePing(true, f.Data) != nil {
				return
			}
		case *http2.SettingsFrame:
			if !f.IsAck() && p.WriteSettingsAck() != nil {
				return
			}
		}
	}
}

// waits posts a webhook after another until the context ends, and returns the p99 of the time until a subscriber has each.
func (g *gateway) waits(ctx context.Context, t *testing.T) time.Duration {
	t.Helper()
	stream, err := strawv1.NewEventServiceClient(g.dial()).Subscribe(t.Context(), &strawv1.SubscribeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	var took []time.Duration
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		began := time.Now()
		g.mustPost(fmt.Sprintf(`{"id":"wait_%d","type":"search.alert","data":{"alert_id":"a"}}`, n))
		for delivered := 0; delivered == 0; {
			f, err := stream.Recv()
			if err != nil {
				t.Fatalf("%v\n%s", err, g.logs)
			}
			delivered = len(f.GetDeliveries())
		}
		took = append(took, time.Since(began))
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}

// settledHeap is HeapInuse + StackInuse after two garbage collections, of which the second began after the call. The scrapes
// make the garbage that brings them about. The least of a few figures counts, for sweeping takes a moment.
func (g *gateway) settledHeap(ctx context.Context) (int, error) {
	const collections = "go_gc_duration_seconds_count"
	first, err := g.figures(ctx)
	if err != nil {
		return 0, err
	}
	for last := first; last[collections] < first[collections]+2; {
		if last, err = g.figures(ctx); err != nil {
			return 0, err
		}
	}
	least := math.MaxInt
	for range 5 {
		f, err := g.figures(ctx)
		if err != nil {
			return 0, err
		}
		least = min(least, int(f["go_memstats_heap_inuse_bytes"]+f["go_memstats_stack_inuse_bytes"]))
	}
	return least, nil
}

// figures are the gateway's metrics that have no labels.
func (g *gateway) figures(ctx context.Context) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.http+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	figures := map[string]float64{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), " "); ok {
			if v, err := strconv.ParseFloat(value, 64); err == nil {
				figures[name] = v
			}
		}
	}
	return figures, lines.Err()
}
