package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// testTimeout is how long a mutant's test may take, building aside, where it doesn't say otherwise.
const testTimeout = 3 * time.Minute

// A mutant is one change, and the test that must fail with it.
type mutant struct {
	// Name says what the gateway would do then.
	Name string
	// File is the source file, from the repository's root. Old is the text to be replaced, which is there exactly once.
	File, Old, New string
	// Package is the folder of the test's package, and Run what `go test -run` takes. Each of its tests should fail with the
	// change, but one is enough.
	Package, Run string
	// Timeout is how long the test may take. Hangs says that it notices by never ending: then running out of time kills.
	Timeout time.Duration
	Hangs   bool
}

// load reads the list at a path below root, in full or not at all.
func load(root, path string) ([]mutant, error) {
	content, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return nil, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	var all []mutant
	if err := decoder.Decode(&all); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	names := map[string]bool{}
	for i := range all {
		m := &all[i]
		switch {
		case m.Name == "" || m.File == "" || m.Old == "" || m.Package == "" || m.Run == "":
			return nil, fmt.Errorf("%s: mutant %d (%q) needs a name, file, old, package and run", path, i+1, m.Name)
		case m.Old == m.New:
			return nil, fmt.Errorf("%s: %q changes nothing", path, m.Name)
		case names[m.Name]:
			return nil, fmt.Errorf("%s: %q is there twice", path, m.Name)
		}
		names[m.Name] = true
		if m.Timeout == 0 {
			m.Timeout = testTimeout
		}
	}
	return all, nil
}

// apply returns the file's content with the change.
func (m mutant) apply(root string) (string, error) {
	content, err := os.ReadFile(filepath.Join(root, m.File))
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(content), m.Old); n != 1 {
		return "", fmt.Errorf("%q is in %s %d times instead of once: bring the mutant up to date", m.Old, m.File, n)
	}
	return strings.Replace(string(content), m.Old, m.New, 1), nil
}
