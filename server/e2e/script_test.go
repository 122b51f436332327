package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the command line's scripts, cli_*.txtar, each in a folder and with gateways of its own. Beside testscript's
// commands they have:
//
//	start NAME COMMAND…        runs a straw command in the background; once it listens, $NAME_webhook, $NAME_grpc and
//	                           $NAME_http are its addresses
//	await NAME FILE REGEXP     waits until the background command has written that; FILE is stdout or stderr
//	end NAME SIGNAL CODE       sends INT, TERM or KILL, or waits for its own end (none); checks the exit code, and makes its
//	                           output the subject of `stdout` and `stderr`
//	code N COMMAND…            runs a command and checks its exit code
//	paste NAME REGEXP          runs the line that matches, of those that `straw dev` printed, in a shell
func TestScripts(t *testing.T) {
	bin, err := buildStraw()
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob("cli_*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("there are no scripts here: %v", err)
	}
	r := &runner{ctx: t.Context(), straw: bin}
	testscript.Run(t, testscript.Params{
		Files:              scripts,
		RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, "PATH="+filepath.Dir(bin)+string(os.PathListSeparator)+os.Getenv("PATH"))
			e.Values[backgroundKey{}] = map[string]*background{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": r.start, "await": awaitCmd, "end": endCmd, "code": codeCmd, "paste": r.paste,
		},
	})
}

// A runner is what scripts need from outside them.
type runner struct {
	ctx   context.Context // of the test
	straw string
}

// buildGrpcurl returns the folder of the pinned grpcurl; Go builds it once.
func (r *runner) buildGrpcurl() (string, error) {
	out, err := exec.CommandContext(r.ctx, "go", "tool", "-modfile=../../.tools/grpcurl/go.mod", "-n", "grpcurl").Output()
	if err != nil {
		return "", fmt.Errorf("build grpcurl: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

type backgroundKey struct{}

// A background command.
type background struct {
	cmd            *exec.Cmd
	stdout, stderr *transcript
	exited         chan struct{}
}

func find(ts *testscript.TestScript, name string) *background {
	b := ts.Value(backgroundKey{}).(map[string]*background)[name]
	if b == nil {
		ts.Fatalf("no command was started as %s", name)
	}
	return b
}

var listening = regexp.MustCompile(`listener=(\w+) addr=(\S+)`)

func (r *runner) start(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME COMMAND…")
	}
	name := args[0]
	cmd := exec.CommandContext(r.ctx, r.straw, args[1:]...)
	cmd.Args[0] = "straw"
	b := inBackground(ts, cmd)
	ts.Value(backgroundKey{}).(map[string]*background)[name] = b
	if args[1] != "serve" && args[1] != "dev" {
		return
	}
	for _, listener := range []string{"webhook", "grpc", "http"} {
		b.await(ts, b.stderr, regexp.MustCompile(`listener=`+listener+` `))
	}
	for _, match := range listening.FindAllStringSubmatch(b.stderr.String(), -1) {
		ts.Setenv(name+"_"+match[1], match[2])
	}
}

// inBackground starts a command, which ends with the script at the latest.
func inBackground(ts *testscript.TestScript, cmd *exec.Cmd) *background {
	b := &background{cmd: cmd, stdout: newTranscript(), stderr: newTranscript(), exited: make(chan struct{})}
	if cmd.Env == nil {
		cmd.Env = environ(ts)
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), b.stdout, b.stderr
	ts.Check(cmd.Start())
	go func() {
		_ = cmd.Wait() // ProcessState says it all
		close(b.exited)
	}()
	ts.Defer(b.kill)
	return b
}

// kill returns when the command is gone.
func (b *background) kill() {
	_ = b.cmd.Process.Kill() // it may be gone already
	<-b.exited
}

// environ is the script's environment, as far as a command of ours may look at it.
func environ(ts *testscript.TestScript) (all []string) {
	for _, name := range []string{
		"PATH", "HOME", "TMPDIR", "NO_COLOR", "STRAW_WEBHOOK_SECRET", "JUICEBOX_WEBHOOK_SECRET", "STRAW_ADDR", "STRAW_CONFIG", "STRAW_STORE",
	} {
		if value := ts.Getenv(name); value != "" {
			all = append(all, name+"="+value)
		}
	}
	return all
}

// await waits until the transcript matches, and fails the script if the command ends before, or within a generous time.
func (b *background) await(ts *testscript.TestScript, where *transcript, pattern *regexp.Regexp) {
	timeout := time.After(time.Minute)
	for {
		text, more := where.next()
		if pattern.MatchString(text) {
			return
		}
		select {
		case <-more:
		case <-b.exited:
			if !pattern.MatchString(where.String()) {
				ts.Fatalf("%v ended without writing %s:\n%s%s", b.cmd.Args, pattern, b.stdout, b.stderr)
			}
			return
		case <-timeout:
			ts.Fatalf("%v has not written %s within a minute:\n%s%s", b.cmd.Args, pattern, b.stdout, b.stderr)
		}
	}
}

func awaitCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: await NAME stdout|stderr REGEXP")
	}
	b := find(ts, args[0])
	where := map[string]*transcript{"stdout": b.stdout, "stderr": b.stderr}[args[1]]
	b.await(ts, where, regexp.MustCompile(`(?m)`+args[2]))
}

func endCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: end NAME INT|TERM|KILL|none CODE")
	}
	b := find(ts, args[0])
	if signal, found := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}[args[1]]; found {
		ts.Check(b.cmd.Process.Signal(signal))
	}
	select {
	case <-b.exited:
	case <-time.After(time.Minute):
		ts.Fatalf("%v is still there a minute after %s:\n%s", b.cmd.Args, args[1], b.stderr)
	}
	_, _ = fmt.Fprint(ts.Stdout(), b.stdout)
	_, _ = fmt.Fprint(ts.Stderr(), b.stderr)
	if code := b.cmd.ProcessState.ExitCode(); strconv.Itoa(code) != args[2] {
		ts.Fatalf("%v ended with %d, want %s:\n%s", b.cmd.Args, code, args[2], b.stderr)
	}
}

func codeCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND…")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v: %v", args[1:], err)
		}
		code = exit.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("%v ended with %d, want %s", args[1:], code, args[0])
	}
}

// paste does what a reader of the welcome does. Commands that follow the stream are ended once they have printed an event.
func (r *runner) paste(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: paste NAME REGEXP")
	}
	pattern := regexp.MustCompile(`(?m)^  (` + args[1] + `.*)$`)
	match := pattern.FindStringSubmatch(find(ts, args[0]).stdout.String())
	if match == nil {
		ts.Fatalf("no line matches %s", pattern)
	}
	line, path := match[1], ts.Getenv("PATH")
	if strings.HasPrefix(line, "grpcurl") {
		folder, err := r.buildGrpcurl()
		ts.Check(err)
		path = folder + string(os.PathListSeparator) + path
	}
	cmd := exec.CommandContext(r.ctx, "sh", "-c", "exec "+line)
	cmd.Env = append(environ(ts), "PATH="+path)
	b := inBackground(ts, cmd)
	b.await(ts, b.stdout, regexp.MustCompile(`search\.alert|export\.ready|"received"`))
	b.kill()
	_, _ = fmt.Fprint(ts.Stdout(), b.stdout)
}

// A transcript is what a command has written so far. Safe for concurrent use.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed at the next Write
}

func newTranscript() *transcript { return &transcript{more: make(chan struct{})} }

func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.more)
	t.more = make(chan struct{})
	return t.text.Write(b)
}

func (t *transcript) String() string {
	text, _ := t.next()
	return text
}

// next returns what is there, and a channel that is closed when there is more.
func (t *transcript) next() (string, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String(), t.more
}
