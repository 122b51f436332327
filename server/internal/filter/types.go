package filter

import (
	"fmt"
	"slices"
	"strings"
)

// Types is a set of event types, given by patterns. The zero value holds every type.
type Types struct {
	patterns []string // sorted, without repeats; nil holds every type
	exact    map[string]struct{}
	prefixes []string // each with its dot: `dataset.*` is "dataset."
}

// A PatternError says what is wrong with a type pattern.
type PatternError struct {
	Pattern string
	Problem string
}

func (e *PatternError) Error() string {
	return fmt.Sprintf("the type pattern %q %s; write an exact type such as `export.ready`, a prefix such as `dataset.*`, or `*`",
		e.Pattern, e.Problem)
}

// ParseTypes reads patterns: an exact type, `*`, or a prefix with a trailing `.*` that stands for one or more segments. No
// pattern at all is every type. It fails with a *PatternError.
func ParseTypes(patterns []string) (Types, error) {
	for _, p := range patterns {
		if problem := patternProblem(p); problem != "" {
			return Types{}, &PatternError{Pattern: p, Problem: problem}
		}
	}
	if slices.Contains(patterns, "*") {
		return Types{}, nil
	}
	return newTypes(slices.Compact(slices.Sorted(slices.Values(patterns)))), nil
}

func newTypes(patterns []string) Types {
	t := Types{patterns: patterns, exact: make(map[string]struct{}, len(patterns))}
	for _, p := range patterns {
		if prefix, ok := strings.CutSuffix(p, "*"); ok {
			t.prefixes = append(t.prefixes, prefix)
		} else {
			t.exact[p] = struct{}{}
		}
	}
	return t
}

func patternProblem(p string) string {
	switch {
	case p == "*":
		return ""
	case p == "":
		return "is empty"
	case p == ".*":
		return "has nothing before its dot"
	case strings.ContainsFunc(p, isControl):
		return "contains a control character"
	case strings.Contains(strings.TrimSuffix(p, ".*"), "*"):
		return "has a `*` that is not the whole of it and not its last segment"
	}
	return ""
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// All reports whether the set holds every type.
func (t Types) All() bool { return len(t.patterns) == 0 }

// Patterns returns the patterns sorted and without repeats; none if the set holds every type. Don't change them.
func (t Types) Patterns() []string { return t.patterns }

// Match reports whether the set holds the type.
func (t Types) Match(name string) bool {
	if t.All() {
		return true
	}
	if _, ok := t.exact[name]; ok {
		return true
	}
	for _, prefix := range t.prefixes {
		if len(name) > len(prefix) && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
