package straw_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A client is linked into other people's programs: it takes nothing with it but gRPC, protobuf and the generated messages.
func TestImportsAreLight(t *testing.T) {
	light := []string{
		"google.golang.org/grpc", "google.golang.org/protobuf", "google.golang.org/genproto/googleapis/rpc",
		"github.com/straw-gateway/straw/gen/go/straw/v1",
	}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imported := range file.Imports {
			path, err := strconv.Unquote(imported.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(path, "/")
			allowed := slices.ContainsFunc(light, func(l string) bool { return path == l || strings.HasPrefix(path, l+"/") })
			if strings.Contains(first, ".") && !allowed {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}
