package main

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const root = "../.."

// TestMutantsAreCurrent: each mutant applies to the source as it is, and there is a test of the name that is to kill it.
// `make mutants` shows that it does.
func TestMutantsAreCurrent(t *testing.T) {
	all, err := load(root, list)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if _, err := m.apply(root); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
		for name := range strings.SplitSeq(m.Run, "|") {
			name, _, _ = strings.Cut(name, "/")
			if want, err := regexp.Compile(name); err != nil || !hasTest(t, m.Package, want) {
				t.Errorf("%s: %s has no test like %q (%v)", m.Name, m.Package, name, err)
			}
		}
	}
}

func hasTest(t *testing.T, folder string, name *regexp.Regexp) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") && name.MatchString(f.Name.Name) {
				return true
			}
		}
	}
	return false
}

// TestMutantsCompile makes as many mutants at once as don't get in each other's way, for one that doesn't compile shows
// nothing.
func TestMutantsCompile(t *testing.T) {
	all, err := load(root, list)
	if err != nil {
		t.Fatal(err)
	}
	for len(all) > 0 {
		files, left := together(t, all)
		if err := compile(t, files); err != nil {
			t.Errorf("of mutants made together, one doesn't compile; if it does alone, move it away from its neighbours: %v", err)
		}
		all = left
	}
}

// together makes mutants of one content, as far as each still applies after those before it.
func together(t *testing.T, all []mutant) (files map[string]string, left []mutant) {
	t.Helper()
	files = map[string]string{}
	for _, m := range all {
		content, ok := files[m.File]
		if !ok {
			read, err := os.ReadFile(filepath.Join(root, m.File))
			if err != nil {
				t.Fatal(err)
			}
			content = string(read)
		}
		if strings.Count(content, m.Old) != 1 {
			if !ok {
				t.Fatalf("%s doesn't apply", m.Name)
			}
			left = append(left, m)
			continue
		}
		files[m.File] = strings.Replace(content, m.Old, m.New, 1)
	}
	return files, left
}

func compile(t *testing.T, files map[string]string) error {
	t.Helper()
	l := &laboratory{root: root}
	overlay, remove, err := l.overlay(files)
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	var packages []string
	for name := range files {
		packages = append(packages, "./"+path.Dir(name))
	}
	return l.build(t.Context(), overlay, packages...)
}

// TestExamine shows the laboratory each kind of mutant.
func TestExamine(t *testing.T) {
	l := &laboratory{root: module(t)}
	double := mutant{Name: "double", File: "a/a.go", Old: "2 * n", New: "3 * n", Package: "a", Run: "TestDouble", Timeout: time.Minute}
	tests := []struct {
		name   string
		change func(*mutant)
		want   verdict
		detail string
	}{
		{"noticed", func(*mutant) {}, killed, ""},
		{"not noticed", func(m *mutant) { m.New = "n * 2" }, survived, "passes"},
		{"noticed by another test", func(m *mutant) { m.Run = "TestNothing" }, survived, "passes"},
		{"doesn't compile", func(m *mutant) { m.New = "2 * m" }, invalid, "undefined: m"},
		{"is not there", func(m *mutant) { m.Old = "4 * n" }, invalid, "0 times"},
		{"is there twice", func(m *mutant) { m.Old = "n" }, invalid, "instead of once"},
		{"no such test", func(m *mutant) { m.Run = "TestOther" }, invalid, "no test ran"},
		{"a test that is skipped", func(m *mutant) { m.Run = "TestSkipped" }, invalid, "no test ran"},
		{"a test that fails anyway", func(m *mutant) { m.Run = "TestBroken" }, invalid, "without the change"},
		{"a test that never ends", func(m *mutant) { m.New, m.Timeout = "forever()", time.Second }, survived, "didn't end"},
		{"a test that should never end", func(m *mutant) { m.New, m.Timeout, m.Hangs = "forever()", time.Second, true }, killed, ""},
		{"a test that builds it itself", func(m *mutant) { m.Run = "TestBuilt" }, killed, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := double
			test.change(&m)
			l.sound = nil
			got, detail, err := l.examine(t.Context(), m)
			if err != nil || got != test.want || !strings.Contains(detail, test.detail) {
				t.Errorf("got %s (%s, error %v), want %s with %q", got, detail, err, test.want, test.detail)
			}
		})
	}
	if content, err := os.ReadFile(filepath.Join(l.root, "a/a.go")); err != nil || string(content) != source {
		t.Errorf("the source is now %q (%v)", content, err)
	}
}

// TestTry: whoever runs the mutants is told of each, and that one survived.
func TestTry(t *testing.T) {
	l := &laboratory{root: module(t)}
	good := mutant{Name: "noticed", File: "a/a.go", Old: "2 * n", New: "3 * n", Package: "a", Run: "TestDouble", Timeout: time.Minute}
	var out strings.Builder
	if err := l.try(t.Context(), []mutant{good}, &out); err != nil || !strings.HasSuffix(out.String(), "1 killed, 0 survived, 0 invalid\n") {
		t.Errorf("one that is killed: %v, %s", err, &out)
	}
	bad := good
	bad.Name, bad.New = "overlooked", "n + n"
	out.Reset()
	if err := l.try(t.Context(), []mutant{good, bad}, &out); err == nil || !regexp.MustCompile(`(?m)^SURVIVED .* overlooked$`).MatchString(out.String()) {
		t.Errorf("one that survives: %v, %s", err, &out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.try(ctx, []mutant{good}, io.Discard); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("interrupted: %v", err)
	}
}

func TestBadListsAreRefused(t *testing.T) {
	const good = "- {name: a, file: f, old: o, new: n, package: p, run: r}\n"
	for content, want := range map[string]string{
		good:                                 "",
		good + good:                          "twice",
		"- {name: a, color: red}\n":          "color",
		"- {name: a, file: f, old: o}\n":     "needs a name",
		strings.Replace(good, "o,", "n,", 1): "changes nothing",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "list"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := load(dir, "list")
		if want == "" && err == nil {
			if diff := cmp.Diff([]mutant{{Name: "a", File: "f", Old: "o", New: "n", Package: "p", Run: "r", Timeout: testTimeout}}, all); diff != "" {
				t.Errorf("the list (-want +got):\n%s", diff)
			}
			continue
		}
		if err == nil || want == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", content, err, want)
		}
	}
	if _, err := load(t.TempDir(), "list"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no list: %v", err)
	}
}

const source = `package a

func Double(n int) int { return 2 * n }

func forever() int { select {} }
`

const tests = `package a

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestDouble(t *testing.T) {
	if Double(2) != 4 {
		t.Error("not double")
	}
}

func TestNothing(t *testing.T) {}

func TestSkipped(t *testing.T) { t.Skip() }

func TestBroken(t *testing.T) { t.Error("broken") }

func TestBuilt(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "double")
	if out, err := exec.Command("go", "build", "-o", bin, "../double").CombinedOutput(); err != nil {
		t.Skipf("build: %v %s", err, out)
	}
	cmd := exec.Command(bin)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
}
`

const program = `package main

import (
	"os"

	"example.com/m/a"
)

func main() {
	if a.Double(2) != 4 {
		os.Exit(1)
	}
}
`

// module writes a module of two packages, one of them with tests.
func module(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.26\n", "a/a.go": source, "a/a_test.go": tests, "double/main.go": program,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
