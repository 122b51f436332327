package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestExportsFolderIsOneGateways: two gateways in one folder of exports would remove each other's files, so the second must not
// start, and say why.
func TestExportsFolderIsOneGateways(t *testing.T) {
	dir := t.TempDir()
	startGateway(t, dir)
	bin, err := buildStraw()
	if err != nil {
		t.Fatal(err)
	}
	second := exec.CommandContext(t.Context(), bin, "serve", "--webhook-addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0",
		"--store", "pebble:"+filepath.Join(dir, "another"), "--blobs", "file:"+filepath.Join(dir, "exports"))
	second.Env = append(os.Environ(), "STRAW_WEBHOOK_SECRET="+secret)
	out, err := second.CombinedOutput()
	if err == nil {
		t.Fatalf("it ran, and ended well\n%s", out)
	}
	for _, text := range []string{filepath.Join(dir, "exports"), "another process may have it open", "name another directory"} {
		if !strings.Contains(string(out), text) {
			t.Errorf("it doesn't say %q:\n%s", text, out)
		}
	}
}
