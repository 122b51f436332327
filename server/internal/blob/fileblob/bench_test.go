package fileblob_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"testing"

	"github.com/straw-gateway/straw/server/internal/blob"
)

const benchSize = 64 << 20

// BenchmarkWrite stores blobs of 64 MiB in pieces of 32 KiB, as a download does, fsyncs and SHA-256 included.
func BenchmarkWrite(b *testing.B) {
	blobs := open(b, b.TempDir())
	defer blobs.Close()
	piece := make([]byte, 32<<10)
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for i := range b.N {
		w, err := blobs.Create(b.Context(), sha256.Sum256(fmt.Append(nil, i)))
		if err != nil {
			b.Fatal(err)
		}
		for range benchSize / len(piece) {
			if _, err := w.Write(piece); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := w.Commit(); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := blobs.Delete(b.Context(), sha256.Sum256(fmt.Append(nil, i))); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkRead reads a blob of 64 MiB in pieces of 32 KiB, checksums included, from the page cache.
func BenchmarkRead(b *testing.B) {
	blobs := open(b, b.TempDir())
	defer blobs.Close()
	w, err := blobs.Create(b.Context(), blob.Name{})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := w.Write(make([]byte, benchSize)); err != nil {
		b.Fatal(err)
	}
	if _, err := w.Commit(); err != nil {
		b.Fatal(err)
	}
	piece := make([]byte, 32<<10)
	b.SetBytes(benchSize)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		r, err := blobs.Open(b.Context(), blob.Name{})
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, piece); err != nil || n != benchSize {
			b.Fatal(n, err)
		}
		r.Close()
	}
}
