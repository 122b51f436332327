package blobtest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/straw-gateway/straw/server/internal/blob"
)

func storesAndReads(t *testing.T, h Harness) {
	blobs := open(t, h)
	for _, size := range []int64{
		0, 1, blob.ChunkSize - 1, blob.ChunkSize, blob.ChunkSize + 1, 3*blob.ChunkSize + 17,
		h.Checkpoint - 1, h.Checkpoint, h.Checkpoint + 1, 2*h.Checkpoint + 12_345,
	} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			name, want := named(fmt.Sprint("sized ", size)), content(1, size)
			stored := put(t, blobs, name, want)
			holds(t, blobs, name, want)
			got, err := blobs.Stat(t.Context(), name)
			if err != nil {
				t.Fatalf("stat: %v", err)
			}
			if diff := cmp.Diff(stored, got); diff != "" {
				t.Errorf("Stat against Commit (-want +got):\n%s", diff)
			}
		})
	}
}

func readsFromAnywhere(t *testing.T, h Harness) {
	blobs := open(t, h)
	name, want := named("ranges"), content(2, 5*blob.ChunkSize+99)
	put(t, blobs, name, want)
	r, err := blobs.Open(t.Context(), name)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer r.Close()
	check := func(offset, length int64) {
		t.Helper()
		if at, err := r.Seek(offset, io.SeekStart); err != nil || at != offset {
			t.Fatalf("Seek(%d) = %d, %v", offset, at, err)
		}
		got := make([]byte, length)
		n, err := io.ReadFull(r, got)
		end := min(offset+length, int64(len(want)))
		if !bytes.Equal(got[:n], want[min(offset, end):end]) {
			t.Fatalf("bytes %d to %d are wrong (%d read, %v)", offset, end, n, err)
		}
		if short := end < offset+length; short != (err != nil) {
			t.Fatalf("bytes %d to %d: %v", offset, offset+length, err)
		}
	}
	for _, edge := range []int64{0, 1, blob.ChunkSize - 1, blob.ChunkSize, blob.ChunkSize + 1, 5 * blob.ChunkSize, int64(len(want)) - 1, int64(len(want)), int64(len(want)) + 5} {
		for _, length := range []int64{1, 2, blob.ChunkSize, 2*blob.ChunkSize + 1} {
			check(edge, length)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		check(random.Int64N(int64(len(want))), 1+random.Int64N(2*blob.ChunkSize))
	}
	if at, err := r.Seek(-9, io.SeekEnd); err != nil || at != int64(len(want))-9 {
		t.Errorf("Seek from the end = %d, %v", at, err)
	}
	if at, err := r.Seek(4, io.SeekCurrent); err != nil || at != int64(len(want))-5 {
		t.Errorf("Seek from here = %d, %v", at, err)
	}
	if rest, err := io.ReadAll(r); err != nil || !bytes.Equal(rest, want[len(want)-5:]) {
		t.Errorf("the last five bytes are %x (%v), want %x", rest, err, want[len(want)-5:])
	}
	for _, bad := range []struct {
		offset int64
		whence int
	}{{-1, io.SeekStart}, {0, 7}} {
		if at, err := r.Seek(bad.offset, bad.whence); err == nil {
			t.Errorf("Seek(%d, %d) = %d, want an error", bad.offset, bad.whence, at)
		}
	}
	if err := r.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	_, err = r.Read(make([]byte, 1))
	fails(t, "read what was closed", err, fs.ErrClosed)
}

// servesRanges shows that the standard library's server can serve a Reader as it is.
func servesRanges(t *testing.T, h Harness) {
	blobs := open(t, h)
	name, want := named("served"), content(3, 2*blob.ChunkSize+1)
	put(t, blobs, name, want)
	handler := http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r, err := blobs.Open(request.Context(), name)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer r.Close()
		w.Header().Set("Content-Type", r.Info().Origin.ContentType)
		http.ServeContent(w, request, "", r.Info().StoreTime, r)
	})
	for header, part := range map[string][]byte{
		"":                want,
		"bytes=0-0":       want[:1],
		"bytes=262143-":   want[262143:],
		"bytes=-1":        want[len(want)-1:],
		"bytes=1000-9999": want[1000:10000],
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if header != "" {
			request.Header.Set("Range", header)
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		if !bytes.Equal(answer.Body.Bytes(), part) {
			t.Errorf("Range %q: status %d with %d bytes, want %d", header, answer.Code, answer.Body.Len(), len(part))
		}
	}
}

func missingIsNotFound(t *testing.T, h Harness) {
	blobs := open(t, h)
	_, err := blobs.Stat(t.Context(), named("missing"))
	fails(t, "stat", err, blob.ErrNotFound)
	_, err = blobs.Open(t.Context(), named("missing"))
	fails(t, "open", err, blob.ErrNotFound)
}

func lists(t *testing.T, h Harness) {
	blobs := open(t, h)
	want := map[blob.Name]int64{}
	for i := range int64(5) {
		name := named(fmt.Sprint("listed ", i))
		put(t, blobs, name, content(4, 1000*i))
		want[name] = 1000 * i
	}
	write(t, create(t, blobs, named("unfinished")), content(4, h.Checkpoint+1))
	if err := blobs.Delete(t.Context(), named("listed 0")); err != nil {
		t.Fatal(err)
	}
	delete(want, named("listed 0"))
	got := map[blob.Name]int64{}
	for entry, err := range blobs.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := got[entry.Name]; twice {
			t.Errorf("%s is listed twice", entry.Name)
		}
		if since := time.Since(entry.StoreTime); since < -time.Second || since > time.Minute {
			t.Errorf("%s was stored at %s, it says", entry.Name, entry.StoreTime)
		}
		got[entry.Name] = entry.Size
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	for entry, err := range blobs.List(t.Context()) {
		if _, ok := want[entry.Name]; err != nil || !ok {
			t.Errorf("%s is listed (%v)", entry.Name, err)
		}
		break // a listing that is left early must not disturb anything: the test ends with a check for leaks
	}
}

// detectsChangedBytes flips one bit at a time: whatever is read must be what was written, up to an error.
func detectsChangedBytes(t *testing.T, h Harness) {
	blobs := open(t, h)
	name, want := named("flipped"), content(5, 3*blob.ChunkSize+100)
	put(t, blobs, name, want)
	for _, at := range []int64{0, 1, blob.ChunkSize - 1, blob.ChunkSize, 2*blob.ChunkSize + 7, 3 * blob.ChunkSize, int64(len(want)) - 1} {
		flip := func(b []byte) []byte { b[at] ^= 0x10; return b }
		h.Damage(t, name, false, flip)
		r, err := blobs.Open(t.Context(), name)
		if err != nil {
			t.Fatalf("byte %d: open: %v", at, err)
		}
		got, err := io.ReadAll(r)
		fails(t, fmt.Sprintf("byte %d: read", at), err, blob.ErrCorrupt)
		if chunk := at / blob.ChunkSize * blob.ChunkSize; !bytes.Equal(got, want[:chunk]) {
			t.Errorf("byte %d: read %d bytes of SHA-256 %x before the error, want the %d before the chunk", at, len(got), sha256.Sum256(got), chunk)
		}
		_, err = r.Read(make([]byte, 1))
		fails(t, fmt.Sprintf("byte %d: read again", at), err, blob.ErrCorrupt)
		// The other chunks are as good as ever.
		good := (at/blob.ChunkSize + 1) % 4 * blob.ChunkSize
		if _, err := r.Seek(good, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		part := make([]byte, 100)
		if _, err := io.ReadFull(r, part); err != nil || !bytes.Equal(part, want[good:good+100]) {
			t.Errorf("byte %d: the chunk at %d can't be read: %v", at, good, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		h.Damage(t, name, false, flip)
	}
	holds(t, blobs, name, want)
}

func detectsMissingBytes(t *testing.T, h Harness) {
	blobs := open(t, h)
	want := content(6, 2*blob.ChunkSize)
	for what, change := range map[string]func([]byte) []byte{
		"a byte cut off":  func(b []byte) []byte { return b[:len(b)-1] },
		"a chunk cut off": func(b []byte) []byte { return b[:blob.ChunkSize] },
		"emptied":         func([]byte) []byte { return []byte{} },
		"a byte added":    func(b []byte) []byte { return append(b, 0) },
		"gone":            func([]byte) []byte { return nil },
	} {
		name := named(what)
		put(t, blobs, name, want)
		h.Damage(t, name, false, change)
		_, err := readAll(t, blobs, name)
		fails(t, what, err, blob.ErrCorrupt)
	}
}

func readAll(t *testing.T, blobs blob.Blobs, name blob.Name) ([]byte, error) {
	t.Helper()
	r, err := blobs.Open(t.Context(), name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func detectsAChangedManifest(t *testing.T, h Harness) {
	blobs := open(t, h)
	name, other := named("described"), named("another")
	put(t, blobs, name, content(7, 1000))
	put(t, blobs, other, content(8, 1000))
	var length int
	h.Damage(t, name, true, func(b []byte) []byte { length = len(b); return b })
	for at := range length {
		flip := func(b []byte) []byte { b[at] ^= 0x01; return b }
		h.Damage(t, name, true, flip)
		_, err := blobs.Stat(t.Context(), name)
		fails(t, fmt.Sprintf("byte %d", at), err, blob.ErrCorrupt)
		h.Damage(t, name, true, flip)
	}
	if _, err := blobs.Stat(t.Context(), name); err != nil {
		t.Errorf("put right again: %v", err)
	}
	var foreign []byte
	h.Damage(t, other, true, func(b []byte) []byte { foreign = bytes.Clone(b); return b })
	h.Damage(t, name, true, func([]byte) []byte { return foreign })
	_, err := blobs.Open(t.Context(), name)
	fails(t, "the manifest of another", err, blob.ErrCorrupt)
}
