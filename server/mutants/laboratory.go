package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A verdict is what became of a mutant.
type verdict string

const (
	killed   verdict = "killed"   // its test failed
	survived verdict = "SURVIVED" // its test passed
	invalid  verdict = "INVALID"  // it shows nothing: it doesn't apply or compile, or its test fails without it
)

// e2e is the package whose tests build the gateway themselves.
const e2e = "server/e2e"

// A laboratory runs the tests of one source tree.
type laboratory struct {
	root    string
	mutants []mutant           // all that are to be examined
	sound   map[string]outcome // by package: its mutants' tests without a change
	stderr  bytes.Buffer       // of the last command
}

// examine makes a mutant and runs its test. detail says more about a verdict other than killed.
func (l *laboratory) examine(ctx context.Context, m mutant) (v verdict, detail string, err error) {
	changed, err := m.apply(l.root)
	if err != nil {
		return invalid, err.Error(), nil
	}
	overlay, remove, err := l.overlay(map[string]string{m.File: changed})
	if err != nil {
		return "", "", err
	}
	defer remove()
	built := []string{"./" + path.Dir(m.File)}
	if m.Package == e2e {
		built = append(built, "./server/cmd/straw")
	}
	if err := l.build(ctx, overlay, built...); err != nil {
		return invalid, "it doesn't compile: " + err.Error(), nil
	}
	if err := l.isSound(ctx, m); err != nil {
		return invalid, "without the change: " + err.Error(), nil
	}
	got, err := l.test(ctx, overlay, m)
	switch {
	case err != nil:
		return "", "", err
	case got.broken:
		return invalid, "its test doesn't compile: " + got.output, nil
	case got.timedOut && !m.Hangs:
		return survived, fmt.Sprintf("the test didn't end within %v; if that is how it notices, say `hangs: true`", m.Timeout), nil
	case got.failed:
		return killed, "", nil
	}
	return survived, "the test passes", nil
}

// overlay writes changed files, by their names in the tree, and what tells the go command of them. remove removes both.
func (l *laboratory) overlay(files map[string]string) (overlay string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "straw-mutants-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	replace := map[string]string{}
	for name, content := range files {
		original, err := filepath.Abs(filepath.Join(l.root, name))
		if err != nil {
			remove()
			return "", nil, err
		}
		replace[original] = filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(replace[original], []byte(content), 0o600); err != nil {
			remove()
			return "", nil, err
		}
	}
	encoded, err := json.Marshal(map[string]any{"Replace": replace})
	if err == nil {
		overlay = filepath.Join(dir, "overlay.json")
		err = os.WriteFile(overlay, encoded, 0o600)
	}
	if err != nil {
		remove()
		return "", nil, err
	}
	return overlay, remove, nil
}

// command prepares a go command. The overlay goes through the environment, for tests that build something to build it so. When
// the context ends, all that it started ends with it.
func (l *laboratory) command(ctx context.Context, overlay string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = l.root
	cmd.Env = os.Environ()
	if overlay != "" {
		cmd.Env = append(cmd.Env, "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+overlay))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	l.stderr.Reset()
	cmd.Stderr = &l.stderr
	return cmd
}

// build compiles packages, and throws the result away. Its error is the compiler's.
func (l *laboratory) build(ctx context.Context, overlay string, packages ...string) error {
	cmd := l.command(ctx, overlay, append([]string{"build", "-o", os.DevNull}, packages...)...)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w\n%s", err, l.stderr.String())
	}
	return nil
}

// isSound says what is wrong with a mutant's test without the change: one that fails anyway, or doesn't run, kills nothing. It
// runs the tests of all the package's mutants at once.
func (l *laboratory) isSound(ctx context.Context, m mutant) error {
	got, ok := l.sound[m.Package]
	if !ok {
		var err error
		if got, err = l.test(ctx, "", mutant{Package: m.Package, Run: l.runs(m), Timeout: 20 * time.Minute}); err != nil {
			return err
		}
		if l.sound == nil {
			l.sound = map[string]outcome{}
		}
		l.sound[m.Package] = got
	}
	if got.broken {
		return fmt.Errorf("the tests don't compile: %s", got.output)
	}
	passed := false
	for name, action := range got.tests {
		if !matches(m.Run, name) {
			continue
		}
		if action == "fail" {
			return fmt.Errorf("%s fails:\n%s", name, got.output)
		}
		passed = passed || action == "pass"
	}
	if !passed {
		return errors.New("no test ran, or all were skipped")
	}
	return nil
}

// runs is what runs the tests of all the mutants of a package.
func (l *laboratory) runs(m mutant) string {
	all := []string{m.Run}
	for _, other := range l.mutants {
		if other.Package == m.Package && !slices.Contains(all, other.Run) {
			all = append(all, other.Run)
		}
	}
	return strings.Join(all, "|")
}

// matches reports whether `go test -run` would choose a test, or one of which it is a case, or a case of it.
func matches(run, name string) bool {
	parts := strings.Split(name, "/")
	for alternative := range strings.SplitSeq(run, "|") {
		ok := true
		for i, pattern := range strings.Split(alternative, "/") {
			if i < len(parts) {
				found, err := regexp.MatchString(pattern, parts[i])
				ok = ok && found && err == nil
			}
		}
		if ok {
			return true
		}
	}
	return false
}

// An outcome is what a run of tests said.
type outcome struct {
	failed   bool
	broken   bool // it doesn't compile
	timedOut bool
	tests    map[string]string // what became of each that ran: pass, fail or skip
	output   string            // the end of what was printed
}

// test runs a mutant's test. Its error says that the test could not be run.
func (l *laboratory) test(ctx context.Context, overlay string, m mutant) (outcome, error) {
	cmd := l.command(ctx, overlay, "test", "-json", "-count=1", "-vet=off", "-timeout="+m.Timeout.String(), "-run="+m.Run, "./"+m.Package)
	stdout, err := cmd.Output()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		return outcome{}, err
	}
	got := outcome{failed: err != nil, tests: map[string]string{}}
	var text strings.Builder
	for line := range bytes.Lines(stdout) {
		var e struct{ Action, Test, Output, FailedBuild string }
		if json.Unmarshal(line, &e) != nil {
			continue
		}
		switch {
		case e.Action == "build-fail" || e.FailedBuild != "":
			got.broken = true
		case e.Test != "" && slices.Contains([]string{"pass", "fail", "skip"}, e.Action):
			got.tests[e.Test] = e.Action
		}
		got.timedOut = got.timedOut || strings.HasPrefix(e.Output, "panic: test timed out after")
		text.WriteString(e.Output)
	}
	got.output = tail(text.String() + l.stderr.String())
	return got, nil
}

// tail is the end of a long text.
func tail(text string) string {
	const most = 4 << 10
	return text[max(0, len(text)-most):]
}
