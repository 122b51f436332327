package config

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write REFERENCE.md anew")

// REFERENCE.md is what the fields say: go test ./server/internal/config -update
func TestReferenceIsCurrent(t *testing.T) {
	const path = "REFERENCE.md"
	if *update {
		if err := os.WriteFile(path, []byte(Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), Reference()); diff != "" {
		t.Errorf("%s is out of date; run the test with -update:\n%s", path, diff)
	}
}

// Each field is documented in full.
func TestFieldsAreDocumented(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Fields() {
		if f.Name == "" || f.Kind == "" || f.Help == "" || len(f.Env) == 0 || f.Env[0] == "" {
			t.Errorf("%+v lacks something", f)
		}
		for _, name := range append(f.Env, f.Name) {
			if seen[name] {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
		}
	}
}
