package s3blob_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"
	"go.uber.org/goleak"

	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/blob/blobtest"
	"github.com/straw-gateway/straw/server/internal/blob/s3blob"
	"github.com/straw-gateway/straw/server/internal/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harnesses makes storages, each a bucket of its own, with and without a prefix by turns.
func harnesses(s *server) func(t *testing.T) blobtest.Harness {
	made := 0
	return func(t *testing.T) blobtest.Harness {
		t.Helper()
		made++
		bucket, prefix := fmt.Sprint("bucket-", made), []string{"", "some/exports/"}[made%2]
		s.makeBucket(t, bucket)
		return blobtest.Harness{
			Open:       func(t testing.TB) blob.Blobs { return s.open(t, bucket, prefix) },
			Left:       func(t testing.TB) []string { return s.left(t, bucket) },
			Checkpoint: 8 << 20,
			Damage: func(t testing.TB, name blob.Name, manifest bool, change func([]byte) []byte) {
				s.damage(t, bucket, prefix, name, manifest, change)
			},
		}
	}
}

func TestSuite(t *testing.T)       { blobtest.Run(t, harnesses(startServer(t))) }
func TestSuiteShared(t *testing.T) { blobtest.RunShared(t, harnesses(startServer(t))) }

func TestNoBucket(t *testing.T) {
	s := startServer(t)
	_, err := s3blob.Open(t.Context(), s.options("missing", ""))
	if err == nil || !strings.Contains(err.Error(), "bucket missing") || !strings.Contains(err.Error(), "create it") {
		t.Errorf("got %v", err)
	}
}

// TestOutage kills the server under a writer and a reader: both say that it is unavailable, and the blob is continued on a
// server that is back.
func TestOutage(t *testing.T) {
	s := startServer(t)
	s.makeBucket(t, "exports")
	blobs := s.open(t, "exports", "")
	defer blobs.Close()
	content := make([]byte, 20<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content) // never fails
	name := blob.Name{1}
	w, err := blobs.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content[:10<<20]); err != nil {
		t.Fatal(err)
	}
	s.stop(t)
	if _, err := w.Write(content[10<<20:]); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("write: %v", err)
	}
	if _, err := w.Commit(); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("commit: %v", err)
	}
	w.Close()
	if _, err := blobs.Stat(t.Context(), name); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("stat: %v", err)
	}
	s.start(t)
	if w, err = blobs.Create(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if w.Size() != 8<<20 {
		t.Fatalf("%d bytes are left, want the part that was up", w.Size())
	}
	if _, err := w.Write(content[w.Size():]); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	r, err := blobs.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
		t.Errorf("read %d bytes: %v", len(got), err)
	}
}

// TestCutWhileReading: a connection that breaks is no corruption, and reading goes on where it broke.
func TestCutWhileReading(t *testing.T) {
	s := startServer(t)
	s.makeBucket(t, "exports")
	content := make([]byte, 4<<20)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(content) // never fails
	blobs := s.open(t, "exports", "")
	defer blobs.Close()
	w, err := blobs.Create(t.Context(), blob.Name{2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	blobs.Close() // its connections, which the relay doesn't cut
	blobs = s.open(t, "exports", "")
	r, err := blobs.Open(t.Context(), blob.Name{2})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	blobs.Close()
	_, err = r.Read(make([]byte, 1))
	if !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("read of a closed store: %v", err)
	}

	s.relay.cutAfter(1 << 20)
	blobs = s.open(t, "exports", "")
	defer blobs.Close()
	if r, err = blobs.Open(t.Context(), blob.Name{2}); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got []byte
	cuts := 0
	for {
		part, err := io.ReadAll(r)
		got = append(got, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, event.ErrUnavailable) || errors.Is(err, blob.ErrCorrupt) {
			t.Fatalf("cut: %v", err)
		}
		if cuts++; cuts > 20 {
			t.Fatal("it gets no further")
		}
	}
	if cuts == 0 {
		t.Error("the relay cut nothing")
	}
	if !bytes.Equal(got, content) {
		t.Errorf("read %d other bytes", len(got))
	}
}

// TestSweepsOrphans: what a gateway left in its last seconds goes with age; what others keep in the bucket stays.
func TestSweepsOrphans(t *testing.T) {
	s := startServer(t)
	s.makeBucket(t, "exports")
	blobs := s.open(t, "exports", "straw/")
	defer blobs.Close()
	stored := blob.Name{3}
	w, err := blobs.Create(t.Context(), stored)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	want := append([]string{"notes.txt", "straw/notes.txt"}, s.left(t, "exports")...)

	client := minio.Core{Client: s.client(t)}
	put := func(key string) {
		if _, err := client.Client.PutObject(t.Context(), "exports", key, strings.NewReader("x"), 1, minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	put("notes.txt")
	put("straw/notes.txt")
	put("straw/" + stored.String() + "/data-lost-a-race")
	put("straw/" + stored.String() + "/partial")
	put("straw/" + blob.Name{4}.String() + "/data-unpublished")
	if _, err := client.NewMultipartUpload(t.Context(), "exports", "straw/"+blob.Name{5}.String()+"/data-unfinished", minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}

	before := s.left(t, "exports")
	if err := blobs.Sweep(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, s.left(t, "exports")); diff != "" {
		t.Errorf("what is younger than an hour was swept:\n%s", diff)
	}
	if err := blobs.Sweep(t.Context(), -time.Minute); err != nil {
		t.Fatal(err)
	}
	left := s.left(t, "exports")
	slices.Sort(left)
	slices.Sort(want)
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("swept (-want +left):\n%s", diff)
	}
}

func TestParse(t *testing.T) {
	for address, want := range map[string]s3blob.Options{
		"s3://exports": {Bucket: "exports", Endpoint: "https://s3.amazonaws.com"},
		"s3://exports/a/b/?endpoint=http://127.0.0.1:9000&region=eu-1": {Bucket: "exports", Prefix: "a/b/", Endpoint: "http://127.0.0.1:9000", Region: "eu-1"},
	} {
		got, err := s3blob.Parse(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", address, diff)
		}
	}
	for address, want := range map[string]string{
		"s3://":                                  "not of the form",
		"https://exports":                        "not of the form",
		"s3://exports#x":                         "not of the form",
		"s3://key:hush@exports":                  "AWS_ACCESS_KEY_ID",
		"s3://key:hush@ex ports":                 "not of the form",
		"s3://exports?endpont=https://h":         `no setting "endpont"`,
		"s3://exports?region=a&region=b":         "twice",
		"s3://exports?region=%zz":                "can't be read",
		"s3://exports?endpoint=localhost:9000":   "endpoint is not of the form",
		"s3://exports?endpoint=https://h/path":   "endpoint is not of the form",
		"s3://exports?endpoint=https://k:hush@h": "endpoint is not of the form",
	} {
		_, err := s3blob.Parse(address)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: got %v, want it to say %q, and no secret", address, err, want)
		}
	}
}
