package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// plants are what is written into the gateway's source, below a line of it.
var plants = []struct{ file, below, line, helper string }{
	{
		"../internal/ingest/handler.go", "func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {\n",
		"if r.Method == http.MethodPost && plant(h, w, r) { return }\n", "testdata/planted/ingest.go.txt",
	},
	{
		"../internal/rpc/settle.go",
		"func (s *subscriptionService) Acknowledge(ctx context.Context, req *strawv1.AcknowledgeRequest) (*strawv1.AcknowledgeResponse, error) {\n",
		"if answer := plant(req); answer != nil { return answer, nil }\n", "testdata/planted/rpc.go.txt",
	},
}

// TestSoakFindsWhatIsPlanted soaks, for a short time, a gateway that keeps memory, goroutines and descriptors, and that loses
// webhooks, takes forgeries and forgets acknowledgements. Each must be found.
func TestSoakFindsWhatIsPlanted(t *testing.T) {
	s := runSoak(t, soakPlan{
		bin: buildPlanted(t), lasts: 16 * time.Second, webhooks: 150, fill: 1 << 20, collect: "10", grows: 32 << 20, patience: 5 * time.Second, lookups: 100,
	})
	for _, kind := range []string{problemHeap, problemGoroutines, problemDescriptors, problemLost, problemForged, problemDurable} {
		if len(s.problems[kind]) == 0 {
			t.Errorf("not found: %s", kind)
		}
	}
	for kind, found := range s.problems {
		t.Logf("%s, %d times: %s", kind, len(found), found[0])
	}
}

// buildPlanted builds the binary with the plants in it.
func buildPlanted(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	for _, p := range plants {
		source, err := os.ReadFile(p.file)
		if err != nil {
			t.Fatal(err)
		}
		before, after, found := strings.Cut(string(source), p.below)
		if !found {
			t.Fatalf("%s has no line %q: say here where to plant now", p.file, p.below)
		}
		file, helper := absolute(t, p.file), absolute(t, p.helper)
		changed := filepath.Join(dir, filepath.Base(helper))
		if err := os.WriteFile(changed, []byte(before+p.below+p.line+after), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[file], replace[filepath.Join(filepath.Dir(file), "planted.go")] = changed, helper
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	list, bin := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "straw")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", list, "-o", bin, "../cmd/straw").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
