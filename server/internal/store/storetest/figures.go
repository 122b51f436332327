package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

func testCursors(t *testing.T, h Harness) {
	l := h.Open(t, Setup{})
	id := l.Identity()
	if id.Store == ([8]byte{}) || len(id.Lineage) == 0 {
		t.Fatalf("the store's identity is %+v", id)
	}
	mustAppend(t, l, draft(1))
	cursor, ahead := id.Cursor(1), id.Cursor(2)
	closeLog(t, l)
	l = open(t, h, Setup{})
	diff(t, "identity", id, l.Identity())
	if seq, err := l.Identity().Position(cursor, l.Bounds().Head); err != nil || seq != 1 {
		t.Fatalf("the cursor of 1 is at %d, %v", seq, err)
	}
	if _, err := l.Identity().Position(ahead, l.Bounds().Head); !errors.Is(err, event.ErrCursorAhead) {
		t.Fatalf("a cursor beyond the head: %v", err)
	}
}

func testTypes(t *testing.T, h Harness) {
	l := h.Open(t, Setup{})
	names := []string{"b", "a", "c.d", event.TypeUnrecognized, ""}
	for round := range 2 {
		for i, name := range names {
			mustAppend(t, l, makeDraft(fmt.Sprintf("%d-%d", round, i), name, epoch, nil))
		}
	}
	numbers := map[string]event.TypeNumber{}
	for _, name := range names {
		n, ok := l.Types().Number(name)
		if !ok || n == 0 || l.Types().Name(n) != name {
			t.Fatalf("%q has number %d, which is %q", name, n, l.Types().Name(n))
		}
		numbers[name] = n
	}
	closeLog(t, l)
	l = open(t, h, Setup{})
	mustAppend(t, l, makeDraft("new", "new", epoch, nil))
	for name, n := range numbers {
		if again, _ := l.Types().Number(name); again != n {
			t.Errorf("%q had number %d and has %d", name, n, again)
		}
	}
	if l.Types().Len() != len(names)+2 {
		t.Errorf("%d types are known", l.Types().Len()-1)
	}
}

func testManyTypes(t *testing.T, h Harness) {
	l := h.Open(t, Setup{})
	var all []*event.Draft
	const extra = 50
	for n := range event.MaxTypes + extra {
		all = append(all, makeDraft(fmt.Sprint(n), fmt.Sprintf("type.%d", n), epoch, nil))
	}
	for _, d := range all[:event.MaxTypes] {
		mustAppend(t, l, d)
		if _, ok := l.Types().Number(d.Type); !ok {
			t.Fatalf("%s has no number", d.Type)
		}
	}
	for _, d := range all[event.MaxTypes:] {
		mustAppend(t, l, d)
		if _, ok := l.Types().Number(d.Type); ok {
			t.Fatalf("%s has a number", d.Type)
		}
	}
	for range 2 {
		checkRead(t, l, 0, all)
		got := readAll(t, l, 0, func(n event.TypeNumber) bool { return n == 0 })
		if len(got) != extra || got[0].Type != all[event.MaxTypes].Type {
			t.Fatalf("%d events have a type without a number", len(got))
		}
		if s := l.Stats(); s.ByType[0] != extra || sum(s.ByType) != int64(len(all)) {
			t.Fatalf("%d types without a number of %d were counted", s.ByType[0], sum(s.ByType))
		}
		closeLog(t, l)
		l = h.Open(t, Setup{})
	}
	closeLog(t, l)
}

func testStats(t *testing.T, h Harness) {
	l := h.Open(t, Setup{})
	all := mixed(0, 1500)
	all = append(all, unrecognized("u1", "custom.type", epoch, []byte("1")), unrecognized("u2", event.TypeUnrecognized, epoch, []byte("2")))
	appendAll(t, l, all)
	checkReceiptKind(t, l, all[0], false)
	checkReceiptKind(t, l, makeDraft(all[1].ID, "t", epoch, []byte("other")), true)
	checkStats(t, l, all, 2)
	if s := l.Stats(); s.Duplicates != 2 || s.Conflicts != 1 || s.Problem != "" {
		t.Fatalf("the stats are %+v", s)
	}
	closeLog(t, l)
	l = open(t, h, Setup{})
	checkStats(t, l, all, 2)
	if s := l.Stats(); s.Duplicates != 0 || s.Conflicts != 0 || s.SizeBytes <= 0 {
		t.Fatalf("after opening again the stats are %+v", s)
	}
}

func checkReceiptKind(t TB, l store.Log, d *event.Draft, conflict bool) {
	t.Helper()
	r, err := l.Append(context.Background(), d)
	if err != nil || !r.Duplicate || r.Conflict != conflict {
		t.Fatalf("append %s: %+v, %v", d.ID, r, err)
	}
}

// checkStats compares the counts with what was appended.
func checkStats(t TB, l store.Log, all []*event.Draft, unrecognized int64) {
	t.Helper()
	want := map[string]int64{}
	for _, d := range all {
		want[d.Type]++
	}
	s, got := l.Stats(), map[string]int64{}
	for n, count := range s.ByType {
		if count != 0 {
			got[l.Types().Name(event.TypeNumber(n))] = count
		}
	}
	diff(t, "counts by type", want, got)
	if s.Unrecognized != unrecognized {
		t.Fatalf("%d unrecognized, want %d", s.Unrecognized, unrecognized)
	}
}
