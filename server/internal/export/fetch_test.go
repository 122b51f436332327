package export_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/blob/fileblob"
	"github.com/straw-gateway/straw/server/internal/export"
)

// openStore opens a store of files in a directory.
func openStore(t *testing.T, dir string) blob.Blobs {
	t.Helper()
	blobs, err := fileblob.Open(dir, fileblob.Options{Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := blobs.Close(); err != nil {
			t.Error(err)
		}
	})
	return blobs
}

// stored checks that the store has just these bytes under the name.
func stored(t *testing.T, blobs blob.Blobs, name blob.Name, want []byte) {
	t.Helper()
	r, err := blobs.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) || r.Info().SHA256 != sha256.Sum256(want) {
		t.Errorf("the store has %d bytes of %d (%v), info %+v", len(got), len(want), err, r.Info())
	}
}

// nothingLeft checks that the directory has no file but the lock.
func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Name() != "LOCK" {
			t.Errorf("%s is left", entry.Name())
		}
	}
}

func random(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{5}).Read(b) // never fails
	return b
}

// A fileServer serves content by ranges, and breaks off each answer after some bytes.
type fileServer struct {
	content  []byte
	etag     atomic.Value
	breakAt  atomic.Int64 // bytes after which an answer breaks off; 0: none does
	requests atomic.Int32
	sent     atomic.Int64
}

func (s *fileServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	w.Header().Set("ETag", s.etag.Load().(string))
	w.Header().Set("Content-Type", "text/csv")
	http.ServeContent(&breaking{w, s, s.breakAt.Load()}, r, "", time.Time{}, bytes.NewReader(s.content))
}

type breaking struct {
	http.ResponseWriter
	server *fileServer
	left   int64
}

func (b *breaking) Write(p []byte) (int, error) {
	if b.server.breakAt.Load() == 0 {
		b.server.sent.Add(int64(len(p)))
		return b.ResponseWriter.Write(p)
	}
	n, err := b.ResponseWriter.Write(p[:min(int64(len(p)), b.left)])
	b.server.sent.Add(int64(n))
	if b.left -= int64(n); b.left == 0 && err == nil {
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// TestFetchGoesOn: a download that breaks off again and again arrives whole, no byte sent much more than once, over
// restarts of the gateway too.
func TestFetchGoesOn(t *testing.T) {
	files := &fileServer{content: random(30 << 20)}
	files.etag.Store(`"v1"`)
	files.breakAt.Store(7 << 20)
	_, hostPort := serve(t, files.ServeHTTP)
	client := newClient(t, export.Options{}, hostPort)
	dir, name := t.TempDir(), blob.Name{1}
	for try := 1; ; try++ {
		blobs := openStore(t, dir)
		info, err := export.Fetch(t.Context(), client, blobs, name, link(hostPort))
		if err == nil {
			if info.Origin.ContentType != "text/csv" || info.Size != 30<<20 {
				t.Errorf("it is %+v", info)
			}
			stored(t, blobs, name, files.content)
			break
		}
		fails(t, err, export.ErrTemporary, "127.0.0.1")
		if try > 10 {
			t.Fatal("it gets no further")
		}
		if err := blobs.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if sent := files.sent.Load(); sent > 36<<20 {
		t.Errorf("%d MiB were sent for 30", sent>>20)
	}
	if n := files.requests.Load(); n < 4 {
		t.Errorf("only %d requests: nothing broke off", n)
	}
}

// TestFetchStartsOver when the file behind the link is another one now.
func TestFetchStartsOver(t *testing.T) {
	files := &fileServer{content: random(3 << 20)}
	files.etag.Store(`"v1"`)
	files.breakAt.Store(2 << 20)
	_, hostPort := serve(t, files.ServeHTTP)
	client, blobs := newClient(t, export.Options{}, hostPort), openStore(t, t.TempDir())
	_, err := export.Fetch(t.Context(), client, blobs, blob.Name{2}, link(hostPort))
	fails(t, err, export.ErrTemporary, "ended too early")
	files.etag.Store(`"v2"`)
	slices.Reverse(files.content)
	files.breakAt.Store(0)
	if _, err := export.Fetch(t.Context(), client, blobs, blob.Name{2}, link(hostPort)); err != nil {
		t.Fatal(err)
	}
	stored(t, blobs, blob.Name{2}, files.content)
}

// TestFetchOnce: what is stored isn't downloaded again, though the gateway may not know that it has it.
func TestFetchOnce(t *testing.T) {
	files := &fileServer{content: random(1000)}
	files.etag.Store(`"v1"`)
	_, hostPort := serve(t, files.ServeHTTP)
	client, blobs := newClient(t, export.Options{}, hostPort), openStore(t, t.TempDir())
	first, err := export.Fetch(t.Context(), client, blobs, blob.Name{3}, link(hostPort))
	if err != nil {
		t.Fatal(err)
	}
	second, err := export.Fetch(t.Context(), client, blobs, blob.Name{3}, link(hostPort))
	if err != nil || second.SHA256 != first.SHA256 {
		t.Errorf("the second time: %+v, %v", second, err)
	}
	if n := files.requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// TestFetchLeavesNothing of a download that failed for good.
func TestFetchLeavesNothing(t *testing.T) {
	gone := func(status int) func(t *testing.T) string {
		return func(t *testing.T) string {
			_, hostPort := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
			return hostPort
		}
	}
	for name, test := range map[string]struct {
		server  func(t *testing.T) string
		options export.Options
		kind    error
	}{
		"expired": {gone(http.StatusForbidden), export.Options{}, export.ErrLinkDead},
		"gone":    {gone(http.StatusGone), export.Options{}, export.ErrLinkDead},
		"announced": {func(t *testing.T) string {
			return speak(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n") })
		}, export.Options{}, export.ErrTooLarge},
		"endless": {func(t *testing.T) string {
			_, hostPort := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				for piece := random(1 << 20); ; {
					if _, err := w.Write(piece); err != nil {
						return
					}
				}
			})
			return hostPort
		}, export.Options{MaxBytes: 20 << 20}, export.ErrTooLarge},
		"drip": {drip, export.Options{Timeout: 200 * time.Millisecond}, export.ErrTooSlow},
	} {
		t.Run(name, func(t *testing.T) {
			hostPort, dir := test.server(t), t.TempDir()
			blobs := openStore(t, dir)
			_, err := export.Fetch(t.Context(), newClient(t, test.options, hostPort), blobs, blob.Name{4}, link(hostPort))
			fails(t, err, test.kind, "127.0.0.1")
			nothingLeft(t, dir)
		})
	}
	t.Run("denied", func(t *testing.T) {
		dir := t.TempDir()
		_, err := export.Fetch(t.Context(), newClient(t, export.Options{}), openStore(t, dir), blob.Name{4}, "http://127.0.0.1/?"+secret)
		fails(t, err, export.ErrDenied, "127.0.0.1")
		nothingLeft(t, dir)
	})
}

// TestFetchIsInterrupted: what a gateway that shuts down has is there for the next.
func TestFetchIsInterrupted(t *testing.T) {
	content := random(9 << 20)
	release := make(chan struct{})
	defer close(release)
	_, hostPort := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		if r.Header.Get("Range") != "" {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = w.Write(content[:5<<20])
		w.(http.Flusher).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	blobs := openStore(t, t.TempDir())
	client := newClient(t, export.Options{}, hostPort)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watched := &watched{Blobs: blobs, want: 5 << 20, reached: cancel}
	_, err := export.Fetch(ctx, client, watched, blob.Name{5}, link(hostPort))
	fails(t, err, export.ErrTemporary, "interrupted")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not the context's error", err)
	}
	if _, err := export.Fetch(t.Context(), client, blobs, blob.Name{5}, link(hostPort)); err != nil {
		t.Fatal(err)
	}
	stored(t, blobs, blob.Name{5}, content)
}

// watched is a store that tells when a writer has so many bytes.
type watched struct {
	blob.Blobs
	want    int64
	reached func()
}

func (w *watched) Create(ctx context.Context, name blob.Name) (blob.Writer, error) {
	writer, err := w.Blobs.Create(ctx, name)
	return &watchedWriter{writer, w}, err
}

type watchedWriter struct {
	blob.Writer
	watched *watched
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if w.Size() >= w.watched.want {
		w.watched.reached()
	}
	return n, err
}

// TestFetchTwiceAtOnce: the second is told that it runs.
func TestFetchTwiceAtOnce(t *testing.T) {
	blobs := openStore(t, t.TempDir())
	w, err := blobs.Create(t.Context(), blob.Name{6})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	_, err = export.Fetch(t.Context(), newClient(t, export.Options{}), blobs, blob.Name{6}, "https://files.juicebox.ai/?"+secret)
	if !errors.Is(err, blob.ErrBusy) || export.Permanent(err) || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v", err)
	}
}
