package blob_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/straw-gateway/straw/server/internal/blob"
)

func TestNamesAreHashesOnly(t *testing.T) {
	name := blob.Name{1, 2, 0xab}
	if got, ok := blob.ParseName(name.String()); !ok || got != name {
		t.Errorf("ParseName(%s) = %s, %v", name, got, ok)
	}
	text := name.String()
	for _, bad := range []string{"", text[1:], text + "0", strings.ToUpper(text), "../" + text[3:], strings.Repeat("g", 64), text[:62] + "\n\n"} {
		if got, ok := blob.ParseName(bad); ok || got != (blob.Name{}) {
			t.Errorf("ParseName(%q) = %s, %v", bad, got, ok)
		}
	}
}

// TestDigestContinues: however bytes are cut, and wherever the digest goes through its JSON, the manifest is the same.
func TestDigestContinues(t *testing.T) {
	content := make([]byte, 3*blob.ChunkSize+1)
	for i := range content {
		content[i] = byte(i * 7 >> 3)
	}
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(0, len(content)).Draw(t, "size")
		whole, pieces := blob.NewDigest(), blob.NewDigest()
		whole.Add(content[:size])
		for rest := content[:size]; len(rest) > 0; {
			n := min(len(rest), rapid.IntRange(1, blob.ChunkSize+1).Draw(t, "piece"))
			pieces.Add(rest[:n])
			rest = rest[n:]
			if rapid.Bool().Draw(t, "stored") {
				b, err := json.Marshal(pieces)
				if err != nil {
					t.Fatal(err)
				}
				pieces = new(blob.Digest)
				if err := json.Unmarshal(b, pieces); err != nil {
					t.Fatal(err)
				}
			}
		}
		origin := blob.Origin{ContentType: "text/csv", ETag: `"x"`}
		want, got := blob.NewManifest(blob.Name{1}, whole, origin, "there"), blob.NewManifest(blob.Name{1}, pieces, origin, "there")
		got.StoreTime = want.StoreTime
		encodedWant, err := want.Encode()
		if err != nil {
			t.Fatal(err)
		}
		encodedGot, err := got.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(encodedWant), string(encodedGot)); diff != "" {
			t.Fatalf("manifests (-whole +pieces):\n%s", diff)
		}
		decoded, err := blob.DecodeManifest(blob.Name{1}, encodedGot)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Info, decoded.Info); diff != "" || decoded.Data != "there" {
			t.Fatalf("decoded (-want +got):\n%s", diff)
		}
	})
}

// TestManifestsThatContradictThemselves have a right checksum all the same.
func TestManifestsThatContradictThemselves(t *testing.T) {
	name := blob.Name{1}
	digest := blob.NewDigest()
	digest.Add([]byte("hello"))
	good, err := blob.NewManifest(name, digest, blob.Origin{}, "").Encode()
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := bytes.Cut(good, []byte("\n"))
	for what, change := range map[string][2]string{
		"another name":     {name.String(), blob.Name{2}.String()},
		"another size":     {`"size":5`, `"size":500000`},
		"a negative size":  {`"size":5`, `"size":-5`},
		"other chunks":     {`"chunk_size":262144`, `"chunk_size":1`},
		"no SHA-256":       {`"sha256":"2c`, `"sha256":"`},
		"no checksums":     {`"crc32c":"`, `"crc":"`},
		"a size in quotes": {`"size":5`, `"size":"5"`},
	} {
		changed := strings.Replace(string(line), change[0], change[1], 1)
		if changed == string(line) {
			t.Fatalf("%s: %s has no %s", what, line, change[0])
		}
		sealed, err := blob.Seal(json.RawMessage(changed))
		if err != nil {
			t.Fatal(err)
		}
		if m, err := blob.DecodeManifest(name, sealed); !errors.Is(err, blob.ErrCorrupt) {
			t.Errorf("%s: got %+v, %v", what, m.Info, err)
		}
	}
	for _, junk := range []string{"", "\n", "{}", "{}\n", "{}\n00000000\n", string(good[:len(good)-1]), string(good) + "\n"} {
		if m, err := blob.DecodeManifest(name, []byte(junk)); !errors.Is(err, blob.ErrCorrupt) {
			t.Errorf("%q: got %+v, %v", junk, m.Info, err)
		}
	}
}

// A source gives out a content in pieces of odd sizes, and fails once where it is told to.
type source struct {
	content []byte
	failAt  int64 // the offset from which a stream fails; negative: none does
	streams int
	closed  int
}

var errFault = errors.New("fault")

func (s *source) From(_ context.Context, offset int64) (io.ReadCloser, error) {
	s.streams++
	var r io.Reader = bytes.NewReader(s.content[offset:])
	if s.failAt >= offset {
		r = io.MultiReader(io.LimitReader(r, s.failAt-offset), iotest.ErrReader(errFault))
		s.failAt = -1
	}
	return io.NopCloser(iotest.HalfReader(r)), nil
}

func (s *source) Close() error { s.closed++; return nil }

// TestReaderGoesOnAfterAFault: a stream that broke is opened again where it is needed, and reading straight on needs just one.
func TestReaderGoesOnAfterAFault(t *testing.T) {
	content := bytes.Repeat([]byte("abc"), blob.ChunkSize)
	digest := blob.NewDigest()
	digest.Add(content)
	for failAt, streams := range map[int64]int{-1: 1, 0: 2, 10: 2, blob.ChunkSize: 2, 2*blob.ChunkSize + 1: 2} {
		s := &source{content: content, failAt: failAt}
		r := blob.NewReader(t.Context(), blob.NewManifest(blob.Name{1}, digest, blob.Origin{}, ""), s)
		got, err := io.ReadAll(r)
		if failAt >= 0 {
			if !errors.Is(err, errFault) || errors.Is(err, blob.ErrCorrupt) {
				t.Errorf("fault at %d: %v", failAt, err)
			}
			rest, again := io.ReadAll(r)
			got, err = append(got, rest...), again
		}
		if err != nil || !bytes.Equal(got, content) || s.streams != streams {
			t.Errorf("fault at %d: read %d bytes of %d from %d streams: %v", failAt, len(got), len(content), s.streams, err)
		}
		for range 2 {
			if err := r.Close(); err != nil || s.closed != 1 {
				t.Errorf("closed %d times: %v", s.closed, err)
			}
		}
	}
}

func TestReaderEndsWithItsContext(t *testing.T) {
	digest := blob.NewDigest()
	digest.Add([]byte("hello"))
	ctx, cancel := context.WithCancel(t.Context())
	r := blob.NewReader(ctx, blob.NewManifest(blob.Name{1}, digest, blob.Origin{}, ""), &source{content: []byte("hello"), failAt: -1})
	cancel()
	if n, err := r.Read(make([]byte, 5)); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("Read = %d, %v", n, err)
	}
}

func TestClaims(t *testing.T) {
	var claims blob.Claims
	release, err := claims.Claim(blob.Name{1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := claims.Claim(blob.Name{1}); !errors.Is(err, blob.ErrBusy) {
		t.Errorf("a second claim: %v", err)
	}
	other, err := claims.Claim(blob.Name{2})
	if err != nil {
		t.Errorf("another name: %v", err)
	}
	other()
	release()
	again, err := claims.Claim(blob.Name{1})
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	release() // the first one's, once more: it must not touch the new claim
	if _, err := claims.Claim(blob.Name{1}); !errors.Is(err, blob.ErrBusy) {
		t.Errorf("a stale release gave the name away: %v", err)
	}
	again()
}
