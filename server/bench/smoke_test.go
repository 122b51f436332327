package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// newTestBench returns a benchmark of tiny scale that measures the limits alone, and a context that bounds it.
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
	ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
	t.Cleanup(cancel)
	return b, ctx
}

type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Logf("%s", b)
	return len(b), nil
}

// TestRows runs every row at tiny scale against the limit programs, and checks that each limit gives a figure.
func TestRows(t *testing.T) {
	// The rows that have no limit program measure Straw alone.
	withoutLimit := map[string]bool{"stored": true, "open": true}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			b, ctx := newTestBench(t)
			results, err := row.run(b, ctx)
			if err != nil {
				t.Fatal(err)
			}
			if len(results) == 0 {
				t.Fatal("the row has no results")
			}
			for _, r := range results {
				// So short a run can find that a delivery costs less than nothing.
				sound := r.Limit.Values.Median() > 0 || row.name == "crowd"
				if !withoutLimit[row.name] && (len(r.Limit.Values) == 0 || !sound) {
					t.Errorf("%s: the limit %s gave %v", r.What, r.Limit.Name, r.Limit.Values)
				}
			}
			if left, err := filepath.Glob(filepath.Join(b.dir, "*", "LOCK")); err != nil || len(left) > len(b.kept) {
				t.Errorf("%d stores were left behind, error %v", len(left), err)
			}
		})
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
