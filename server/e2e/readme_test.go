package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// readme returns the README's fenced blocks of a language.
func readme(t *testing.T, language string) []string {
	t.Helper()
	return fenced(t, "../../README.md", language)
}

// fenced returns a document's fenced blocks of a language.
func fenced(t *testing.T, path, language string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(b), -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("%s has no block of %s", path, language)
	}
	return blocks
}

// here points what README says at the gateway under test: its ports are free ones, and its binary isn't in bin/.
func (g *gateway) here(text string) string {
	bin, err := buildStraw()
	if err != nil {
		g.t.Fatal(err)
	}
	return strings.NewReplacer(
		"127.0.0.1:9090", g.grpc,
		"http://127.0.0.1:9080", g.http,
		"bin/straw ", "env STRAW_ADDR="+g.grpc+" "+bin+" ",
	).Replace(text)
}

// follow runs a command until its output has had lines with each of the texts, in this order, and fails if that takes too
// long. meanwhile is called again and again.
func follow(t *testing.T, cmd *exec.Cmd, meanwhile func(), texts ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() {
		exited <- cmd.Wait()
		_ = w.Close()
	}()
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	defer func() {
		_ = cmd.Process.Kill() // most of them would go on forever
		for range lines {
		}
		if err := <-exited; err == nil {
			t.Logf("%v ended by itself", cmd.Args)
		}
	}()
	var seen []string
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for len(texts) > 0 {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("%v ended without %q:\n%s", cmd.Args, texts[0], strings.Join(seen, "\n"))
			}
			seen = append(seen, line)
			for len(texts) > 0 && strings.Contains(line, texts[0]) {
				texts = texts[1:]
			}
		case <-tick.C:
			meanwhile()
		case <-ctx.Done():
			t.Fatalf("%v didn't print %q:\n%s", cmd.Args, texts[0], strings.Join(seen, "\n"))
		}
	}
}

func (g *gateway) postSamples() {
	g.t.Helper()
	for _, body := range []string{
		`{"id":"readme-%d-1","type":"dataset.updated","data":{"dataset_id":"ds_1"}}`,
		`{"id":"readme-%d-2","type":"export.ready","data":{"export_id":"exp_1","download_url":"https://exports.invalid/exp_1"}}`,
		`{"id":"readme-%d-3","type":"quota.warning","data":{"usage_percent":91}}`,
	} {
		g.mustPost(fmt.Sprintf(body, time.Now().UnixNano()))
	}
}

// TestReadmeCommands runs the lines that README gives for a second terminal. The two commands are `make run`, which is
// `straw dev` and has a script of its own, and the `make test` that runs this.
func TestReadmeCommands(t *testing.T) {
	grpcurl, err := (&runner{ctx: t.Context()}).buildGrpcurl()
	if err != nil {
		t.Fatal(err)
	}
	g := startGateway(t, t.TempDir())
	g.postSamples()
	want := map[string][]string{
		"grpcurl":                       {"ds_1", "exp_1"},
		"curl -N 'http":                 {"ds_1", "exp_1", "usagePercent"},
		"curl -N -H 'Accept: text/even": {"id: ", "usagePercent"},
		"bin/straw tail --type":         {"ds_1"},
	}
	for _, block := range readme(t, "sh") {
		for prefix, texts := range want {
			if !strings.HasPrefix(block, prefix) {
				continue
			}
			delete(want, prefix)
			t.Run(strings.Fields(block)[0], func(t *testing.T) {
				cmd := exec.Command("sh", "-c", "exec "+g.here(block))
				cmd.Env = append(os.Environ(), "PATH="+grpcurl+":"+os.Getenv("PATH"))
				follow(t, cmd, func() {}, texts...)
			})
		}
	}
	for prefix := range want {
		t.Errorf("README no longer has a command that begins with %q", prefix)
	}
}

// TestReadmeServe starts the gateway as README says for production, but for where it keeps its data and listens.
func TestReadmeServe(t *testing.T) {
	for _, block := range readme(t, "sh") {
		if !strings.Contains(block, "straw serve") {
			continue
		}
		bin, err := buildStraw()
		if err != nil {
			t.Fatal(err)
		}
		script := strings.NewReplacer("straw serve", "exec "+bin+" serve --webhook-addr 127.0.0.1:0 --grpc-addr 127.0.0.1:0 --http-addr 127.0.0.1:0",
			"/var/lib/straw", t.TempDir(), "=...", "=0123456789abcdef0123456789abcdef").Replace(block)
		cmd := exec.Command("sh", "-c", script)
		cmd.Dir = t.TempDir()
		follow(t, cmd, func() {}, "listener=webhook", "listener=http")
		return
	}
	t.Error("README doesn't say how to run the gateway in production")
}

// buildGo builds a Go program of README, verbatim but for the gateway's address, and returns a command that runs it in a folder
// of its own.
func (g *gateway) buildGo(block string) *exec.Cmd {
	g.t.Helper()
	dir := g.t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte(g.here(block)), 0o600); err != nil {
		g.t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "program"), source)
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		g.t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.Command(filepath.Join(dir, "program"))
	cmd.Dir = dir
	return cmd
}

func TestReadmeGo(t *testing.T) {
	g := startGateway(t, t.TempDir())
	follow(t, g.buildGo(readme(t, "go")[0]), g.postSamples, "refresh ds_1", "download exp_1")
}

// TestReadmeClients holds the programs in other languages to those of the clients' own READMEs, which are run from the
// clients' packages where their conformance is tested.
func TestReadmeClients(t *testing.T) {
	for language, client := range map[string]string{"ts": "typescript", "python": "python", "java": "java", "rust": "rust"} {
		quickstart := fenced(t, "../../clients/"+client+"/README.md", language)[0]
		if got := readme(t, language); len(got) != 1 || got[0] != quickstart {
			t.Errorf("README's program in %s isn't the first one of clients/%s/README.md", language, client)
		}
	}
}

// TestReadmeDurable does what README tells a newcomer to do with a durable subscription, in its order.
func TestReadmeDurable(t *testing.T) {
	g := startGateway(t, t.TempDir())
	g.postSamples()
	command := func(prefix string) *exec.Cmd {
		for _, block := range readme(t, "sh") {
			if strings.HasPrefix(block, prefix) {
				return exec.Command("sh", "-c", g.here(block))
			}
		}
		t.Fatalf("README no longer has a command that begins with %q", prefix)
		return nil
	}
	succeed := func(cmd *exec.Cmd, want string) {
		t.Helper()
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
			t.Fatalf("%v: %v, without %q:\n%s", cmd.Args, err, want, out)
		}
	}
	succeed(command("bin/straw subscription create"), "subscription  billing")
	g.interrupt(command("bin/straw tail --subscription billing --no-ack"), "ds_1", "exp_1", "usage_percent=91")
	g.interrupt(command("bin/straw tail --subscription billing\n"), "attempt=", "usage_percent=91")
	succeed(command("bin/straw subscription get billing"), "dead letters  0")
	succeed(exec.Command("sh", "-c", g.here("bin/straw subscription seek billing --from earliest")), "billing owes ")
	consumer := g.buildGo(readme(t, "go")[1])
	g.interrupt(consumer, "handled dataset.updated readme-", "handled quota.warning readme-", "in attempt 1")
	if code := consumer.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the consumer ended with %d", code)
	}
	succeed(command("bin/straw subscription get billing"), "dead letters  0")
}

// interrupt runs a command until it has written all texts, and then does what Ctrl-C does.
func (g *gateway) interrupt(cmd *exec.Cmd, texts ...string) {
	g.t.Helper()
	out := newTranscript()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as the terminal's foreground
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	timeout := time.After(30 * time.Second)
	for interrupted := false; ; {
		text, more := out.next()
		if !interrupted && !slices.ContainsFunc(texts, func(want string) bool { return !strings.Contains(text, want) }) {
			interrupted = true
			if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
				g.t.Fatal(err)
			}
		}
		select {
		case <-more:
		case err := <-exited:
			if !interrupted {
				g.t.Fatalf("%v ended (%v) without %q:\n%s", cmd.Args, err, texts, out)
			}
			return
		case <-timeout:
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it goes on for ever
			g.t.Fatalf("%v didn't print %q, or didn't end:\n%s", cmd.Args, texts, out)
		}
	}
}
