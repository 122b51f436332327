package filter

import (
	"fmt"
	"strings"

	"github.com/straw-gateway/straw/server/internal/event"
)

// maxTypos is how many slips make a misspelling; what is further away from every known name is taken as meant.
const maxTypos = 2

// A MisspelledError says that a type looks like a misspelled known one.
type MisspelledError struct {
	// Type is the name as given, or the pattern.
	Type string
	// Suggestion is the known name, or the pattern with a known prefix, that is nearest to it.
	Suggestion string
}

func (e *MisspelledError) Error() string {
	return fmt.Sprintf("no event of type %q is known or was ever seen; did you mean %q? Set allow_unseen_types if %[1]q is meant",
		e.Type, e.Suggestion)
}

// CheckNames refuses, with a *MisspelledError, an exact type or the prefix of a `.*` pattern that is neither known nor was
// ever seen, and that is within two slips (a letter added, left out, changed, or swapped with its neighbour) of a known one.
// The patterns must be ones that ParseTypes takes.
func CheckNames(patterns []string, seen *event.Types) error {
	for _, p := range patterns {
		if p == "*" {
			continue
		}
		prefix, isPrefix := strings.CutSuffix(p, ".*")
		if isPrefix {
			if near := nearest(prefix, prefixesOf(event.Known())); near != "" && !seenUnder(prefix+".", seen) {
				return &MisspelledError{Type: p, Suggestion: near + ".*"}
			}
		} else if near := nearest(p, event.Known()); near != "" {
			if _, ok := seen.Number(p); !ok {
				return &MisspelledError{Type: p, Suggestion: near}
			}
		}
	}
	return nil
}

// nearest returns the known name that is most like name; empty if name is itself known, or like none.
func nearest(name string, known []string) string {
	best, found := maxTypos+1, ""
	for _, k := range known {
		switch d := distance(name, k); {
		case d == 0:
			return ""
		case d < best:
			best, found = d, k
		}
	}
	return found
}

// prefixesOf returns what may stand before `.*` to match one of the names, the shortest first within a name.
func prefixesOf(names []string) []string {
	var prefixes []string
	for _, name := range names {
		for i, c := range name {
			if c == '.' {
				prefixes = append(prefixes, name[:i])
			}
		}
	}
	return prefixes
}

func seenUnder(prefix string, seen *event.Types) bool {
	for n := 1; n < seen.Len(); n++ {
		if strings.HasPrefix(seen.Name(event.TypeNumber(n)), prefix) {
			return true
		}
	}
	return false
}

// distance counts the slips between two names (Damerau-Levenshtein, each letter in at most one swap), and gives up with
// maxTypos+1 when their lengths tell that there are more.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	if max(len(s)-len(t), len(t)-len(s)) > maxTypos {
		return maxTypos + 1
	}
	before, last, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(s); i++ {
		row[0] = i
		for j := 1; j <= len(t); j++ {
			change := last[j-1]
			if s[i-1] != t[j-1] {
				change++
			}
			row[j] = min(last[j]+1, row[j-1]+1, change)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(t)]
}
