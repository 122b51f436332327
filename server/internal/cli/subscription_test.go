package cli

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

func TestPrintSubscription(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s := &straw.Subscription{
		Id: "billing", Filter: "event.id != '\x1b[31m'", AckDeadline: durationpb.New(30 * time.Second), MaxInFlight: 1000,
		MaxAttempts: proto.Int32(0), RetryBackoff: &strawv1.Backoff{Min: durationpb.New(time.Second), Max: durationpb.New(time.Minute)},
		Labels: map[string]string{"team": "b", "a b": ""}, Backlog: 7, InFlight: 3, ExpiredCount: 2,
		OldestUnackedTime: timestamppb.New(now.Add(-3 * time.Hour)), CreateTime: timestamppb.New(now), UpdateTime: timestamppb.New(now), Etag: "1.1",
	}
	var out bytes.Buffer
	if err := printSubscription(&out, s, now); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"subscription  billing, oldest 3h0m\n", "filter        event.id != '\ufffd[31m'\n", "backlog       7\n", "in flight     3, of at most 1000\n",
		"expired       2, which retention removed", "attempts      without limit, with 1s to 1m0s in between\n",
		"label         \"a b\"=\"\"\nlabel         team=b\n", "changed       2026-11-23T12:00:00Z, etag 1.1\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("there is no %q in\n%s", want, out.String())
		}
	}
}

func TestStateOf(t *testing.T) {
	now := time.Now()
	for want, s := range map[string]*straw.Subscription{
		"paused":    {Paused: true, OldestUnackedTime: timestamppb.New(now)},
		"oldest 5s": {OldestUnackedTime: timestamppb.New(now.Add(-5 * time.Second))},
		"caught up": {},
	} {
		if got := stateOf(s, now); got != want {
			t.Errorf("it is %q, want %q", got, want)
		}
	}
}

// Ids and reasons are others' texts: a line stays one, and can't steer a terminal.
func TestDeadLettersCannotSteerATerminal(t *testing.T) {
	var out bytes.Buffer
	w := bufio.NewWriter(&out)
	letter := &straw.DeadLetter{Event: &straw.Event{Id: "a\nb", Type: "x y"}, Attempts: 1, Reason: "no\x1b[31m\nluck"}
	if err := painter(false).writeLetter(w, letter, asText); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.HasSuffix(got, "  \"x y\"               \"a\\nb\"  1 attempt  no\ufffd[31m\ufffdluck\n") {
		t.Errorf("it is printed as %q", got)
	}
}
