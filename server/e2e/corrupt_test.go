package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// TestAFlippedBlockEndsTheGateway flips a byte of a stored table: the reader that meets it must get DATA_LOSS and no partial
// answer, and so must one that waits for what is new; the process must end with an error rather than go on serving.
func TestAFlippedBlockEndsTheGateway(t *testing.T) {
	dir := t.TempDir()
	g := startGateway(t, dir)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 3000 { // far more than opening a store looks at, and nothing that compresses well
		g.mustPost(fmt.Sprintf(`{"id":"evt_%d","type":"analysis.completed","data":{"analysis_id":"a","query":"%x%x%x%x"}}`,
			i, random.Uint64(), random.Uint64(), random.Uint64(), random.Uint64()))
	}
	g.kill()
	g = startGateway(t, dir) // what was in the write-ahead log is now in a table
	if err := g.terminate(); err != nil {
		t.Fatal(err)
	}
	flip(t, largest(t, filepath.Join(dir, "store", "*.sst")))

	g = startGateway(t, dir)
	events := strawv1.NewEventServiceClient(g.dial())
	waiting, err := events.Subscribe(t.Context(), &strawv1.SubscribeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := waiting.Recv(); err != nil {
		t.Fatal(err)
	}
	stream, err := events.Subscribe(t.Context(), &strawv1.SubscribeRequest{
		Start: &strawv1.SubscribeRequest_StartPosition{StartPosition: strawv1.StartPosition_EARLIEST}, EndAtHead: true, IncludeRaw: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	received := 0
	for {
		f, err := stream.Recv()
		received += len(f.GetDeliveries())
		if err == io.EOF {
			t.Fatalf("the stream ended as if %d events were all", received)
		}
		if err != nil {
			if status.Code(err) != codes.DataLoss {
				t.Errorf("the stream ended with %v", err)
			}
			break
		}
	}
	if f, err := waiting.Recv(); status.Code(err) != codes.DataLoss {
		t.Errorf("the stream that waited received %v, %v", f, err)
	}
	select {
	case <-g.exited:
		if g.err == nil {
			t.Error("the gateway ended as if nothing were wrong")
		}
	case <-time.After(30 * time.Second):
		t.Errorf("the gateway goes on with a corrupt store\n%s", g.logs)
	}
}

func largest(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no file like %s: %v", pattern, err)
	}
	var best string
	var size int64
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > size {
			best, size = f, info.Size()
		}
	}
	return best
}

// flip changes one byte in the middle of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 0xff
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
