// Package filter decides which events a reader wants: by patterns over the type, and by a CEL expression over the event.
// A Selection holds both. Whether a type is wanted is answered by its number, without the event; the expression needs the
// event unpacked, and is asked only about events of a wanted type.
//
// It never reads the log, and never changes an event. What it refuses, it says in words for the author of the filter.
package filter

import (
	"strings"
	"sync/atomic"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
)

// A Selection is what a reader wants of a log. Safe for concurrent use; selections with one Key choose alike and may be
// shared.
type Selection struct {
	types   Types
	program *Program // nil: every event of the types
	table   *event.Types
	// known and wanted are bits by type number, set once each type is first asked about. A type's known bit is set last.
	known, wanted bits
}

type bits [event.MaxTypes/64 + 1]atomic.Uint64

// New makes a selection of type patterns and a filter; no patterns, and an empty filter, choose everything. table is the
// log's growing table of types. It fails as ParseTypes and Compile do.
func New(patterns []string, source string, table *event.Types) (*Selection, error) {
	types, err := ParseTypes(patterns)
	if err != nil {
		return nil, err
	}
	s := &Selection{types: types, table: table}
	if source != "" {
		if s.program, err = Compile(source); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Key tells selections apart: two with the same key choose the same events, whatever order and repeats their patterns had.
func (s *Selection) Key() string {
	// Patterns hold no line feed and are never empty, so the first empty line ends them.
	return strings.Join(s.types.Patterns(), "\n") + "\n\n" + s.source()
}

func (s *Selection) source() string {
	if s.program == nil {
		return ""
	}
	return s.program.Source()
}

// AllTypes reports whether the selection has no patterns. It may still have a filter.
func (s *Selection) AllTypes() bool { return s.types.All() }

// Filters reports whether the selection has a filter, so that Match needs the event.
func (s *Selection) Filters() bool { return s.program != nil }

// Wants reports whether the selection takes events of a type. A type beyond the table has no number: for zero the answer is
// unknown, and WantsType must be asked with the name that the event holds.
func (s *Selection) Wants(n event.TypeNumber) (wanted, unknown bool) {
	if s.types.All() {
		return true, false
	}
	if n == 0 || n > event.MaxTypes {
		return false, true
	}
	word, bit := n/64, uint64(1)<<(n%64)
	if s.known[word].Load()&bit == 0 {
		return s.learn(n, word, bit)
	}
	return s.wanted[word].Load()&bit != 0, false
}

func (s *Selection) learn(n, word event.TypeNumber, bit uint64) (wanted, unknown bool) {
	name := s.table.Name(n)
	if name == "" {
		return false, true
	}
	if wanted = s.types.Match(name); wanted {
		s.wanted[word].Or(bit)
	}
	s.known[word].Or(bit)
	return wanted, false
}

// MayWant is Wants for skipping what is surely not wanted, as store.Log.Read asks it: it takes the unknown.
func (s *Selection) MayWant(n event.TypeNumber) bool {
	wanted, unknown := s.Wants(n)
	return wanted || unknown
}

// WantsType reports whether the selection takes events of the type with this name.
func (s *Selection) WantsType(name string) bool { return s.types.Match(name) }

// Match reports whether the filter is true for an event of a wanted type; true without a filter. An error is a non-match
// to be counted, as of Program.Match.
func (s *Selection) Match(e *strawv1.Event) (bool, error) {
	if s.program == nil {
		return true, nil
	}
	return s.program.Match(e)
}
