package pebblestore

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

func TestRecentForgetsWhatIsInTables(t *testing.T) {
	r := newRecent()
	key := func(i int) []byte { return fmt.Append(nil, "id", i) }
	for i := 1; i <= 3*generationIDs; i++ {
		if r.full() {
			r.forget(0) // nothing is flushed yet
		}
		r.add(key(i), event.Sequence(i))
	}
	for _, i := range []int{1, generationIDs, 2 * generationIDs, 3 * generationIDs} {
		if !r.has(key(i)) {
			t.Errorf("id %d is forgotten although it lies in a memtable", i)
		}
	}
	if r.has(key(0)) {
		t.Error("it remembers what it was never told")
	}
	r.forget(2*generationIDs - 1) // the second generation's last is one further
	if r.has(key(1)) || !r.has(key(generationIDs+1)) || !r.has(key(3*generationIDs)) {
		t.Error("it forgot another generation than the first")
	}
}

// TestDuplicatesAreFoundWhereverTheyLie repeats events that lie in tables, in memtables, and in both after a restart.
func TestDuplicatesAreFoundWhereverTheyLie(t *testing.T) {
	fs := vfs.NewMem()
	l := openTest(t, fs)
	const n = 300
	for i := range n {
		if i == n/2 {
			if err := l.db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		mustAppend(t, l, i, false)
	}
	if flushed, err := flushedHead(l.db); err != nil || flushed != n/2 {
		t.Fatalf("the tables end at %d, %v; want %d", flushed, err, n/2)
	}
	for i := range n {
		mustAppend(t, l, i, true)
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = openTest(t, fs)
		for i := range n {
			mustAppend(t, l, i, true)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func openTest(t *testing.T, fs vfs.FS) *Log {
	t.Helper()
	l, err := Open("store", Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustAppend(t *testing.T, l *Log, i int, duplicate bool) {
	t.Helper()
	d := &event.Draft{Source: event.SourceJuicebox, ID: fmt.Sprint("evt_", i), Type: event.TypeSearchAlert, Encoded: []byte{}}
	r, err := l.Append(t.Context(), d)
	if err != nil || r.Duplicate != duplicate || r.Seq != event.Sequence(i+1) {
		t.Fatalf("appending event %d gave %+v, %v", i, r, err)
	}
}
