package filter

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/straw-gateway/straw/server/internal/event"
)

func TestCheckNames(t *testing.T) {
	var seen event.Types
	for _, name := range []string{"export.reads", "serach.started", "profile.enriched"} {
		seen.Add(name)
	}
	tests := []struct {
		pattern, suggestion string // no suggestion: accepted
	}{
		{"*", ""},
		{"export.ready", ""},
		{"straw.export.stored", ""},
		{"export.raedy", "export.ready"},
		{"exportready", "export.ready"},
		{"xexport.readyx", "export.ready"},
		{"Export.Ready", "export.ready"},
		{"search.alerts", "search.alert"},
		{"straw.export.store", "straw.export.stored"},
		{"straw.unrecognised", "straw.unrecognized"},
		{"quota.warned", ""},     // three slips away: taken as meant
		{"export.reads", ""},     // seen
		{"profile.enriched", ""}, // seen, and like nothing known
		{"key.rotated", ""},
		{"dataset.*", ""},
		{"straw.*", ""},
		{"straw.export.*", ""},
		{"datasets.*", "dataset.*"},
		{"straw.exprot.*", "straw.export.*"},
		{"serach.*", ""}, // seen below it
		{"profile.*", ""},
		{"key.*", ""},
	}
	for _, tt := range tests {
		err := CheckNames([]string{"quota.warning", tt.pattern}, &seen)
		if tt.suggestion == "" {
			if err != nil {
				t.Errorf("CheckNames(%q): %v", tt.pattern, err)
			}
			continue
		}
		var wrong *MisspelledError
		if !errors.As(err, &wrong) || *wrong != (MisspelledError{Type: tt.pattern, Suggestion: tt.suggestion}) {
			t.Errorf("CheckNames(%q) = %v, want the suggestion %q", tt.pattern, err, tt.suggestion)
		}
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "a", 0}, {"ab", "ba", 1}, {"abc", "acb", 1}, {"abc", "ab", 1}, {"abc", "abcd", 1}, {"abc", "axc", 1},
		{"abcd", "badc", 2}, {"kitten", "sitting", 3}, {"äb", "bä", 1}, {"a", "abcd", 3}, {"a", "abcdefgh", 3},
	}
	for _, tt := range tests {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestEachSlipCountsOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := []rune(rapid.StringMatching(`[a-c.]{2,12}`).Draw(t, "word"))
		i := rapid.IntRange(0, len(word)-2).Draw(t, "at")
		slipped := append([]rune(nil), word...)
		switch rapid.IntRange(0, 3).Draw(t, "slip") {
		case 0:
			slipped = append(slipped[:i], slipped[i+1:]...)
		case 1:
			slipped[i] = 'x'
		case 2:
			slipped[i], slipped[i+1] = slipped[i+1], slipped[i]
		case 3:
			slipped = append(slipped[:i], append([]rune{'x'}, word[i:]...)...)
		}
		want := 1
		if string(word) == string(slipped) {
			want = 0
		}
		a, b := distance(string(word), string(slipped)), distance(string(slipped), string(word))
		if a != want || b != want {
			t.Fatalf("distance(%q, %q) = %d and %d the other way round, want %d", string(word), string(slipped), a, b, want)
		}
	})
}
