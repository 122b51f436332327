// Package conformance proves that the clients of all languages behave alike: it plays the cases of cases/, each in every
// language, against the real gateway, through a proxy that breaks connections, and prints what came of it as a table. It never
// looks into a client: a driver per language carries out what a case says with its client's public API. See README.md for
// what clients do and how drivers are told, script_test.go for how cases are written.
package conformance

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// scratch is a folder for what is built or made once.
var scratch string

func TestMain(m *testing.M) {
	flag.Parse()
	// Cases mostly wait, for heartbeats, deadlines and reconnections: more of them fit than there are processors.
	parallel := false
	flag.Visit(func(f *flag.Flag) { parallel = parallel || f.Name == "test.parallel" })
	if !parallel {
		must(flag.Set("test.parallel", "4"))
	}
	var err error
	scratch, err = os.MkdirTemp("", "straw-conformance-")
	must(err)
	defer func() { must(os.RemoveAll(scratch)) }()
	m.Run()
}

// must is for what goes wrong before there is a test that could fail.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// chosen returns the languages that STRAW_LANGUAGES names, separated by commas; all if it is empty.
func chosen(t *testing.T) []string {
	t.Helper()
	list := os.Getenv("STRAW_LANGUAGES")
	if list == "" {
		return languages
	}
	names := strings.Split(list, ",")
	for _, name := range names {
		if !slices.Contains(languages, name) {
			t.Fatalf("STRAW_LANGUAGES: there is no client for %q, only for %v", name, languages)
		}
	}
	return names
}

// TestConformance plays every case in every language: TestConformance/<language>/<case>.
func TestConformance(t *testing.T) {
	scripts, err := readScripts()
	if err != nil {
		t.Fatal(err)
	}
	flaws := readFlaws(t, scripts)
	// What needs the store that takes a minute comes last, when it is there.
	slices.SortStableFunc(scripts, func(a, b *script) int { return strings.Compare(a.Gateway, b.Gateway) })
	stage := &stage{startFiles(), startPassedStore(t.Context())}
	defer stage.files.Close()
	defer stage.passed.stop()
	results := &table{languages: chosen(t)}
	defer results.print(os.Stdout)
	for _, language := range results.languages {
		t.Run(language, func(t *testing.T) {
			path, err := buildDriver(t.Context(), language)
			for _, s := range scripts {
				t.Run(s.name, func(t *testing.T) {
					t.Parallel()
					failed := err
					if failed == nil {
						failed = stage.perform(t.Context(), s, path, t.TempDir())
					}
					results.add(s.name, language, failed)
					known := slices.ContainsFunc(flaws, func(f flaw) bool { return f.Language == language && f.Case == s.name })
					judge(t, s, failed, known)
				})
			}
		})
	}
}

// judge fails the test of a case that failed, or that passed although it is known to fail.
func judge(t *testing.T, s *script, failed error, known bool) {
	t.Helper()
	switch {
	case failed == nil && known:
		t.Error("this passes: remove it from known-failures.yaml")
	case failed != nil && !known:
		detail := ""
		if f, ok := errors.AsType[failure](failed); ok {
			detail = "\n" + f.report
		}
		t.Errorf("%s\n%v%s", s.About, failed, detail)
	}
}

// table collects what came of each case in each language. Safe for concurrent use.
type table struct {
	languages []string
	mu        sync.Mutex
	results   []result
}

type result struct {
	script, language string
	failed           error
}

func (r *table) add(script, language string, failed error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(r.results, result{script, language, failed})
}

// print writes a row for each case, a column for each language, and below them why what failed did.
func (r *table) print(w io.Writer) {
	var scripts []string
	widest := len("case")
	for _, result := range r.results {
		if !slices.Contains(scripts, result.script) {
			scripts = append(scripts, result.script)
			widest = max(widest, len(result.script))
		}
	}
	slices.Sort(scripts)
	row := func(name string, cells []string) {
		line := fmt.Sprintf("%-*s", widest, name)
		for i, cell := range cells {
			line += fmt.Sprintf("  %-*s", len(r.languages[i]), cell)
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
	row("case", r.languages)
	for _, s := range scripts {
		var cells []string
		for _, language := range r.languages {
			cells = append(cells, r.cell(s, language))
		}
		row(s, cells)
	}
	r.reasons(w)
}

// reasons writes why what failed did; what failed in one language for one reason stands together.
func (r *table) reasons(w io.Writer) {
	type failure struct{ language, reason string }
	var order []failure
	cases := map[failure][]string{}
	for _, result := range r.results {
		if result.failed == nil {
			continue
		}
		reason, _, _ := strings.Cut(result.failed.Error(), "\n")
		f := failure{result.language, reason}
		if cases[f] == nil {
			order = append(order, f)
		}
		cases[f] = append(cases[f], result.script)
	}
	for _, f := range order {
		fmt.Fprintf(w, "✗ %s, %s: %s\n", f.language, strings.Join(sorted(cases[f]), " "), f.reason)
	}
}

// cell is empty for a case that wasn't played.
func (r *table) cell(script, language string) string {
	for _, result := range r.results {
		if result.script == script && result.language == language {
			if result.failed != nil {
				return "✗"
			}
			return "✓"
		}
	}
	return ""
}
