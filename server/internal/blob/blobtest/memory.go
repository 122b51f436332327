package blobtest

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/straw-gateway/straw/server/internal/blob"
)

// Big is the size of a blob that must not be held in memory, and Ceiling what writing or reading it may take, in bytes.
const (
	Big     = 256 << 20
	Ceiling = 32 << 20
)

// holdsLittleMemory stores and reads a blob many times as large as the memory allowed for it.
func holdsLittleMemory(t *testing.T, h Harness) {
	blobs := open(t, h)
	name := named("big")
	sum := sha256.New()
	w := create(t, blobs, name)
	watch := watchHeap()
	source := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{9}), Big), sum)
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(w, watch)}, source, make([]byte, 64<<10)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	watch.check(t, "writing")

	r, err := blobs.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	watch = watchHeap()
	read := sha256.New()
	if n, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(read, watch)}, r, make([]byte, 64<<10)); err != nil || n != Big {
		t.Fatalf("read %d bytes: %v", n, err)
	}
	watch.check(t, "reading")
	if !bytes.Equal(sum.Sum(nil), read.Sum(nil)) {
		t.Error("other bytes were read than written")
	}
}

// A heap is written to along with the blob and looks at the live heap each 8 MiB.
type heap struct {
	began, peak uint64
	unseen      int
}

func watchHeap() *heap {
	began := liveHeap()
	return &heap{began: began, peak: began}
}

func (h *heap) Write(p []byte) (int, error) {
	if h.unseen += len(p); h.unseen >= 8<<20 {
		h.unseen = 0
		h.peak = max(h.peak, liveHeap())
	}
	return len(p), nil
}

func liveHeap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func (h *heap) check(t *testing.T, what string) {
	t.Helper()
	grew := int64(h.peak - h.began)
	t.Logf("%s %d MiB held %d KiB", what, Big>>20, grew>>10)
	if grew > Ceiling {
		t.Errorf("%s %d MiB held %d MiB, more than %d", what, Big>>20, grew>>20, Ceiling>>20)
	}
}

func contains(entry string, name blob.Name) bool { return strings.Contains(entry, name.String()) }
