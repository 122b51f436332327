package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	straw "github.com/straw-gateway/straw/clients/go"
	"github.com/straw-gateway/straw/server/internal/event"
)

// A run of the command line with what it wrote.
type result struct {
	code           int
	stdout, stderr string
}

func run(t *testing.T, environ []string, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &program{stdin: strings.NewReader(stdin), stdout: &stdout, stderr: &stderr, environ: environ, name: "straw"}
	code := p.run(t.Context(), args)
	return result{code, stdout.String(), stderr.String()}
}

func TestExitCodes(t *testing.T) {
	interrupted, interrupt := context.WithCancelCause(t.Context())
	interrupt(errInterrupted)
	expired := &straw.Error{Code: codes.OutOfRange}
	for _, tc := range []struct {
		name  string
		ctx   context.Context
		err   error
		began bool
		want  int
	}{
		{"success", t.Context(), nil, true, 0},
		{"failure", t.Context(), errors.New("x"), true, 1},
		{"a command line that cobra refuses", t.Context(), errors.New("unknown flag"), false, 2},
		{"usage", t.Context(), usage("x"), true, 2},
		{"wrapped usage", t.Context(), fmt.Errorf("x: %w", usage("x")), true, 2},
		{"a gateway's refusal", t.Context(), expired, true, 64 + 11},
		{"a wrapped refusal", t.Context(), &hinted{expired, "x"}, true, 75},
		{"SIGINT", interrupted, errInterrupted, true, 130},
		{"SIGINT, drained", interrupted, nil, true, 130},
		{"SIGTERM", t.Context(), errTerminated, true, 143},
	} {
		p := &program{began: tc.began}
		if got := p.exitCode(tc.ctx, tc.err); got != tc.want {
			t.Errorf("%s: exit code %d, want %d", tc.name, got, tc.want)
		}
	}
}

// The client's constants are the gateway's.
func TestTypesAgree(t *testing.T) {
	client := []string{
		straw.TypeAnalysisCompleted, straw.TypeDatasetUpdated, straw.TypeExportReady, straw.TypeQuotaWarning, straw.TypeSearchAlert,
		straw.TypeExportStored, straw.TypeExportFailed, straw.TypeUnrecognized,
	}
	if got, want := strings.Join(client, " "), strings.Join(event.Known(), " "); got != want {
		t.Errorf("the client knows %s, the gateway %s", got, want)
	}
}

func TestColoursAreForTerminals(t *testing.T) {
	for _, tc := range []struct {
		environ  []string
		terminal bool
		want     bool
	}{
		{nil, true, true},
		{nil, false, false},
		{[]string{"NO_COLOR=1"}, true, false},
		{[]string{"NO_COLOR="}, true, true},
		{[]string{"TERM=dumb"}, true, false},
	} {
		p := &program{environ: tc.environ}
		if got := p.painter(tc.terminal).paint(bold, "x") != "x"; got != tc.want {
			t.Errorf("%v on a terminal %v: coloured %v", tc.environ, tc.terminal, got)
		}
	}
}

func TestParseFrom(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for text, ok := range map[string]bool{
		"": true, "earliest": true, "latest": true, "2026-11-01T00:00:00Z": true, "90m": true, "2d": true,
		"yesterday": false, "2026-11-01": false, "-1h": false, "unlimited": false,
	} {
		_, err := parseFrom(text, now)
		if _, isUsage := errors.AsType[usageError](err); ok && err != nil || !ok && !isUsage {
			t.Errorf("--from %q: %v", text, err)
		}
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"": "''", "bin/straw": "bin/straw", "a b": "'a b'", "it's": `'it'\''s'`, "$HOME": "'$HOME'", "{}": "'{}'", "ü": "'ü'",
	} {
		if got := quote(text); got != want {
			t.Errorf("quote(%q) is %s, want %s", text, got, want)
		}
	}
}

func TestReachable(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:1": "127.0.0.1:1", "[::]:1": "127.0.0.1:1", "0.0.0.0:1": "127.0.0.1:1", "[::1]:1": "[::1]:1", "10.0.0.1:1": "10.0.0.1:1",
	} {
		if got := reachable(addr); got != want {
			t.Errorf("reachable(%s) is %s, want %s", addr, got, want)
		}
	}
}

func TestUnreachableGateway(t *testing.T) {
	for _, command := range []string{"status", "tail", "tail --subscription billing", "subscription list", "dead-letter list billing"} {
		r := run(t, []string{"STRAW_ADDR=127.0.0.1:1"}, "", strings.Fields(command)...)
		if r.code != 64+14 || r.stdout != "" || !strings.Contains(r.stderr, "no gateway answers at 127.0.0.1:1: ") || !strings.Contains(r.stderr, "straw dev") {
			t.Errorf("%s: %+v", command, r)
		}
		if strings.Contains(r.stderr, "rpc error") || strings.Contains(r.stderr, "retries") {
			t.Errorf("%s speaks of gRPC's inside: %s", command, r.stderr)
		}
	}
}

func TestClientFlagsAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"status", "--addr", "nowhere"},
		{"status", "--plaintext", "--tls-ca", "x"},
		{"status", "--tls-ca", "/nonexistent"},
		{"tail", "-o", "xml"},
		{"tail", "--from", "later"},
		{"tail", "surplus"},
		{"tail", "--from", "1h", "--after", "c"},
		{"tail", "--subscription", "billing", "--from", "1h"},
		{"tail", "--subscription", "billing", "--type", "export.*"},
		{"tail", "--no-ack"},
		{"subscription", "create"},
		{"subscription", "create", "billing", "--label", "team"},
		{"subscription", "create", "billing", "--ack-deadline", "soon"},
		{"subscription", "update", "billing"},
		{"subscription", "seek", "billing"},
		{"subscription", "seek", "billing", "--from", "later"},
		{"dead-letter", "list"},
		{"dead-letter", "redeliver", "billing"},
		{"dead-letter", "purge", "billing", "evt_1", "--all"},
		{"trigger"},
		{"webhook", "verify", "--header", "x"},
		{"nonsense"},
	} {
		if r := run(t, nil, "", args...); r.code != 2 || r.stdout != "" || r.stderr == "" {
			t.Errorf("straw %v: %+v", args, r)
		}
	}
	if r := run(t, []string{"STRAW_TOKEN=t"}, "", "status", "--addr", "gateway.internal:9090", "--plaintext"); r.code != 2 {
		t.Errorf("a token was to be sent in the clear: %+v", r)
	}
}
