package s3blob

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"

	"github.com/minio/minio-go/v7"

	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/event"
)

// partSize is how many bytes go up at once: what a writer holds, and what a crash can cost. 10,000 parts are the most that S3
// takes, which makes 80 GiB.
const partSize = 8 << 20

// smallFile is the size up to which a writer's buffer is no larger than what is in it.
const smallFile = 1 << 20

// kept is a partial: an upload and what its parts are.
type kept struct {
	Origin blob.Origin `json:"origin"`
	// Data is the key, Upload the server's id of the upload; empty until a part was full.
	Data   string       `json:"data"`
	Upload string       `json:"upload"`
	ETags  []string     `json:"etags"` // of the parts
	Digest *blob.Digest `json:"digest"`
}

type writer struct {
	ctx     context.Context
	blobs   *Blobs
	name    blob.Name
	release func() // of the name
	state   kept
	buffer  []byte // what the parts don't have yet; the digest knows it already
	saved   bool   // the bucket has a partial of ours
	failure error  // the first one; nothing but Discard and Close works after it
	ended   bool
}

// Create implements blob.Blobs.
func (b *Blobs) Create(ctx context.Context, name blob.Name) (blob.Writer, error) {
	if err := b.check(ctx); err != nil {
		return nil, err
	}
	release, err := b.claims.Claim(name)
	if err != nil {
		return nil, err
	}
	w := &writer{ctx: ctx, blobs: b, name: name, release: release}
	if err := w.begin(); err != nil {
		release()
		return nil, err
	}
	return w, nil
}

// begin continues a partial whose upload the server still has, or starts with no bytes.
func (w *writer) begin() error {
	_, err := w.blobs.core.StatObject(w.ctx, w.blobs.bucket, w.blobs.key(w.name, manifest), minio.StatObjectOptions{})
	switch {
	case err == nil:
		return fmt.Errorf("%w: %s", blob.ErrExists, w.name)
	case !errors.Is(explain(err), blob.ErrNotFound):
		return fmt.Errorf("look at %s: %w", w.name, explain(err))
	}
	w.reset(blob.Origin{})
	found, err := w.blobs.readPartial(w.ctx, w.name)
	switch {
	case errors.Is(err, event.ErrUnavailable):
		return fmt.Errorf("look at %s: %w", w.name, err)
	case err == nil && found.Digest != nil:
		return w.resume(found)
	}
	return nil // there is nothing to continue
}

// resume takes over an upload, unless the server has dropped it.
func (w *writer) resume(found kept) error {
	w.saved = true
	_, err := w.blobs.core.ListObjectParts(w.ctx, w.blobs.bucket, found.Data, found.Upload, 0, 1)
	switch {
	case err == nil:
		w.state = found
	case !gone(err):
		return fmt.Errorf("look at the upload of %s: %w", w.name, explain(err))
	}
	return nil
}

func (w *writer) reset(origin blob.Origin) {
	w.state = kept{Origin: origin, Data: w.blobs.key(w.name, dataPrefix+rand.Text()), Digest: blob.NewDigest()}
	w.buffer = w.buffer[:0]
}

func (w *writer) Size() int64         { return w.state.Digest.Size() }
func (w *writer) Origin() blob.Origin { return w.state.Origin }

func (w *writer) Restart(origin blob.Origin) error {
	return w.do(func() error {
		if err := w.forget(w.ctx); err != nil {
			return err
		}
		w.reset(origin)
		return nil
	})
}

// forget removes the partial and gives up its upload.
func (w *writer) forget(ctx context.Context) error {
	if w.saved {
		if err := w.blobs.remove(ctx, w.blobs.key(w.name, partial)); err != nil {
			return err
		}
		w.saved = false
	}
	return w.blobs.abort(ctx, w.state.Data, w.state.Upload)
}

func (w *writer) Write(p []byte) (n int, err error) {
	err = w.do(func() error {
		for n < len(p) {
			piece := p[n:min(len(p), n+partSize-len(w.buffer))]
			if len(w.buffer) >= smallFile { // growing on by steps would leave several times a part to the garbage
				w.buffer = slices.Grow(w.buffer, partSize-len(w.buffer))
			}
			w.buffer = append(w.buffer, piece...)
			w.state.Digest.Add(piece)
			n += len(piece)
			if len(w.buffer) < partSize {
				continue
			}
			if err := w.upload(); err != nil {
				return err
			}
			if err := w.save(); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// upload sends the buffer as the next part.
func (w *writer) upload() error {
	b := w.blobs
	if w.state.Upload == "" {
		id, err := b.core.NewMultipartUpload(w.ctx, b.bucket, w.state.Data, w.options())
		if err != nil {
			return w.explain("begin the upload of", err)
		}
		w.state.Upload = id
	}
	part, err := b.core.PutObjectPart(w.ctx, b.bucket, w.state.Data, w.state.Upload, len(w.state.ETags)+1,
		bytes.NewReader(w.buffer), int64(len(w.buffer)), minio.PutObjectPartOptions{})
	if err != nil {
		return w.explain("upload", err)
	}
	w.state.ETags = append(w.state.ETags, part.ETag)
	w.buffer = w.buffer[:0]
	return nil
}

// options let people who look into the bucket download the bytes as what they are.
func (w *writer) options() minio.PutObjectOptions {
	return minio.PutObjectOptions{ContentType: w.state.Origin.ContentType, ContentEncoding: w.state.Origin.ContentEncoding}
}

// save lets the partial speak for the parts that are up.
func (w *writer) save() error {
	encoded, err := blob.Seal(w.state)
	if err == nil {
		err = w.blobs.put(w.ctx, w.blobs.key(w.name, partial), encoded, false)
	}
	if err != nil {
		return w.explain("remember the upload of", err)
	}
	w.saved = true
	return nil
}

// explain puts an error into blob's words. An upload that the server has lost can't be continued, so it is forgotten.
func (w *writer) explain(what string, err error) error {
	switch minio.ToErrorResponse(err).Code {
	case "NoSuchUpload", "InvalidPart", "InvalidPartOrder", "EntityTooSmall":
		return errors.Join(fmt.Errorf("%w: %s %s: the S3 server has lost the upload; begin again", event.ErrUnavailable, what, w.name), w.forget(w.ctx))
	}
	return fmt.Errorf("%s %s: %w", what, w.name, explain(err))
}

func (w *writer) Commit() (info blob.Info, err error) {
	err = w.do(func() error {
		if err := w.complete(); err != nil {
			return err
		}
		info, err = w.publish()
		return err
	})
	return info, err
}

// complete makes the data object.
func (w *writer) complete() error {
	b := w.blobs
	if w.state.Upload == "" {
		_, err := b.core.PutObject(w.ctx, b.bucket, w.state.Data, bytes.NewReader(w.buffer), int64(len(w.buffer)), "", "", w.options())
		if err != nil {
			return w.explain("upload", err)
		}
		return nil
	}
	if len(w.buffer) > 0 {
		if err := w.upload(); err != nil {
			return err
		}
	}
	parts := make([]minio.CompletePart, len(w.state.ETags))
	for i, etag := range w.state.ETags {
		parts[i] = minio.CompletePart{PartNumber: i + 1, ETag: etag}
	}
	_, err := b.core.CompleteMultipartUpload(w.ctx, b.bucket, w.state.Data, w.state.Upload, parts, minio.PutObjectOptions{})
	if err == nil || gone(err) && w.completed() {
		return nil
	}
	return w.explain("complete", err)
}

// completed says whether the data object is there: an earlier try may have made it and its answer been lost.
func (w *writer) completed() bool {
	object, err := w.blobs.core.StatObject(w.ctx, w.blobs.bucket, w.state.Data, minio.StatObjectOptions{})
	return err == nil && object.Size == w.Size()
}

// publish makes the blob exist, unless another gateway did.
func (w *writer) publish() (blob.Info, error) {
	b, m := w.blobs, blob.NewManifest(w.name, w.state.Digest, w.state.Origin, w.state.Data)
	encoded, err := m.Encode()
	if err != nil {
		return blob.Info{}, err
	}
	err = b.put(w.ctx, b.key(w.name, manifest), encoded, true)
	switch minio.ToErrorResponse(err).StatusCode {
	case http.StatusPreconditionFailed, http.StatusConflict:
		return w.lose(m)
	}
	if err != nil {
		return blob.Info{}, w.explain("publish", err)
	}
	w.clear()
	return m.Info, nil
}

// lose finds out whose manifest is there: another gateway's, or our own from a try whose answer was lost.
func (w *writer) lose(own blob.Manifest) (blob.Info, error) {
	theirs, err := w.blobs.manifest(w.ctx, w.name)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return blob.Info{}, fmt.Errorf("%w: publish %s: another gateway is about to", event.ErrUnavailable, w.name)
	case err != nil:
		return blob.Info{}, err
	case theirs.Data != own.Data:
		_ = w.blobs.remove(w.ctx, own.Data) // Sweep tries again
		w.clear()
		return blob.Info{}, fmt.Errorf("%w: %s, from another gateway", blob.ErrExists, w.name)
	}
	w.clear()
	return theirs.Info, nil
}

// clear ends the writer when the blob is there.
func (w *writer) clear() {
	if w.saved {
		_ = w.blobs.remove(w.ctx, w.blobs.key(w.name, partial)) // Sweep tries again
	}
	w.end()
}

// do runs one step, unless the writer, its context or the store has ended.
func (w *writer) do(step func() error) error {
	switch {
	case w.ended:
		return fmt.Errorf("write %s: %w", w.name, fs.ErrClosed)
	case w.failure != nil:
		return w.failure
	}
	if err := w.blobs.check(w.ctx); err != nil {
		return err
	}
	w.failure = step()
	return w.failure
}

func (w *writer) Discard() error {
	if w.ended {
		return nil
	}
	defer w.end()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), cleanup)
	defer cancel()
	return w.forget(ctx)
}

// Close implements blob.Writer: the partial speaks for every part that is up, and a part that isn't full can't go up.
func (w *writer) Close() error {
	if !w.ended {
		w.end()
	}
	return nil
}

func (w *writer) end() {
	w.ended = true
	w.buffer = nil
	w.release()
}
