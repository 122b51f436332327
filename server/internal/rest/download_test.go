package rest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/blob/fileblob"
)

// A shelf has one file, for any id but `nowhere`.
type shelf struct {
	blobs *fileblob.Blobs
	dir   string
	asked string
}

func newShelf(t *testing.T, file []byte, origin blob.Origin) *shelf {
	t.Helper()
	s := &shelf{dir: t.TempDir()}
	var err error
	if s.blobs, err = fileblob.Open(s.dir, fileblob.Options{Reserve: -1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.blobs.Close(); err != nil {
			t.Error(err)
		}
	})
	w, err := s.blobs.Create(t.Context(), blob.Name{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Restart(origin); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(file); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shelf) OpenExport(ctx context.Context, id string) (*strawv1.Export, *blob.Reader, error) {
	s.asked = id
	if id == "nowhere" {
		return nil, nil, status.Error(codes.NotFound, "there is no export")
	}
	r, err := s.blobs.Open(ctx, blob.Name{})
	return &strawv1.Export{Id: id, Format: "csv"}, r, err
}

// fetch asks with headers, and returns the answer and as much of the body as comes.
func (p *port) fetch(method, path string, headers ...string) (*http.Response, []byte, error) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.URL+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := p.Client().Transport.RoundTrip(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

func TestDownload(t *testing.T) {
	file := bytes.Repeat([]byte("name,city\n"), 100_000)
	sum := sha256.Sum256(file)
	tag := `"` + hex.EncodeToString(sum[:]) + `"`
	s := newShelf(t, file, blob.Origin{ContentType: "text/csv; charset=utf-8"})
	p := serve(t, &api{}, func(_ *http.Server, o *Options) { o.Exports = s })
	const path = "/v1/exports/exp_1:download"
	tests := []struct {
		name, method string
		headers      []string
		status       int
		want         []byte
	}{
		{"whole", "GET", nil, 200, file},
		{"head", "HEAD", nil, 200, nil},
		{"range", "GET", []string{"Range", "bytes=10-19"}, 206, file[10:20]},
		{"rest", "GET", []string{"Range", "bytes=600000-"}, 206, file[600_000:]},
		{"last", "GET", []string{"Range", "bytes=-5"}, 206, file[len(file)-5:]},
		{"resumed", "GET", []string{"Range", "bytes=600000-", "If-Range", tag}, 206, file[600_000:]},
		{"resumed, another file", "GET", []string{"Range", "bytes=600000-", "If-Range", `"other"`}, 200, file},
		{"unchanged", "GET", []string{"If-None-Match", tag}, 304, nil},
		{"changed", "GET", []string{"If-None-Match", `"other"`}, 200, file},
		{"beyond", "GET", []string{"Range", "bytes=1000000-"}, 416, nil},
		{"not the one meant", "GET", []string{"If-Match", `"other"`}, 412, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			resp, body, err := p.fetch(test.method, path, test.headers...)
			if err != nil || resp.StatusCode != test.status {
				t.Fatalf("%s, %v, want %d", resp.Status, err, test.status)
			}
			if test.status < 400 && !bytes.Equal(body, test.want) {
				t.Errorf("%d bytes, want %d", len(body), len(test.want))
			}
			if test.status >= 400 {
				return
			}
			if resp.Header.Get("ETag") != tag || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("the headers are %v", resp.Header)
			}
			if test.status == 304 {
				return
			}
			kind, params, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition"))
			if err != nil || kind != "attachment" || params["filename"] != "exp_1.csv" || resp.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
				t.Errorf("the headers are %v", resp.Header)
			}
			if want := int64(len(test.want)); test.method == "GET" && resp.ContentLength != want || test.method == "HEAD" && resp.ContentLength != int64(len(file)) {
				t.Errorf("the length is %d", resp.ContentLength)
			}
		})
	}
}

func TestDownloadKeepsTheCoding(t *testing.T) {
	s := newShelf(t, []byte("as it came"), blob.Origin{ContentEncoding: "gzip"})
	p := serve(t, &api{}, func(_ *http.Server, o *Options) { o.Exports = s })
	resp, body, err := p.fetch("GET", "/v1/exports/exp_1:download", "Accept-Encoding", "gzip")
	if err != nil || string(body) != "as it came" || resp.Header.Get("Content-Encoding") != "gzip" || resp.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("%q, %v, %v", body, err, resp.Header)
	}
}

func TestDownloadPaths(t *testing.T) {
	s := newShelf(t, []byte("x"), blob.Origin{})
	p := serve(t, &api{}, func(_ *http.Server, o *Options) { o.Exports = s })
	for _, id := range []string{"exp_1", "a/b", "../../etc/passwd", "a:b", "a:download", ":", "%2F", "a b", "?", "ünï", `"`, "."} {
		for _, spelled := range spellings(id) {
			s.asked = "not asked"
			resp, _, err := p.fetch("GET", "/v1/exports/"+spelled+":download")
			if err != nil || resp.StatusCode != http.StatusOK || s.asked != id {
				t.Errorf("%s: %s, %v, asked for %q, want %q", spelled, resp.Status, err, s.asked, id)
			}
			_, params, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition"))
			if name := params["filename"]; err != nil || name == "" || filepath.Base(name) != name || name[0] == '.' {
				t.Errorf("%s: saved as %q, %v", spelled, name, err)
			}
		}
	}
	resp, body := p.do("GET", "/v1/exports/nowhere:download", "")
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("%s %s", resp.Status, body)
	}
	resp, body = p.do("GET", "/v1/exports/exp_1:download?offset=5", "")
	wantProblem(t, resp, body, 400, "offset")
	resp, body = p.do("POST", "/v1/exports/exp_1:download", "")
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("%s %s", resp.Status, body)
	}
}

func TestDownloadOfACorruptFileIsCut(t *testing.T) {
	file := bytes.Repeat([]byte("x"), 4*blob.ChunkSize)
	for name, origin := range map[string]blob.Origin{"with a length": {}, "chunked": {ContentEncoding: "gzip"}} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t, file, origin)
			flip(t, s.dir, len(file), 3*blob.ChunkSize)
			p := serve(t, &api{}, func(_ *http.Server, o *Options) { o.Exports = s })
			_, body, err := p.fetch("GET", "/v1/exports/exp_1:download", "Accept-Encoding", "gzip")
			if err == nil || len(body) > 3*blob.ChunkSize {
				t.Errorf("%d bytes, %v; want an error after %d", len(body), err, 3*blob.ChunkSize)
			}
		})
	}
}

// flip changes a byte of the file of a size.
func flip(t *testing.T, dir string, size, at int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if content, err := os.ReadFile(path); err == nil && len(content) == size {
			content[at] ^= 1
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("no file of %d bytes in %s", size, dir)
}
