package server_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// packages are the folders of the packages whose tests FAULTS.md names, each by its last part; client is the Go client.
var packages = map[string]string{
	"blob": "internal/blob", "client": "../clients/go", "config": "internal/config", "convert": "internal/convert", "e2e": "e2e",
	"event": "internal/event", "export": "internal/export", "fanout": "internal/fanout", "fileblob": "internal/blob/fileblob",
	"filter": "internal/filter", "ingest": "internal/ingest", "ledger": "internal/store/pebblestore/ledger", "observe": "internal/observe",
	"pebblestore": "internal/store/pebblestore", "rest": "internal/rest", "rpc": "internal/rpc", "s3blob": "internal/blob/s3blob",
	"listen": "internal/listen", "share": "internal/share", "signature": "internal/signature", "stream": "internal/stream", "app": "internal/app", "cli": "internal/cli",
}

// suites are where the cases of a package's tests may stand beside its own files.
var suites = map[string][]string{
	"pebblestore": {"internal/store/storetest"},
	"fileblob":    {"internal/blob/blobtest"},
	"s3blob":      {"internal/blob/blobtest"},
}

// pending are the rows that nothing holds yet, each with the words that FAULTS.md has for it.
var pending = map[int]string{
	47: "comes with authentication", 48: "comes with authentication", 49: "comes with authentication", 50: "comes with authentication",
	76: "not held yet",
	78: "not held yet",
}

var (
	faultRow = regexp.MustCompile(`(?m)^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$`)
	quoted   = regexp.MustCompile("`([^`]+)`")
)

// TestFaults: FAULTS.md has every row, and each names tests that are there and that run.
func TestFaults(t *testing.T) {
	content, err := os.ReadFile("FAULTS.md")
	if err != nil {
		t.Fatal(err)
	}
	var numbers []int
	for _, row := range faultRow.FindAllStringSubmatch(string(content), -1) {
		n, err := strconv.Atoi(row[1])
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, n)
		named := quoted.FindAllStringSubmatch(row[4], -1)
		switch why, waits := pending[n]; {
		case waits && strings.TrimSpace(row[4]) != why:
			t.Errorf("row %d has %q for tests, and %q in pending (faults_test.go): if tests hold it now, remove it there", n, row[4], why)
		case !waits && len(named) == 0:
			t.Errorf("row %d names no test", n)
		}
		for _, name := range named {
			if problem := missing(t, name[1]); problem != "" {
				t.Errorf("row %d names %s: %s", n, name[1], problem)
			}
		}
	}
	var want []int
	for n := 1; n <= 78; n++ {
		if n < 55 || n > 61 { // those are a cluster's
			want = append(want, n)
		}
	}
	if !slices.Equal(numbers, want) {
		t.Errorf("the rows are %v, want %v", numbers, want)
	}
}

// missing says what is wrong with a test that the table names; empty if nothing is.
func missing(t *testing.T, name string) string {
	t.Helper()
	if strings.Contains(name, "/") && strings.HasPrefix(name, "clients/") || strings.HasSuffix(name, ".txtar") {
		path, function, _ := strings.Cut(name, ":")
		content, err := os.ReadFile(filepath.Join("..", path))
		if err != nil || !strings.Contains(string(content), function) {
			return "there is no such file, or it lacks that name"
		}
		return ""
	}
	pkg, function, ok := strings.Cut(name, ".")
	folder, known := packages[pkg]
	if !ok || !known {
		return "it is neither package.Test of a package in packages (faults_test.go) nor a file"
	}
	function, subtest, _ := strings.Cut(function, "/")
	found, skips := testIn(t, folder, function)
	switch {
	case !found:
		return "there is no such test"
	case skips:
		return "it may be skipped, and then holds nothing"
	case subtest != "" && !hasCase(t, append(suites[pkg], folder), subtest):
		return "it has no such case"
	}
	return ""
}

// testIn looks for a test function in a folder, and whether it can skip.
func testIn(t *testing.T, folder, name string) (found, skips bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || f.Name.Name != name {
				continue
			}
			found = true
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok && strings.HasPrefix(s.Sel.Name, "Skip") {
					if x, ok := s.X.(*ast.Ident); ok && x.Name == "t" {
						skips = true
					}
				}
				return true
			})
		}
	}
	return found, skips
}

// hasCase looks for a case's name, in which `go test` writes underscores for spaces, among the strings of the files.
func hasCase(t *testing.T, folders []string, name string) bool {
	t.Helper()
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(strings.ReplaceAll(string(content), " ", "_"), strconv.Quote(name)) {
				return true
			}
		}
	}
	return false
}

// TestMissing shows that the names are looked at.
func TestMissing(t *testing.T) {
	for name, want := range map[string]string{
		"pebblestore.TestPowerCut":                                        "",
		"pebblestore.TestPowerCat":                                        "no such test",
		"pebblestore.TestSubscriptions/a_seek_back":                       "no such case",
		"pebblestore.TestSubscriptions/a_seek_back_owes_everything_again": "",
		"fileblob.TestSuite/Sweeps":                                       "",
		"nowhere.TestPowerCut":                                            "neither",
		"TestPowerCut":                                                    "neither",
		"clients/conformance/cases/cut.yaml":                              "",
		"clients/conformance/cases/cut.yaml:no_such_name":                 "lacks",
		"clients/conformance/cases/none.yaml":                             "no such file",
		"server/e2e/cli_dev.txtar":                                        "",
	} {
		if got := missing(t, name); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want it to say %q", name, got, want)
		}
	}
}
