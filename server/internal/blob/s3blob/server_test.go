package s3blob_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/blob/s3blob"
)

const (
	accessKey = "straw-test"
	secretKey = "straw-test-secret"
)

// A server is a real S3 server, versitygw, that keeps its objects as files. It is reached through a relay, which can be cut.
type server struct {
	binary  string
	dir     string // of its files: a folder a bucket, a file an object
	socket  string
	process *exec.Cmd
	relay   *relay
}

func startServer(t *testing.T) *server {
	t.Helper()
	// The path of a Unix socket must be short, which that of t.TempDir isn't.
	short, err := os.MkdirTemp("", "s3") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(short); err != nil {
			t.Error(err)
		}
	})
	s := &server{binary: buildServer(t), dir: filepath.Join(t.TempDir(), "objects"), socket: filepath.Join(short, "s3")}
	s.relay = startRelay(t, s.socket)
	s.start(t)
	t.Cleanup(func() { s.stop(t) })
	return s
}

// buildServer returns the path of the server, which go builds once and then keeps.
func buildServer(t *testing.T) string {
	t.Helper()
	modfile, err := filepath.Abs("../../../../.tools/versitygw/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	path, err := exec.CommandContext(t.Context(), "go", "tool", "-n", "-modfile="+modfile, "versitygw").Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("build the S3 server: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("build the S3 server: %v", err)
	}
	return strings.TrimSpace(string(path))
}

// start starts the process and waits until it answers.
func (s *server) start(t *testing.T) {
	t.Helper()
	metadata := filepath.Join(filepath.Dir(s.dir), "metadata") // beside: not every file system of a temporary folder has extended attributes
	for _, dir := range []string{s.dir, metadata} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	_ = os.Remove(s.socket) // of a killed one
	log, err := os.Create(s.dir + ".log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	// It ends by stop, not with a context: the cleanups of a test still need it.
	s.process = exec.CommandContext(context.WithoutCancel(t.Context()), s.binary, "--port", s.socket, "--quiet", "posix", "--sidecar", metadata, s.dir)
	s.process.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+accessKey, "ROOT_SECRET_KEY="+secretKey)
	s.process.Stdout, s.process.Stderr = log, log
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	s.await(t)
}

func (s *server) await(t *testing.T) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if answers(t, s.socket) {
			return
		}
		select {
		case <-deadline:
			log, _ := os.ReadFile(s.dir + ".log")
			t.Fatalf("the S3 server doesn't answer; it said:\n%s", log)
		case <-tick.C:
		}
	}
}

func answers(t *testing.T, socket string) bool {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://s3/", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return true
}

// stop kills the server, as a crash would.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := s.process.Process.Kill(); err != nil {
		t.Errorf("stop the S3 server: %v", err)
	}
	_ = s.process.Wait() // killed
}

func (s *server) options(bucket, prefix string) s3blob.Options {
	return s3blob.Options{
		Bucket: bucket, Prefix: prefix, Endpoint: "http://" + s.relay.Addr().String(), Region: "us-east-1",
		Credentials: credentials.NewStaticV4(accessKey, secretKey, ""),
	}
}

// client is the test's own way into the server.
func (s *server) client(t testing.TB) *minio.Client {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	client, err := minio.New(s.relay.Addr().String(), &minio.Options{
		Creds: credentials.NewStaticV4(accessKey, secretKey, ""), Region: "us-east-1", Transport: transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (s *server) makeBucket(t testing.TB, bucket string) {
	t.Helper()
	if err := s.client(t).MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (s *server) open(t testing.TB, bucket, prefix string) *s3blob.Blobs {
	t.Helper()
	blobs, err := s3blob.Open(t.Context(), s.options(bucket, prefix))
	if err != nil {
		t.Fatal(err)
	}
	return blobs
}

// left lists the objects of a bucket, and the unfinished uploads to it.
func (s *server) left(t testing.TB, bucket string) []string {
	t.Helper()
	ctx, client := t.Context(), s.client(t)
	var left []string
	for object := range client.ListObjectsIter(ctx, bucket, minio.ListObjectsOptions{Recursive: true}) {
		if object.Err != nil {
			t.Fatal(object.Err)
		}
		left = append(left, object.Key)
	}
	for upload := range client.ListIncompleteUploads(ctx, bucket, "", true) {
		if upload.Err != nil {
			t.Fatal(upload.Err)
		}
		left = append(left, "upload "+upload.Key)
	}
	return left
}

// damage changes an object behind the server's back, in its file.
func (s *server) damage(t testing.TB, bucket, prefix string, name blob.Name, manifest bool, change func([]byte) []byte) {
	t.Helper()
	pattern := "data-*"
	if manifest {
		pattern = "manifest"
	}
	paths, err := filepath.Glob(filepath.Join(s.dir, bucket, prefix, name.String(), pattern))
	if err != nil || len(paths) != 1 {
		t.Fatalf("%s of %s is %v (%v)", pattern, name, paths, err)
	}
	b, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	if b = change(b); b == nil {
		err = os.Remove(paths[0])
	} else {
		err = os.WriteFile(paths[0], b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A relay passes TCP connections on to a Unix socket.
type relay struct {
	net.Listener
	socket string
	group  sync.WaitGroup
	mu     sync.Mutex
	limit  int64 // bytes that the next connections may carry to the client before they are cut; negative: all
}

func startRelay(t *testing.T, socket string) *relay {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: listener, socket: socket, limit: -1}
	r.group.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			r.group.Go(func() { r.pass(client) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		r.group.Wait()
	})
	return r
}

// cutAfter lets connections that begin from now on carry so many bytes to the client.
func (r *relay) cutAfter(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limit = bytes
}

func (r *relay) pass(client net.Conn) {
	defer client.Close()
	upstream, err := net.Dial("unix", r.socket)
	if err != nil {
		return
	}
	defer upstream.Close()
	r.mu.Lock()
	limit := r.limit
	r.mu.Unlock()
	r.group.Go(func() {
		_, _ = io.Copy(upstream, client) // either end may hang up
		upstream.Close()
	})
	if limit < 0 {
		_, _ = io.Copy(client, upstream)
	} else {
		_, _ = io.CopyN(client, upstream, limit)
	}
}
