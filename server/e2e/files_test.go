package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// made is a file of any size whose bytes follow from its seed: nothing keeps them.
type made struct {
	seed, size int64
}

// ReadAt makes the bytes from an offset.
func (m made) ReadAt(p []byte, offset int64) (int, error) {
	n := int(min(int64(len(p)), max(m.size-offset, 0)))
	var word [8]byte
	for i := 0; i < n; {
		at := offset + int64(i)
		binary.LittleEndian.PutUint64(word[:], mix(uint64(at/8)+uint64(m.seed)<<40))
		i += copy(p[i:n], word[at%8:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// mix is splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (m made) reader() *io.SectionReader { return io.NewSectionReader(m, 0, m.size) }

func (m made) sum(t testing.TB) string { return sumOf(t, m.reader()) }

func sumOf(t testing.TB, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// files stands for Juicebox's file server.
type files struct {
	*httptest.Server
	host string
	mu   sync.Mutex
	// asked counts requests by path.
	asked map[string]int
}

// startFiles serves what a path asks for: /made/SEED/SIZE is made, /slow/SEED/SIZE is too, but comes slowly; anything else is
// what answer makes of it.
func startFiles(t testing.TB, answer http.HandlerFunc) *files {
	t.Helper()
	f := &files{asked: map[string]int{}}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.asked[r.URL.Path]++
		f.mu.Unlock()
		var pace string
		var m made
		if _, err := fmt.Sscanf(strings.ReplaceAll(r.URL.Path, "/", " "), "%s %d %d", &pace, &m.seed, &m.size); err != nil {
			answer(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/csv")
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, m.seed))
		var content io.ReadSeeker = m.reader()
		if pace == "slow" {
			content = slowly{content}
		}
		http.ServeContent(w, r, "", time.Time{}, content)
	}))
	t.Cleanup(f.Close)
	f.host = strings.TrimPrefix(f.URL, "http://")
	return f
}

// link is where a made file can be downloaded.
func (f *files) link(m made) string {
	return fmt.Sprintf("%s/made/%d/%d?token=hush", f.URL, m.seed, m.size)
}

// slowLink is where it comes slowly from.
func (f *files) slowLink(m made) string { return strings.Replace(f.link(m), "/made/", "/slow/", 1) }

// slowly takes a millisecond for each read, which is of 32 KiB.
type slowly struct{ io.ReadSeeker }

func (s slowly) Read(p []byte) (int, error) {
	<-time.NewTimer(time.Millisecond).C
	return s.ReadSeeker.Read(p)
}

// requests is how many a path has had.
func (f *files) requests(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[path]
}

// announcement is an export.ready webhook.
func announcement(eventID, exportID, link string) string {
	return fmt.Sprintf(`{"id":%q,"type":"export.ready","data":{"export_id":%q,"download_url":%q,"format":"csv"}}`, eventID, exportID, link)
}

const (
	s3AccessKey = "straw-test"
	s3SecretKey = "straw-test-secret"
)

// startS3 starts a real S3 server with a bucket, puts its keys into the environment, and returns the bucket's address.
func startS3(t *testing.T) string {
	t.Helper()
	path, err := exec.CommandContext(t.Context(), "go", "tool", "-n", "-modfile=../../.tools/versitygw/go.mod", "versitygw").Output()
	if err != nil {
		t.Fatalf("build the S3 server: %v", err)
	}
	free, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	objects, metadata := filepath.Join(t.TempDir(), "objects"), filepath.Join(t.TempDir(), "metadata")
	for _, dir := range []string{objects, metadata} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), strings.TrimSpace(string(path)), "--port", addr, "--quiet", "posix", "--sidecar", metadata, objects)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s3AccessKey, "ROOT_SECRET_KEY="+s3SecretKey)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	client, err := minio.New(addr, &minio.Options{Creds: credentials.NewStaticV4(s3AccessKey, s3SecretKey, ""), Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the S3 server doesn't answer", func() bool {
		err = client.MakeBucket(t.Context(), "exports", minio.MakeBucketOptions{})
		response, refused := errors.AsType[minio.ErrorResponse](err)
		return err == nil || refused && response.Code == "BucketAlreadyOwnedByYou"
	})
	t.Setenv("AWS_ACCESS_KEY_ID", s3AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3SecretKey)
	return "s3://exports?endpoint=http://" + addr + "&region=us-east-1"
}

// await polls until something holds.
func await(t testing.TB, otherwise string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal(otherwise)
		}
	}
}
