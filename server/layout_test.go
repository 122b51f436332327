// Package server_test holds the house to its plan: which package may import which, and what stands at the top level.
package server_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/straw-gateway/straw/"

// floors is the import order, the lowest first. A package imports packages of lower floors only. A package that isn't named
// belongs to the nearest one above it that is (rest/docs to rest), and within one such household imports are free.
var floors = [][]string{
	{"server/internal/event", "server/internal/share"}, // share knows nothing of events; filter and all readers take turns of it
	{"server/internal/listen", "server/internal/signature", "server/internal/convert", "server/internal/filter", "server/internal/hostname", "server/internal/store", "server/internal/blob"},
	{
		"server/internal/store/storetest", "server/internal/store/pebblestore", "server/internal/store/natsstore",
		"server/internal/blob/blobtest", "server/internal/blob/fileblob", "server/internal/blob/s3blob",
		"server/internal/ingest", "server/internal/fanout", "server/internal/stream", "server/internal/export",
		"server/internal/juicebox", "server/internal/auth", "server/internal/inprocess",
	},
	{"server/internal/rpc", "server/internal/rest", "server/internal/observe"},
	{"server/internal/config"},
	{"server/internal/app"},
	{"server/internal/cli"},
	{"server/cmd/straw", "server/e2e", "server/bench", "server/mutants"},
}

// neighbours are the imports allowed on one floor, each with its reason.
var neighbours = map[[2]string]string{
	{"server/internal/stream", "server/internal/fanout"}:            "a reader at the head takes its events from the shared tail and is woken by it",
	{"server/internal/store/pebblestore", "server/internal/fanout"}: "a subscription at the head takes its events from the shared tail and is woken by it, as any reader",
	{"server/internal/juicebox", "server/internal/fanout"}:          "quota warnings are followed as any reader follows the log",
	{"server/internal/export", "server/internal/fanout"}:            "announcements are followed as any reader follows the log",
}

// only restricts a package to fewer of the project's own packages than its floor would allow, each with its reason.
var only = map[string]struct {
	imports []string
	reason  string
}{
	"server/internal/store/storetest": {[]string{"server/internal/store", "server/internal/event"}, "the suite knows the contract alone"},
	"server/internal/blob/blobtest":   {[]string{"server/internal/blob", "server/internal/event"}, "the suite knows the contract alone"},
	"server/internal/cli": {
		[]string{"server/internal/app", "server/internal/config", "server/internal/convert", "server/internal/event", "server/internal/signature"},
		"commands talk to a gateway through clients/go; serve and dev run one (app, config), trigger and webhook verify send, sign and verify what Juicebox would (convert's samples, event's types, signature)",
	},
	"server/cmd/straw": {[]string{"server/internal/cli"}, "main is a page"},
}

// clientUsers may import clients/go.
var clientUsers = []string{"server/internal/cli", "server/e2e", "server/bench"}

// statusUsers are the packages below server/internal that may speak of gRPC's status codes; the others return the domain's
// errors.
var statusUsers = []string{"server/internal/rpc", "server/internal/rest", "server/internal/inprocess", "server/internal/cli"}

func TestImportsRunDownward(t *testing.T) {
	imports := importsBelow(t, ".")
	if len(imports) == 0 {
		t.Fatal("found no package below server/: is the test run in server/?")
	}
	for _, pkg := range slices.Sorted(maps.Keys(imports)) {
		for _, imported := range imports[pkg] {
			if problem := judge(pkg, imported); problem != "" {
				t.Error(problem)
			}
		}
	}
}

// TestJudge shows the judge violations, and what looks like one.
func TestJudge(t *testing.T) {
	const in = "server/internal/"
	tests := []struct {
		name, pkg, imported string
		want                string // part of the problem; empty when there is none
	}{
		{"down", in + "ingest", in + "store", ""},
		{"up", in + "store", in + "ingest", "ingest stands above store"},
		{"across", in + "ingest", in + "fanout", "ingest and fanout stand on one floor"},
		{"across, allowed", in + "stream", in + "fanout", ""},
		{"across, the other way", in + "fanout", in + "stream", "stand on one floor"},
		{"an engine to its contract", in + "store/pebblestore", in + "store", ""},
		{"a contract to its engine", in + "store", in + "store/pebblestore", "stands above store"},
		{"within a household", in + "rest", in + "rest/docs", ""},
		{"a household is one", in + "rest/docs", in + "rpc", "stand on one floor"},
		{"the suite", in + "store/storetest", in + "convert", "the suite knows the contract alone"},
		{"observe to what it watches", in + "observe", in + "ingest", ""},
		{"observe from what it watches", in + "ingest", in + "observe", "observe stands above ingest"},
		{"generated code", in + "event", "gen/go/straw/v1", ""},
		{"the program goes around the client", in + "cli", in + "rpc", "talk to a gateway through clients/go"},
		{"the program through the client", in + "cli", "clients/go", ""},
		{"the server through the client", in + "export", "clients/go", "clients/go is for"},
		{"codes in the domain", in + "stream", "google.golang.org/grpc/codes", "status codes"},
		{"codes at the edge", in + "rpc", "google.golang.org/grpc/codes", ""},
		{"no room of the plan", in + "util", in + "event", "has no floor"},
		{"into no room of the plan", in + "rpc", in + "util", "has no floor"},
		{"foreign", in + "event", "google.golang.org/protobuf/proto", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			switch got := judge(test.pkg, test.imported); {
			case test.want == "" && got != "":
				t.Errorf("an allowed import was refused: %s", got)
			case !strings.Contains(got, test.want) || test.want != "" && got == "":
				t.Errorf("got %q, want it to say %q", got, test.want)
			}
		})
	}
}

// judge says what is wrong with pkg importing imported, and what to do; nothing when it may. Paths of the project's own are
// relative to the module.
func judge(pkg, imported string) string {
	home, floor := room(pkg)
	if floor < 0 {
		return fmt.Sprintf("%s has no floor: move it into a room of the plan, or name it in floors (server/layout_test.go) and in server/README.md", pkg)
	}
	if imported == "google.golang.org/grpc/codes" || imported == "google.golang.org/grpc/status" {
		if strings.HasPrefix(home, "server/internal/") && !slices.Contains(statusUsers, home) {
			return fmt.Sprintf("%s imports %s: status codes are for %v; return one of event's errors, or one of your own, and map it in rpc/errors.go", pkg, imported, statusUsers)
		}
	}
	if within(imported, "clients/go") && !slices.Contains(clientUsers, home) {
		return fmt.Sprintf("%s imports %s: clients/go is for %v; call the package itself", pkg, imported, clientUsers)
	}
	if !within(imported, "server") {
		return ""
	}
	return judgeOwn(pkg, home, floor, imported)
}

// judgeOwn judges an import from one package of server/ to another.
func judgeOwn(pkg, home string, floor int, imported string) string {
	importedHome, importedFloor := room(imported)
	rule, restricted := only[home]
	_, neighbour := neighbours[[2]string{home, importedHome}]
	switch {
	case importedFloor < 0:
		return fmt.Sprintf("%s imports %s, which has no floor: name it in floors (server/layout_test.go), or move it", pkg, imported)
	case home == importedHome || neighbour:
		return ""
	case restricted && !slices.Contains(rule.imports, importedHome):
		return fmt.Sprintf("%s imports %s, and may import only %v of this project: %s", pkg, imported, rule.imports, rule.reason)
	case importedFloor == floor:
		return fmt.Sprintf("%s imports %s: %s and %s stand on one floor; take an interface of your own and let app pass it in, or give the reason in neighbours (server/layout_test.go)",
			pkg, imported, filepath.Base(home), filepath.Base(importedHome))
	case importedFloor > floor:
		return fmt.Sprintf("%s imports %s: %s stands above %s, and imports run downward; move what is needed down, or take an interface and let app pass it in",
			pkg, imported, filepath.Base(importedHome), filepath.Base(home))
	}
	return ""
}

// room returns the package of the plan that pkg belongs to, and its floor; -1 when there is none.
func room(pkg string) (home string, floor int) {
	for ; pkg != "." && pkg != "/"; pkg = filepath.Dir(pkg) {
		for floor, names := range floors {
			if slices.Contains(names, pkg) {
				return pkg, floor
			}
		}
	}
	return "", -1
}

func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// importsBelow returns what each package below root imports, the project's own paths without the module. Tests are left out:
// they use whatever real thing they need, and the compiler refuses cycles.
func importsBelow(t *testing.T, root string) map[string][]string {
	t.Helper()
	imports := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == "testdata":
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(filepath.Join("server", filepath.Dir(path)))
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports[pkg] = append(imports[pkg], strings.TrimPrefix(imported, module))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("read the packages below server/: %v", err)
	}
	return imports
}

// topLevel is what stands at the top, files that begin with a dot aside.
var topLevel = []string{
	"proto", "gen", "server", "clients", "buf.yaml", "buf.gen.yaml", "Makefile", "go.mod", "go.sum",
	"README.md", "CHANGELOG.md", "LICENSE",
}

func TestTopLevelIsThePlan(t *testing.T) {
	command := exec.CommandContext(t.Context(), "git", "ls-files", "-z")
	command.Dir = ".."
	list, err := command.Output()
	if err != nil {
		t.Fatalf("list the files of the repository (the test needs a git checkout): %v", err)
	}
	if extra := strangers(strings.Split(strings.TrimSuffix(string(list), "\x00"), "\x00")); len(extra) > 0 {
		t.Errorf("at the top level, and not in the plan: %v; move it below proto, server or clients", extra)
	}
}

func TestStrangers(t *testing.T) {
	got := strangers([]string{".ci/run", "Makefile", "docs/a.md", "docs/b.md", "proto/straw/v1/event.proto", "notes.txt"})
	if diff := cmp.Diff([]string{"docs", "notes.txt"}, got); diff != "" {
		t.Errorf("strangers (-want +got):\n%s", diff)
	}
}

// strangers returns the top-level entries of files that aren't in the plan.
func strangers(files []string) []string {
	var extra []string
	for _, file := range files {
		entry, _, _ := strings.Cut(file, "/")
		if !strings.HasPrefix(entry, ".") && !slices.Contains(topLevel, entry) && !slices.Contains(extra, entry) {
			extra = append(extra, entry)
		}
	}
	return extra
}
