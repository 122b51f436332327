package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// runStraw runs a command to its end, with what startGateway gives the gateway of the directory. It returns what it wrote.
func runStraw(t *testing.T, dir string, command ...string) (output string, err error) {
	t.Helper()
	bin, err := buildStraw()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // it may serve, and shouldn't
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, append(command, "--store", "pebble:"+filepath.Join(dir, "store"))...)
	if command[0] == "serve" {
		cmd.Args = append(cmd.Args, "--webhook-addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0",
			"--blobs", "file:"+filepath.Join(dir, "exports"))
	}
	cmd.Env = append(os.Environ(), "STRAW_WEBHOOK_SECRET="+secret)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// mustNotServe runs `straw serve`, which must end with 1 and say something.
func mustNotServe(t *testing.T, dir string, says ...string) {
	t.Helper()
	out, err := runStraw(t, dir, "serve")
	if failed, ok := errors.AsType[*exec.ExitError](err); !ok || failed.ExitCode() != 1 {
		t.Errorf("straw serve ended with %v\n%s", err, out)
	}
	for _, text := range says {
		if !strings.Contains(out, text) {
			t.Errorf("straw serve doesn't say %q:\n%s", text, out)
		}
	}
}

func postMany(g *gateway, from, to int) {
	g.t.Helper()
	for n := from; n < to; n++ {
		g.mustPost(fmt.Sprintf(`{"id":"evt_%d","type":"analysis.completed","data":{"analysis_id":"a"}}`, n))
	}
}

// snapshot returns every file below a directory.
func snapshot(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		all[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestAMissingFileChangesNothing takes single files out of a store that was killed: the gateway must name what is missing and
// leave every other file as it is, and with the file back everything must be there.
func TestAMissingFileChangesNothing(t *testing.T) {
	dir := t.TempDir()
	g := startGateway(t, dir)
	postMany(g, 0, 60)
	g.kill()
	g = startGateway(t, dir) // what was in the write-ahead log is now in a table
	postMany(g, 60, 100)
	g.kill()
	for _, kind := range []string{"marker.manifest.*", "marker.format-version.*", "MANIFEST-*", "*.sst", "*.log", "*"} {
		t.Run(kind, func(t *testing.T) {
			paths, err := filepath.Glob(filepath.Join(dir, "store", kind))
			if err != nil || len(paths) == 0 {
				t.Fatalf("the store has no %s: %v", kind, err)
			}
			files := paths[len(paths)-1:] // the newest is needed
			says := []string{strings.TrimSuffix(filepath.Base(files[0]), ".log"), "restore a backup"}
			switch kind {
			case "marker.manifest.*", "marker.format-version.*":
				says[0] = kind + " is missing"
			case "*.log":
				files, says[0] = paths, "the write-ahead log is missing"
			case "*": // but what tells that there was more
				says[0] = "all of the database is missing"
				files = nil
				for _, path := range paths {
					if filepath.Base(path) != "straw-durable" {
						files = append(files, path)
					}
				}
			}
			kept := map[string][]byte{}
			for _, path := range files {
				if kept[path], err = os.ReadFile(path); err != nil {
					t.Fatal(err)
				}
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
			before := snapshot(t, filepath.Join(dir, "store"))
			mustNotServe(t, dir, says...)
			mustBeSame(t, before, snapshot(t, filepath.Join(dir, "store")))
			for path, data := range kept {
				if err := os.WriteFile(path, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	g = startGateway(t, dir)
	if events := g.everything(t.Context()); len(events) != 100 {
		t.Errorf("%d events are left of 100", len(events))
	}
}

func mustBeSame(t *testing.T, before, after map[string][]byte) {
	t.Helper()
	for path, data := range before {
		if now, there := after[path]; !there {
			t.Errorf("%s is gone", path)
		} else if !bytes.Equal(now, data) {
			t.Errorf("%s has changed", path)
		}
	}
	for path := range after {
		if _, there := before[path]; !there {
			t.Errorf("%s is new", path)
		}
	}
}

// TestACopiedStoreIsRefused copies a stopped store, goes on with the original, and gives the original's cursors to the copy:
// that must not take positions of other events for its own.
func TestACopiedStoreIsRefused(t *testing.T) {
	original, twin := t.TempDir(), t.TempDir()
	g := startGateway(t, original)
	postMany(g, 0, 20)
	if err := g.terminate(); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "cp", "-r", filepath.Join(original, "store"), twin).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v %s", err, out)
	}
	g = startGateway(t, original) // which is no copy
	postMany(g, 20, 30)
	theirs := g.everything(t.Context())

	before := snapshot(t, twin)
	mustNotServe(t, twin, filepath.Join(twin, "store"), "looks like a copy", "straw store adopt")
	mustBeSame(t, before, snapshot(t, filepath.Join(twin, "store")))
	if out, err := runStraw(t, original, "store", "adopt"); err == nil || !strings.Contains(out, "another process has it open") {
		t.Errorf("a store in use was adopted: %v\n%s", err, out)
	}
	out, err := runStraw(t, twin, "store", "adopt")
	if err != nil {
		t.Fatalf("adopt: %v\n%s", err, out)
	}
	for _, text := range []string{"store ", "incarnation", "which was", "head         20"} {
		if !strings.Contains(out, text) {
			t.Errorf("adopting doesn't tell %q:\n%s", text, out)
		}
	}

	copied := startGateway(t, twin)
	postMany(copied, 100, 120)
	if events, err := copied.after(t.Context(), theirs[9].GetCursor()); err != nil || len(events) != 30 || events[9].GetId() != theirs[19].GetId() {
		t.Errorf("after a position that both held: %d events, %v", len(events), err)
	}
	_, err = copied.after(t.Context(), theirs[24].GetCursor())
	if status.Code(err) != codes.OutOfRange || reason(err) != "CURSOR_AHEAD" {
		t.Errorf("a position that only the original held: %v", err)
	}
}

// after reads what follows a cursor.
func (g *gateway) after(ctx context.Context, cursor string) (events []*strawv1.Event, err error) {
	stream, err := strawv1.NewEventServiceClient(g.dial()).Subscribe(ctx, &strawv1.SubscribeRequest{
		Start: &strawv1.SubscribeRequest_After{After: cursor}, EndAtHead: true,
	})
	if err != nil {
		return nil, err
	}
	for {
		frame, err := stream.Recv()
		if err == io.EOF {
			return events, nil
		}
		if err != nil {
			return events, err
		}
		for _, d := range frame.GetDeliveries() {
			events = append(events, d.GetEvent())
		}
	}
}

// reason is what the ErrorInfo of an error says.
func reason(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}
