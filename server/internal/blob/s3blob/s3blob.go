// Package s3blob keeps blobs in a bucket of any server that speaks S3. A blob is two objects: <prefix><name>/data-<random>
// with the bytes as they came, and <prefix><name>/manifest, which names the first and makes the blob exist. While it is
// written, <name>/partial remembers the multipart upload.
//
// Several gateways may use one bucket: each writes data of its own, and the first manifest stays, by a conditional request.
// Where a server ignores the condition the last one stays; either way a blob is whole. The package creates no bucket, and asks
// nobody but its endpoint.
package s3blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/event"
)

const (
	// retries is how often the client sends a request that may be sent again.
	retries = 4
	// cleanup is how long it may take to remove what a context that has ended leaves behind.
	cleanup = 30 * time.Second
	// maxManifest bounds what is read as a manifest or a partial, in bytes; a file of 100 GiB needs 2 MiB.
	maxManifest = 8 << 20
)

// What follows a blob's name in its keys.
const (
	dataPrefix = "/data-"
	manifest   = "/manifest"
	partial    = "/partial"
)

// Blobs is a bucket of blobs, or the part of one below a prefix.
type Blobs struct {
	core      minio.Core
	transport *http.Transport
	bucket    string
	prefix    string
	claims    blob.Claims
	closed    atomic.Bool
}

var _ blob.Blobs = (*Blobs)(nil)

// Open connects to the bucket. It fails if that doesn't exist or may not be looked at.
func Open(ctx context.Context, options Options) (*Blobs, error) {
	core, transport, err := options.dial()
	if err != nil {
		return nil, err
	}
	b := &Blobs{core: core, transport: transport, bucket: options.Bucket, prefix: options.Prefix}
	found, err := core.BucketExists(ctx, options.Bucket)
	if err == nil && !found {
		err = fmt.Errorf("there is no such bucket; create it, or name another")
	}
	if err != nil {
		_ = b.Close()
		return nil, fmt.Errorf("open the bucket %s at %s: %w", options.Bucket, options.Endpoint, explain(err))
	}
	return b, nil
}

// Close implements blob.Blobs.
func (b *Blobs) Close() error {
	b.closed.Store(true)
	b.transport.CloseIdleConnections()
	return nil
}

func (b *Blobs) check(ctx context.Context) error {
	if b.closed.Load() {
		return fmt.Errorf("%w: the bucket %s is closed", event.ErrUnavailable, b.bucket)
	}
	return ctx.Err()
}

// key is that of one of a blob's objects.
func (b *Blobs) key(name blob.Name, suffix string) string { return b.prefix + name.String() + suffix }

// Stat implements blob.Blobs.
func (b *Blobs) Stat(ctx context.Context, name blob.Name) (blob.Info, error) {
	m, err := b.manifest(ctx, name)
	return m.Info, err
}

func (b *Blobs) manifest(ctx context.Context, name blob.Name) (blob.Manifest, error) {
	encoded, err := b.get(ctx, b.key(name, manifest))
	if err != nil {
		return blob.Manifest{}, fmt.Errorf("read the manifest of %s: %w", name, err)
	}
	return blob.DecodeManifest(name, encoded)
}

// get reads a small object.
func (b *Blobs) get(ctx context.Context, key string) ([]byte, error) {
	if err := b.check(ctx); err != nil {
		return nil, err
	}
	body, _, _, err := b.core.GetObject(ctx, b.bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, explain(err)
	}
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, maxManifest))
	return content, explain(err)
}

// put writes a small object; fresh demands that there is none yet.
func (b *Blobs) put(ctx context.Context, key string, content []byte, fresh bool) error {
	options := minio.PutObjectOptions{ContentType: "application/json"}
	if fresh {
		options.SetMatchETagExcept("*")
	}
	_, err := b.core.PutObject(ctx, b.bucket, key, bytes.NewReader(content), int64(len(content)), "", "", options)
	return err
}

// Open implements blob.Blobs.
func (b *Blobs) Open(ctx context.Context, name blob.Name) (*blob.Reader, error) {
	m, err := b.manifest(ctx, name)
	if err != nil {
		return nil, err
	}
	return blob.NewReader(ctx, m, source{b, m}), nil
}

// A source streams an object.
type source struct {
	blobs    *Blobs
	manifest blob.Manifest
}

func (s source) From(ctx context.Context, offset int64) (io.ReadCloser, error) {
	if err := s.blobs.check(ctx); err != nil {
		return nil, err
	}
	var options minio.GetObjectOptions
	if err := options.SetRange(offset, s.manifest.Size-1); err != nil {
		return nil, err
	}
	body, _, header, err := s.blobs.core.GetObject(ctx, s.blobs.bucket, s.manifest.Data, options)
	if err != nil {
		return nil, s.missing(ctx, err)
	}
	if _, total, ok := strings.Cut(header.Get("Content-Range"), "/"); !ok || total != strconv.FormatInt(s.manifest.Size, 10) {
		_ = body.Close()
		return nil, fmt.Errorf("%w: %s has %s bytes instead of %d", blob.ErrCorrupt, s.manifest.Name, total, s.manifest.Size)
	}
	return stream{body}, nil
}

// missing tells bytes that are lost from those that were deleted just now.
func (s source) missing(ctx context.Context, err error) error {
	short := minio.ToErrorResponse(err).StatusCode == http.StatusRequestedRangeNotSatisfiable
	err = explain(err)
	if !short && !errors.Is(err, blob.ErrNotFound) {
		return fmt.Errorf("read %s: %w", s.manifest.Name, err)
	}
	now, err := s.blobs.manifest(ctx, s.manifest.Name)
	if err != nil || now.Data != s.manifest.Data {
		return errors.Join(err, fmt.Errorf("%w: %s was deleted", blob.ErrNotFound, s.manifest.Name))
	}
	return fmt.Errorf("%w: %s has a manifest, and bytes are missing", blob.ErrCorrupt, s.manifest.Name)
}

func (s source) Close() error { return nil }

// A stream tells a connection that was cut from an object that ends.
type stream struct{ io.ReadCloser }

func (s stream) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		return n, io.EOF
	}
	return n, explain(err)
}

// Delete implements blob.Blobs.
func (b *Blobs) Delete(ctx context.Context, name blob.Name) error {
	if err := b.check(ctx); err != nil {
		return err
	}
	release, err := b.claims.Claim(name)
	if err != nil {
		return err
	}
	defer release()
	return b.removeAll(ctx, name)
}

// List implements blob.Blobs.
func (b *Blobs) List(ctx context.Context) iter.Seq2[blob.Entry, error] {
	return func(yield func(blob.Entry, error) bool) {
		err := b.each(ctx, func(s stored) (bool, error) {
			if s.manifest == nil {
				return true, nil
			}
			return yield(blob.Entry{Name: s.name, Size: s.size(), StoreTime: s.manifest.LastModified}, nil), nil
		})
		if err != nil {
			yield(blob.Entry{}, err)
		}
	}
}

// explain puts an error of the client's into blob's words.
func explain(err error) error {
	var answer minio.ErrorResponse
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case !errors.As(err, &answer):
		return fmt.Errorf("%w: %v", event.ErrUnavailable, err)
	case answer.Code == minio.NoSuchKey:
		return blob.ErrNotFound
	case answer.StatusCode == http.StatusInsufficientStorage, answer.Code == "QuotaExceeded":
		return fmt.Errorf("%w: the S3 server says %s: %s", event.ErrFull, answer.Code, answer.Message)
	case answer.StatusCode >= 500, answer.StatusCode == http.StatusTooManyRequests, answer.StatusCode == 0:
		return fmt.Errorf("%w: the S3 server says %s: %s", event.ErrUnavailable, answer.Code, answer.Message)
	}
	return fmt.Errorf("the S3 server says %s: %s", answer.Code, answer.Message)
}
