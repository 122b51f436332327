package filter

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/straw-gateway/straw/server/internal/event"
)

func TestWantsByNumber(t *testing.T) {
	var table event.Types
	ready, _ := table.Add("export.ready")
	s, err := New([]string{"export.*", "quota.warning"}, "", &table)
	if err != nil {
		t.Fatal(err)
	}
	check := func(n event.TypeNumber, wantWanted, wantUnknown bool) {
		t.Helper()
		for range 2 { // asked first, and remembered
			if wanted, unknown := s.Wants(n); wanted != wantWanted || unknown != wantUnknown {
				t.Errorf("Wants(%d) = %v, %v, want %v, %v", n, wanted, unknown, wantWanted, wantUnknown)
			}
			if may := s.MayWant(n); may != (wantWanted || wantUnknown) {
				t.Errorf("MayWant(%d) = %v", n, may)
			}
		}
	}
	check(ready, true, false)
	check(0, false, true)
	check(ready+1, false, true) // not given yet
	alert, _ := table.Add("search.alert")
	check(alert, false, false)
	quota, _ := table.Add("quota.warning")
	check(quota, true, false)
	check(event.MaxTypes+1, false, true)
	if !s.WantsType("export.ready") || s.WantsType("search.alert") {
		t.Error("WantsType differs from Wants")
	}
}

func TestWantsEverything(t *testing.T) {
	s, err := New([]string{"*"}, "", new(event.Types))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []event.TypeNumber{0, 1, event.MaxTypes, event.MaxTypes + 1} {
		if wanted, unknown := s.Wants(n); !wanted || unknown {
			t.Errorf("Wants(%d) = %v, %v, want true", n, wanted, unknown)
		}
	}
	if !s.AllTypes() || s.Filters() {
		t.Error("it should take all types and have no filter")
	}
	if matched, err := s.Match(quotaWarning(nil)); !matched || err != nil {
		t.Errorf("Match = %v, %v, want true without a filter", matched, err)
	}
}

func TestWantsWhileTheTableGrows(t *testing.T) {
	var table event.Types
	s, err := New([]string{"even.*"}, "", &table)
	if err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for n := event.TypeNumber(1); n <= event.MaxTypes; {
				wanted, unknown := s.Wants(n)
				if unknown {
					continue
				}
				if wanted != (n%2 == 0) {
					t.Errorf("Wants(%d) = %v", n, wanted)
				}
				n++
			}
		})
	}
	for n := 1; n <= event.MaxTypes; n++ {
		table.Add(fmt.Sprintf("%s.%d", []string{"even", "odd"}[n%2], n))
	}
	readers.Wait()
}

func TestKey(t *testing.T) {
	key := func(patterns []string, source string) string {
		t.Helper()
		s, err := New(patterns, source, new(event.Types))
		if err != nil {
			t.Fatal(err)
		}
		return s.Key()
	}
	same := [][2]string{
		{key(nil, ""), key([]string{"*"}, "")},
		{key([]string{"a", "b.*"}, ""), key([]string{"b.*", "a", "a"}, "")},
		{key([]string{"a", "*"}, "true"), key(nil, "true")},
	}
	for i, pair := range same {
		if pair[0] != pair[1] {
			t.Errorf("%d: %q and %q differ", i, pair[0], pair[1])
		}
	}
	distinct := []string{
		key(nil, ""), key([]string{"true"}, ""), key(nil, "true"), key([]string{"a"}, "true"), key([]string{"a", "true"}, ""),
		key([]string{"a"}, "\n\ntrue"), key([]string{"a.*"}, "true"),
	}
	seen := map[string]int{}
	for i, k := range distinct {
		if j, ok := seen[k]; ok {
			t.Errorf("%d and %d share the key %q", i, j, k)
		}
		seen[k] = i
	}
}

func TestSelectionFilters(t *testing.T) {
	s, err := New([]string{event.TypeQuotaWarning}, `event.quota_warning.usage_percent > 90`, new(event.Types))
	if err != nil {
		t.Fatal(err)
	}
	if s.AllTypes() || !s.Filters() {
		t.Error("it should have types and a filter")
	}
	for percent, want := range map[float64]bool{95: true, 5: false} {
		if matched, err := s.Match(quotaWarning(new(percent))); err != nil || matched != want {
			t.Errorf("at %v %%: %v, %v, want %v", percent, matched, err, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	if s, err := New([]string{"a*"}, "", nil); s != nil || !errors.As(err, new(*PatternError)) {
		t.Errorf("a wrong pattern gives %v, %v", s, err)
	}
	if s, err := New(nil, "event.tipe == ''", nil); s != nil || !errors.As(err, new(*SyntaxError)) {
		t.Errorf("a wrong filter gives %v, %v", s, err)
	}
}

func TestSelectionIsSafeForConcurrentUse(t *testing.T) {
	s, err := New(nil, `event.quota_warning.usage_percent > 90 && event.id.matches('^evt')`, new(event.Types))
	if err != nil {
		t.Fatal(err)
	}
	e := quotaWarning(proto.Float64(95)) // shared, as decoded events are
	var users sync.WaitGroup
	for range 4 {
		users.Go(func() {
			for range 200 {
				if matched, err := s.Match(e); !matched || err != nil {
					t.Errorf("Match = %v, %v", matched, err)
				}
			}
		})
	}
	users.Wait()
}

func BenchmarkWants(b *testing.B) {
	var table event.Types
	n, _ := table.Add("export.ready")
	s, err := New([]string{"export.*"}, "", &table)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if wanted, _ := s.Wants(n); !wanted {
			b.Fatal("not wanted")
		}
	}
}
