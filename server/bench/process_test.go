package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be its own role processes, as the benchmark is.
func TestMain(m *testing.M) {
	roles["echo"] = openRole(openEcho)
	if code, ran := roleMain(os.Args); ran {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// echo is a role for tests.
type echo struct{ prefix string }

func openEcho(prefix string) (echo, any, error) {
	if prefix == "" {
		return echo{}, nil, errors.New("the prefix is empty")
	}
	return echo{prefix}, os.Getpid(), nil
}

func (e echo) do(verb string, args json.RawMessage) (any, error) {
	switch verb {
	case "say":
		var text string
		err := json.Unmarshal(args, &text)
		return e.prefix + text, err
	case "burn":
		began, _ := cpuTime(os.Getpid())
		for now := began; now < began+50*time.Millisecond; {
			now, _ = cpuTime(os.Getpid())
		}
		return nil, nil
	case "hang":
		select {}
	case "die":
		_, _ = os.Stderr.WriteString("last words\n")
		os.Exit(3)
	}
	return nil, errVerb(verb)
}

func (echo) close() {}

func startEcho(t *testing.T) *Process {
	t.Helper()
	var pid int
	p, err := startRole(t.Context(), "echo", "> ", &pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	if pid != p.PID() {
		t.Errorf("the role says that it is process %d, but %d was started", pid, p.PID())
	}
	return p
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestCall(t *testing.T) {
	p := startEcho(t)
	for _, text := range []string{"one", strings.Repeat("long ", 1<<20)} {
		var got string
		if err := p.call(t.Context(), "say", text, &got); err != nil || got != "> "+text {
			t.Errorf("said %d bytes, got %d back, error %v", len(text), len(got), err)
		}
	}
	if err := p.call(t.Context(), "sing", nil, nil); err == nil || !strings.Contains(err.Error(), `no request "sing"`) {
		t.Errorf("an unknown request gave error %v", err)
	}
}

func TestCPUIsThatOfTheProcess(t *testing.T) {
	p := startEcho(t)
	before, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.call(t.Context(), "burn", nil, nil); err != nil {
		t.Fatal(err)
	}
	after, err := p.CPU()
	if used := after - before; err != nil || used < 50*time.Millisecond || used > time.Second {
		t.Errorf("burning 50 ms of CPU time took %v of it, error %v", used, err)
	}
	p.Kill()
	if _, err := p.CPU(); err == nil {
		t.Error("a process that is gone still uses CPU time")
	}
}

func TestAHungRoleIsKilled(t *testing.T) {
	p := startEcho(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.call(ctx, "hang", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want the deadline's", err)
	}
	p.Kill()
	if !gone(p.PID()) {
		t.Error("the process is still there")
	}
}

func TestADyingRoleLeavesItsLastWords(t *testing.T) {
	p := startEcho(t)
	if err := p.call(t.Context(), "die", nil, nil); err == nil || !strings.Contains(err.Error(), "last words") {
		t.Errorf("got error %v, want one with what it said last", err)
	}
}

func TestARoleThatCantOpen(t *testing.T) {
	if _, err := startRole(t.Context(), "echo", "", nil); err == nil || !strings.Contains(err.Error(), "the prefix is empty") {
		t.Errorf("got error %v, want the role's own", err)
	}
	if _, err := startRole(t.Context(), "nobody", "", nil); err == nil || !strings.Contains(err.Error(), `no role "nobody"`) {
		t.Errorf("got error %v, want one that names the role", err)
	}
}

func TestARoleEndsWithItsInput(t *testing.T) {
	var out bytes.Buffer
	if err := runRole("echo", strings.NewReader(`{"Verb":"","Args":"> "}`), &out); err != nil {
		t.Errorf("a role whose input ended returned %v", err)
	}
}

func TestTerminate(t *testing.T) {
	p := startEcho(t)
	p.Terminate(10 * time.Second)
	if !gone(p.PID()) {
		t.Error("the process is still there")
	}
}

func TestStrawLog(t *testing.T) {
	want := Addresses{Webhook: "127.0.0.1:1", GRPC: "127.0.0.1:2", HTTP: "127.0.0.1:3"}
	for name, lines := range map[string][]string{
		"text": {
			`time=2026-11-02T09:30:00Z level=INFO msg="listening for webhooks" listener=webhook addr=127.0.0.1:1`,
			`time=2026-11-02T09:30:00Z level=INFO msg="serving gRPC" listener=grpc addr=127.0.0.1:2`,
			`time=2026-11-02T09:30:00Z level=INFO msg="serving HTTP" listener=http addr=127.0.0.1:3`,
		},
		"json": {
			`{"msg":"listening for webhooks","listener":"webhook","addr":"127.0.0.1:1"}`,
			`{"msg":"serving gRPC","listener":"grpc","addr":"127.0.0.1:2"}`,
			`{"msg":"serving HTTP","listener":"http","addr":"127.0.0.1:3"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log strawLog
			for i, line := range lines {
				if _, all := log.found(); all {
					t.Errorf("all addresses are known after %d lines", i)
				}
				log.line(line)
			}
			if got, all := log.found(); !all || got != want {
				t.Errorf("got %+v, all: %v; want %+v", got, all, want)
			}
		})
	}
}
