// Package blobtest is the suite that every engine of blobs passes. It knows an engine only through package blob, and through
// what a Harness can do to its storage from outside.
package blobtest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/straw-gateway/straw/server/internal/blob"
)

// A Harness is one storage, empty at first, and what can be done to it behind an engine's back.
type Harness struct {
	// Open opens an engine on the storage. Run closes it before it opens another.
	Open func(t testing.TB) blob.Blobs
	// Left lists what the storage holds: files, objects, unfinished uploads.
	Left func(t testing.TB) []string
	// Damage changes the bytes of a stored blob, or of its manifest, in the storage; nil removes them.
	Damage func(t testing.TB, name blob.Name, manifest bool, change func([]byte) []byte)
	// Checkpoint is how many bytes a crash may take from a partial.
	Checkpoint int64
}

// Run runs the suite; storage makes a new one.
func Run(t *testing.T, storage func(t *testing.T) Harness) {
	t.Helper()
	run(t, storage, []test{
		{"StoresAndReads", storesAndReads},
		{"ReadsFromAnywhere", readsFromAnywhere},
		{"ServesRangesOverHTTP", servesRanges},
		{"MissingIsNotFound", missingIsNotFound},
		{"ShowsNothingBeforeCommit", showsNothingBeforeCommit},
		{"WritesOnce", writesOnce},
		{"OneWriterAName", oneWriterAName},
		{"ManyWritersOfOneName", manyWriters},
		{"Resumes", resumes},
		{"Restarts", restarts},
		{"Discards", discards},
		{"Deletes", deletes},
		{"DeletesWhileRead", deletesWhileRead},
		{"Lists", lists},
		{"Sweeps", sweeps},
		{"DetectsChangedBytes", detectsChangedBytes},
		{"DetectsMissingBytes", detectsMissingBytes},
		{"DetectsAChangedManifest", detectsAChangedManifest},
		{"EndsWithItsContext", endsWithItsContext},
		{"EndsWithItsStore", endsWithItsStore},
		{"HoldsLittleMemory", holdsLittleMemory},
	})
}

// RunShared is for engines of which several may use one storage at once, as the gateways of a cluster do.
func RunShared(t *testing.T, storage func(t *testing.T) Harness) {
	t.Helper()
	run(t, storage, []test{
		{"RaceForOneName", race},
		{"ContinueOnePartial", continueOnePartial},
	})
}

type test struct {
	name string
	run  func(*testing.T, Harness)
}

func run(t *testing.T, storage func(t *testing.T) Harness, tests []test) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, storage(t)) })
	}
}

// origin is one with everything in it.
var origin = blob.Origin{ContentType: "text/csv; charset=utf-8", ContentEncoding: "gzip", ETag: `"5eb63bbb-7"`}

// named makes a name.
func named(what string) blob.Name { return sha256.Sum256([]byte(what)) }

// content makes n bytes that depend on the seed.
func content(seed byte, n int64) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b) // never fails
	return b
}

// open opens an engine for the length of the test.
func open(t *testing.T, h Harness) blob.Blobs {
	t.Helper()
	blobs := h.Open(t)
	t.Cleanup(func() {
		if err := blobs.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return blobs
}

func create(t *testing.T, blobs blob.Blobs, name blob.Name) blob.Writer {
	t.Helper()
	w, err := blobs.Create(t.Context(), name)
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("close the writer: %v", err)
		}
	})
	return w
}

// write writes in pieces that meet no boundary of the engine's.
func write(t *testing.T, w blob.Writer, b []byte) {
	t.Helper()
	if err := writeAll(w, b); err != nil {
		t.Fatal(err)
	}
}

func writeAll(w io.Writer, b []byte) error {
	const piece = 65_521 // a prime
	for len(b) > 0 {
		n, err := w.Write(b[:min(piece, len(b))])
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
		b = b[n:]
	}
	return nil
}

// put stores a blob and checks what Commit says of it.
func put(t *testing.T, blobs blob.Blobs, name blob.Name, b []byte) blob.Info {
	t.Helper()
	w := create(t, blobs, name)
	if err := w.Restart(origin); err != nil {
		t.Fatalf("restart: %v", err)
	}
	write(t, w, b)
	return commit(t, w, name, b)
}

func commit(t *testing.T, w blob.Writer, name blob.Name, b []byte) blob.Info {
	t.Helper()
	info, err := w.Commit()
	if err != nil {
		t.Fatalf("commit: %v", err)
	}
	if since := time.Since(info.StoreTime); since < 0 || since > time.Minute {
		t.Errorf("it says that it was stored at %s", info.StoreTime)
	}
	want := blob.Info{Name: name, Size: int64(len(b)), SHA256: sha256.Sum256(b), StoreTime: info.StoreTime, Origin: origin}
	if diff := cmp.Diff(want, info); diff != "" {
		t.Errorf("Commit (-want +got):\n%s", diff)
	}
	return info
}

// holds checks that the store has exactly these bytes under the name.
func holds(t *testing.T, blobs blob.Blobs, name blob.Name, want []byte) {
	t.Helper()
	r, err := blobs.Open(t.Context(), name)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("read %d bytes of SHA-256 %x, want %d of %x", len(got), sha256.Sum256(got), len(want), sha256.Sum256(want))
	}
	if info := r.Info(); info.Size != int64(len(want)) || info.SHA256 != sha256.Sum256(want) {
		t.Fatalf("the bytes are right, and the info is of others: %+v", info)
	}
}

// fails checks an error.
func fails(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

// nothingLeft checks that the storage is empty.
func nothingLeft(t *testing.T, h Harness) {
	t.Helper()
	if left := h.Left(t); len(left) > 0 {
		t.Errorf("the storage should be empty and holds %v", left)
	}
}
