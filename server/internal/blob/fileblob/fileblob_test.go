package fileblob_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/blob/blobtest"
	"github.com/straw-gateway/straw/server/internal/blob/fileblob"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		writeForever(dir)
	}
	goleak.VerifyTestMain(m)
}

// noReserve lets tests run on a disk that is nearly full.
var noReserve = fileblob.Options{Reserve: -1}

func open(t testing.TB, dir string) *fileblob.Blobs {
	t.Helper()
	blobs, err := fileblob.Open(dir, noReserve)
	if err != nil {
		t.Fatal(err)
	}
	return blobs
}

func TestSuite(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blobtest.Harness {
		dir := t.TempDir()
		return blobtest.Harness{
			Open:       func(t testing.TB) blob.Blobs { return open(t, dir) },
			Left:       func(t testing.TB) []string { return files(t, dir) },
			Checkpoint: 8 << 20,
			Damage: func(t testing.TB, name blob.Name, manifest bool, change func([]byte) []byte) {
				suffix := ".data"
				if manifest {
					suffix = ".manifest"
				}
				damage(t, filepath.Join(dir, name.String()+suffix), change)
			},
		}
	})
}

func damage(t testing.TB, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b = change(b); b == nil {
		err = os.Remove(path)
	} else {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// files lists the directory, the lock left out.
func files(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "LOCK" })
}
