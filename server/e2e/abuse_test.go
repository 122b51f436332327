package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/rpc/rawhttp2"
)

// residentMiB is what the gateway's process takes of the memory.
func (g *gateway) residentMiB() int {
	g.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		g.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				g.t.Fatal(err)
			}
			return kib >> 10
		}
	}
	g.t.Fatal("no VmRSS")
	return 0
}

// mustServe checks that a subscriber still gets what is posted.
func (g *gateway) mustServe() {
	g.t.Helper()
	stream, err := strawv1.NewEventServiceClient(g.dial()).Subscribe(g.t.Context(), &strawv1.SubscribeRequest{})
	if err != nil {
		g.t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		g.t.Fatalf("%v\n%s", err, g.logs)
	}
	g.mustPost(fmt.Sprintf(`{"id":"still-%d","type":"search.alert","data":{"alert_id":"a"}}`, time.Now().UnixNano()))
	f, err := stream.Recv()
	if err != nil || len(f.GetDeliveries()) != 1 {
		g.t.Fatalf("the next frame is %v, %v", f, err)
	}
}

// dialRaw connects to the gRPC port as a hostile client that doesn't look at what it is answered.
func dialRaw(t *testing.T, g *gateway) *rawhttp2.Peer {
	t.Helper()
	p, err := rawhttp2.Dial(t.Context(), g.grpc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Conn.Close() })
	go p.Discard() // ends with the connection
	return p
}

const subscribePath = "/straw.v1.EventService/Subscribe"

// TestRapidReset opens and resets 100,000 streams on one connection, or as many as the gateway lets it.
func TestRapidReset(t *testing.T) {
	g := startGateway(t, t.TempDir())
	before := g.residentMiB()
	p := dialRaw(t, g)
	for i := range 100_000 {
		id := uint32(2*i + 1)
		if p.Open(id, subscribePath) != nil ||
			p.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
			break // the gateway has had enough of this peer
		}
	}
	g.mustServe()
	if after := g.residentMiB(); after > before+100 {
		t.Errorf("the process grew from %d to %d MiB", before, after)
	}
}

// TestHeaderAndPingFloods sends endless CONTINUATION frames, headers beyond the limit, pings, and DATA a byte at a time.
func TestHeaderAndPingFloods(t *testing.T) {
	g := startGateway(t, t.TempDir())
	before := g.residentMiB()
	floods := map[string]func(p *rawhttp2.Peer) error{
		"continuation": func(p *rawhttp2.Peer) error {
			if err := p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.Request(subscribePath)}); err != nil {
				return err
			}
			for range 10_000 {
				block := p.Request("/", hpack.HeaderField{Name: "x-flood", Value: strings.Repeat("x", 4000), Sensitive: true})
				if err := p.WriteContinuation(1, false, block); err != nil {
					return err
				}
			}
			return nil
		},
		"large headers": func(p *rawhttp2.Peer) error {
			for i := range 1000 {
				block := p.Request(subscribePath, hpack.HeaderField{Name: "x-large", Value: strings.Repeat("x", 15<<10)}, hpack.HeaderField{Name: "x-larger", Value: strings.Repeat("y", 15<<10)})
				if err := p.WriteRawFrame(http2.FrameHeaders, 0, uint32(2*i+1), block[:min(len(block), 16<<10)]); err != nil {
					return err
				}
				if err := p.WriteContinuation(uint32(2*i+1), true, block[min(len(block), 16<<10):]); err != nil {
					return err
				}
			}
			return nil
		},
		"pings": func(p *rawhttp2.Peer) error {
			for range 100_000 {
				if err := p.WritePing(false, [8]byte{1}); err != nil {
					return err
				}
			}
			return nil
		},
		"a byte at a time": func(p *rawhttp2.Peer) error {
			if err := p.Open(1, subscribePath); err != nil {
				return err
			}
			// A message that claims 1 MiB and comes in single bytes.
			for i := range 50_000 {
				b := []byte{0}
				if i < 5 {
					b[0] = []byte{0, 0, 16, 0, 0}[i]
				}
				if err := p.WriteData(1, false, b); err != nil {
					return err
				}
			}
			return nil
		},
	}
	for name, flood := range floods {
		t.Run(name, func(t *testing.T) {
			_ = flood(dialRaw(t, g)) // that the gateway hangs up is one good answer
			g.mustServe()
			if after := g.residentMiB(); after > before+100 {
				t.Errorf("the process grew from %d to %d MiB", before, after)
			}
		})
	}
}

// TestRefusedRequests are single requests that must get a clear refusal.
func TestRefusedRequests(t *testing.T) {
	g := startGateway(t, t.TempDir())
	for _, c := range []struct {
		name, path string
		header     hpack.HeaderField
		data       []byte
		status     string
	}{
		{"path without a slash", "straw.v1.EventService/Subscribe", hpack.HeaderField{}, nil, "12"},
		{"no such method", "/straw.v1.EventService/Nope", hpack.HeaderField{}, nil, "12"},
		{"gzip", subscribePath, hpack.HeaderField{Name: "grpc-encoding", Value: "gzip"}, []byte{1, 0, 0, 0, 1, 0}, "12"},
		{"too large", subscribePath, hpack.HeaderField{}, []byte{0, 0x7f, 0xff, 0xff, 0xff}, "8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := g.rawStatus(t, c.path, c.header, c.data); got != c.status {
				t.Errorf("grpc-status %s, want %s", got, c.status)
			}
		})
	}
	g.mustServe()
}

// rawStatus makes one call by hand and returns its grpc-status.
func (g *gateway) rawStatus(t *testing.T, path string, header hpack.HeaderField, data []byte) string {
	t.Helper()
	p, err := rawhttp2.Dial(t.Context(), g.grpc)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Conn.Close()
	var more []hpack.HeaderField
	if header.Name != "" {
		more = append(more, header)
	}
	if err := p.Open(1, path, more...); err != nil {
		t.Fatal(err)
	}
	if err := p.WriteData(1, true, data); err != nil {
		t.Fatal(err)
	}
	status, err := p.Status(1)
	if err != nil {
		t.Fatal(err)
	}
	return status
}
