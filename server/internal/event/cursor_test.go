package event_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/straw-gateway/straw/server/internal/event"
)

var identity = event.Identity{
	Store:   [8]byte{1, 2, 3, 4, 5, 6, 7, 8},
	Lineage: []event.Incarnation{{ID: [4]byte{1}, Last: 100}, {ID: [4]byte{2}, Last: 200}, {ID: [4]byte{3}}},
}

// at returns an identity that gave out cursors as the i-th incarnation.
func at(i int) event.Identity {
	return event.Identity{Store: identity.Store, Lineage: identity.Lineage[:i+1]}
}

func TestCursorNamesItsPosition(t *testing.T) {
	form := regexp.MustCompile(`^[A-Za-z0-9_-]{1,512}$`)
	for _, s := range []event.Sequence{0, 1, 255, 256, 1 << 40} {
		c := identity.Cursor(s)
		if !form.MatchString(c) || len(c) != event.CursorLen {
			t.Errorf("cursor %q of %d has the wrong form", c, s)
		}
		if got, err := identity.Position(c, 1<<40); err != nil || got != s {
			t.Errorf("Position(Cursor(%d)) = %d, %v", s, got, err)
		}
		if got := string(identity.AppendCursor([]byte("x"), s)); got != "x"+c {
			t.Errorf("AppendCursor = %q, want x%s", got, c)
		}
	}
}

func TestCursorIsRefusedWhereItDoesNotBelong(t *testing.T) {
	other := identity
	other.Store[0]++
	sibling := event.Identity{Store: identity.Store, Lineage: []event.Incarnation{{ID: [4]byte{9}}}}
	good := identity.Cursor(7)
	cases := []struct {
		name, cursor string
		want         error
	}{
		{"empty", "", event.ErrInvalidCursor},
		{"cut short", good[:31], event.ErrInvalidCursor},
		{"too long", good + "A", event.ErrInvalidCursor},
		{"not base64url", strings.Repeat("+", event.CursorLen), event.ErrInvalidCursor},
		{"mangled", "B" + good[1:], event.ErrInvalidCursor},
		{"another store's", other.Cursor(7), event.ErrForeignCursor},
		{"an unrelated copy's", sibling.Cursor(7), event.ErrForeignCursor},
		{"beyond the head", identity.Cursor(301), event.ErrCursorAhead},
		{"beyond what the first incarnation shares", at(0).Cursor(101), event.ErrCursorAhead},
		{"beyond what the second incarnation shares", at(1).Cursor(201), event.ErrCursorAhead},
	}
	for _, c := range cases {
		if _, err := identity.Position(c.cursor, 300); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

// TestMangledCursorsAreRefused: a cursor of which one character is another names no position, whichever it is.
func TestMangledCursorsAreRefused(t *testing.T) {
	good := []byte(identity.Cursor(7))
	for i, c := range good {
		mangled := slices.Clone(good)
		if mangled[i] = 'x'; c == 'x' {
			mangled[i] = 'y'
		}
		if s, err := identity.Position(string(mangled), 1<<62); !errors.Is(err, event.ErrInvalidCursor) {
			t.Errorf("%s instead of %s: %d, %v", mangled, good, s, err)
		}
	}
}

func TestCursorOfAnEarlierIncarnationStaysValid(t *testing.T) {
	for i, last := range []event.Sequence{100, 200, 300} {
		if got, err := identity.Position(at(i).Cursor(last), 300); err != nil || got != last {
			t.Errorf("incarnation %d: Position = %d, %v; want %d", i, got, err, last)
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add(identity.Cursor(1))
	f.Add("")
	f.Add(strings.Repeat("_", event.CursorLen))
	f.Fuzz(func(t *testing.T, cursor string) {
		s, err := identity.Position(cursor, 1000)
		if err != nil {
			return
		}
		if s > 1000 {
			t.Fatalf("accepted %d beyond the head", s)
		}
		for i := range identity.Lineage {
			if at(i).Cursor(s) == cursor {
				return
			}
		}
		t.Fatalf("accepted %q, which no incarnation gave out for %d", cursor, s)
	})
}

func BenchmarkAppendCursor(b *testing.B) {
	buf := make([]byte, 0, event.CursorLen)
	b.ReportAllocs()
	for i := range b.N {
		buf = identity.AppendCursor(buf[:0], event.Sequence(i))
	}
}
