package filter

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestPatterns(t *testing.T) {
	tests := []struct {
		patterns []string
		yes, no  []string
	}{
		{nil, []string{"export.ready", "straw.export.stored", "a", ""}, nil},
		{[]string{"*"}, []string{"export.ready", "straw.export.stored", "a"}, nil},
		{[]string{"export.ready"}, []string{"export.ready"}, []string{"export.ready.now", "export", "export.read", "Export.ready"}},
		{[]string{"straw.*"}, []string{"straw.export.stored", "straw.unrecognized", "straw.x"}, []string{"straw", "straw.", "strawberry.x", "a.straw.b"}},
		{[]string{"straw.export.*"}, []string{"straw.export.stored"}, []string{"straw.exports", "straw.export", "straw.unrecognized"}},
		{[]string{"dataset.*", "export.ready"}, []string{"dataset.updated", "export.ready"}, []string{"quota.warning"}},
		{[]string{"weiß.geändert"}, []string{"weiß.geändert"}, []string{"weiss.geändert"}},
	}
	for _, tt := range tests {
		types, err := ParseTypes(tt.patterns)
		if err != nil {
			t.Errorf("ParseTypes(%q): %v", tt.patterns, err)
			continue
		}
		for _, name := range tt.yes {
			if !types.Match(name) {
				t.Errorf("%q don't match %q", tt.patterns, name)
			}
		}
		for _, name := range tt.no {
			if types.Match(name) {
				t.Errorf("%q match %q", tt.patterns, name)
			}
		}
	}
}

func TestInvalidPatterns(t *testing.T) {
	for _, pattern := range []string{"", ".*", "*.ready", "export*", "ex*port.ready", "**", "*.*", "export.*.ready", "export.**", "a\nb", "a\x00.*"} {
		_, err := ParseTypes([]string{"export.ready", pattern})
		var wrong *PatternError
		if !errors.As(err, &wrong) || wrong.Pattern != pattern || wrong.Problem == "" {
			t.Errorf("ParseTypes(%q) = %v, want a *PatternError that names it", pattern, err)
		}
	}
}

func TestPatternsAreCanonical(t *testing.T) {
	types, err := ParseTypes([]string{"b.*", "a", "b.*", "a"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b.*"}, types.Patterns()); diff != "" {
		t.Errorf("patterns (-want +got):\n%s", diff)
	}
	if types, _ = ParseTypes([]string{"a", "*"}); !types.All() || len(types.Patterns()) != 0 {
		t.Errorf("a `*` among patterns gives %q, want everything", types.Patterns())
	}
}

// referenceMatch says the same by segments, one pattern after the other.
func referenceMatch(patterns []string, name string) bool {
	if len(patterns) == 0 {
		return true
	}
	return slices.ContainsFunc(patterns, func(p string) bool {
		if p == "*" {
			return true
		}
		want, got := strings.Split(p, "."), strings.Split(name, ".")
		if want[len(want)-1] != "*" {
			return slices.Equal(want, got)
		}
		want = want[:len(want)-1]
		return len(got) > len(want) && slices.Equal(want, got[:len(want)]) && strings.Join(got[len(want):], ".") != ""
	})
}

func TestPatternsAgreeWithTheReference(t *testing.T) {
	segments := rapid.SampledFrom([]string{"a", "b", "ab", ""})
	name := rapid.Map(rapid.SliceOfN(segments, 1, 4), func(s []string) string { return strings.Join(s, ".") })
	pattern := rapid.OneOf(name, rapid.Map(name, func(s string) string { return s + ".*" }), rapid.Just("*"))
	rapid.Check(t, func(t *rapid.T) {
		patterns := rapid.SliceOfN(pattern, 0, 3).Draw(t, "patterns")
		types, err := ParseTypes(patterns)
		if err != nil {
			t.Skip("refused:", err)
		}
		n := name.Draw(t, "name")
		if got, want := types.Match(n), referenceMatch(patterns, n); got != want {
			t.Fatalf("%q on %q: %v, want %v", patterns, n, got, want)
		}
	})
}

func FuzzParseTypes(f *testing.F) {
	f.Add("export.ready", "dataset.*", "export.ready")
	f.Add("*", "", "a")
	f.Add("straw.export.*", "straw.*", "straw.export.stored")
	f.Fuzz(func(t *testing.T, a, b, name string) {
		types, err := ParseTypes([]string{a, b})
		if err != nil {
			var wrong *PatternError
			if !errors.As(err, &wrong) || (wrong.Pattern != a && wrong.Pattern != b) {
				t.Fatalf("ParseTypes(%q, %q) = %v, want a *PatternError that names one of them", a, b, err)
			}
			return
		}
		if got, want := types.Match(name), referenceMatch([]string{a, b}, name); got != want {
			t.Fatalf("%q, %q on %q: %v, want %v", a, b, name, got, want)
		}
		again, err := ParseTypes(types.Patterns())
		if err != nil || !slices.Equal(again.Patterns(), types.Patterns()) {
			t.Fatalf("%q aren't canonical: %q, %v", types.Patterns(), again.Patterns(), err)
		}
	})
}
