package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// TestTheStoreIsTakenAway takes the store's folder from a running gateway: it must end with an error that says so, and leave
// another store that is put there as it is.
func TestTheStoreIsTakenAway(t *testing.T) {
	for name, take := range map[string]func(dir, other string) error{
		"replaced": func(dir, other string) error {
			if err := os.Rename(dir, dir+".old"); err != nil {
				return err
			}
			return os.Rename(other, dir)
		},
		"removed": func(dir, _ string) error { return os.RemoveAll(dir) },
	} {
		t.Run(name, func(t *testing.T) {
			one, two := t.TempDir(), t.TempDir()
			dir, other := filepath.Join(one, "store"), filepath.Join(two, "store")
			g := startGateway(t, two)
			postMany(g, 0, 20)
			if err := g.terminate(); err != nil {
				t.Fatal(err)
			}
			g = startGateway(t, one)
			postMany(g, 100, 120)
			stream, err := strawv1.NewEventServiceClient(g.dial()).Subscribe(t.Context(), &strawv1.SubscribeRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
			before := map[string][]byte{}
			for path, data := range snapshot(t, other) {
				before[filepath.Base(path)] = data
			}
			if err := take(dir, other); err != nil {
				t.Fatal(err)
			}
			for err == nil {
				_, err = stream.Recv()
			}
			if status.Code(err) != codes.Unavailable {
				t.Errorf("the stream ended with %v", err)
			}
			select {
			case <-g.exited:
				if g.err == nil {
					t.Error("the gateway ended as if nothing were wrong")
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("the gateway goes on\n%s", g.logs)
			}
			if said := g.logs.String(); !strings.Contains(said, "the store's folder "+dir+" was "+name) && !strings.Contains(said, "was removed or moved away") {
				t.Errorf("it doesn't say why\n%s", said)
			}
			if name == "removed" {
				if _, err := os.Stat(dir); err == nil {
					t.Error("it made the folder again")
				}
				return
			}
			after := map[string][]byte{}
			for path, data := range snapshot(t, dir) {
				after[filepath.Base(path)] = data
			}
			mustBeSame(t, before, after)
			g = startGateway(t, one)
			if events := g.everything(t.Context()); len(events) != 20 {
				t.Errorf("the other store has %d events of 20", len(events))
			}
		})
	}
}
