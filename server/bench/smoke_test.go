package main

import (
	"context"
	"os"
	"testing"
	"time"
)

// newTestBench returns a benchmark of tiny scale, without Straw, and a context that bounds it.
func newTestBench(t *testing.T) (*Bench, context.Context) {
	t.Helper()
	b, err := newBench(tiny, t.TempDir(), testLog{t})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return b, ctx
}

type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Logf("%s", b)
	return len(b), nil
}

// TestRows runs every row at tiny scale, Straw's real binary and all limit programs, and checks that both sides of each line
// have a figure.
func TestRows(t *testing.T) {
	builder, ctx := newTestBench(t)
	if err := builder.build(ctx); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			b, ctx := newTestBench(t)
			b.straw = builder.straw
			results, err := row.run(b, ctx)
			if err != nil {
				t.Fatal(err)
			}
			if len(results) == 0 {
				t.Fatal("the row has no results")
			}
			for _, r := range results {
				for _, side := range []Figure{r.Limit, r.Straw} {
					// What is subtracted from what can come out below nothing in so short a run.
					noisy := row.name == "crowd" || r.Unit == "B" || r.Wanted == Bar{}
					if len(side.Values) == 0 || !noisy && !(side.Values.Min() > 0) {
						t.Errorf("%s: %s gave %v", r.What, side.Name, side.Values)
					}
				}
			}
		})
	}
}

// TestLimitsAlone shows that a run without Straw measures what it can.
func TestLimitsAlone(t *testing.T) {
	b, ctx := newTestBench(t)
	for _, row := range rows {
		if row.name != "live" && row.name != "open" {
			continue
		}
		results, err := row.run(b, ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if measured := len(r.Limit.Values) > 0; measured != (row.name == "live") || len(r.Straw.Values) > 0 || r.Pass != nil {
				t.Errorf("%s: the limit gave %v, Straw %v, the verdict is %q", r.What, r.Limit.Values, r.Straw.Values, r.verdict())
			}
		}
	}
}

func TestRunRefusesWhatItDoesntKnow(t *testing.T) {
	for _, args := range [][]string{{"-rows", "ingest,nonsense"}, {"-rounds", "x"}, {"surplus"}} {
		if _, err := parseFlags(args, testLog{t}); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
	s, err := parseFlags([]string{"-quick", "-rows", "ingest,replay", "-rounds", "3"}, os.Stderr)
	if err != nil || !s.quick || s.rounds != 3 || s.rows != "ingest,replay" {
		t.Errorf("got %+v, %v", s, err)
	}
}
