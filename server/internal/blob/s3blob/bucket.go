package s3blob

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/straw-gateway/straw/server/internal/blob"
)

// stored is what the bucket holds under one name.
type stored struct {
	name              blob.Name
	manifest, partial *minio.ObjectInfo // nil: there is none
	data              []minio.ObjectInfo
}

// size sums the bytes under the name.
func (s stored) size() (sum int64) {
	for _, object := range s.data {
		sum += object.Size
	}
	return sum
}

// newest is when any of it was last written.
func (s stored) newest() (newest time.Time) {
	for _, object := range s.all() {
		if object.LastModified.After(newest) {
			newest = object.LastModified
		}
	}
	return newest
}

// all lists the objects, the manifest first.
func (s stored) all() []minio.ObjectInfo {
	var all []minio.ObjectInfo
	for _, object := range []*minio.ObjectInfo{s.manifest, s.partial} {
		if object != nil {
			all = append(all, *object)
		}
	}
	return append(all, s.data...)
}

// each calls f for every name in the bucket, until it says to stop or fails.
func (b *Blobs) each(ctx context.Context, f func(stored) (more bool, err error)) error {
	return b.below(ctx, b.prefix, f)
}

// below does so for the keys that begin with the prefix. All keys of one name are listed together.
func (b *Blobs) below(ctx context.Context, prefix string, f func(stored) (more bool, err error)) error {
	if err := b.check(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx) // a listing that is left early goes on until then
	defer cancel()
	var current stored
	for object := range b.core.ListObjectsIter(ctx, b.bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if object.Err != nil {
			return fmt.Errorf("list the bucket %s: %w", b.bucket, explain(object.Err))
		}
		name, suffix, ok := b.parse(object.Key)
		if !ok {
			continue // somebody else's
		}
		if name != current.name && len(current.all()) > 0 {
			if more, err := f(current); err != nil || !more {
				return err
			}
			current = stored{}
		}
		current = current.with(name, suffix, object)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(current.all()) == 0 {
		return nil
	}
	_, err := f(current)
	return err
}

// with adds an object.
func (s stored) with(name blob.Name, suffix string, object minio.ObjectInfo) stored {
	s.name = name
	switch suffix {
	case manifest:
		s.manifest = &object
	case partial:
		s.partial = &object
	default:
		s.data = append(s.data, object)
	}
	return s
}

// parse reads a key that this package made.
func (b *Blobs) parse(key string) (name blob.Name, suffix string, ok bool) {
	rest, ok := strings.CutPrefix(key, b.prefix)
	at := strings.IndexByte(rest, '/')
	if !ok || at < 0 {
		return blob.Name{}, "", false
	}
	suffix = rest[at:]
	if suffix != manifest && suffix != partial && !strings.HasPrefix(suffix, dataPrefix) {
		return blob.Name{}, "", false
	}
	name, ok = blob.ParseName(rest[:at])
	return name, suffix, ok
}

// remove removes objects; what isn't there is no error.
func (b *Blobs) remove(ctx context.Context, keys ...string) error {
	var errs []error
	for _, key := range keys {
		if err := b.core.RemoveObject(ctx, b.bucket, key, minio.RemoveObjectOptions{}); err != nil && !gone(err) {
			errs = append(errs, fmt.Errorf("remove %s: %w", key, explain(err)))
		}
	}
	return errors.Join(errs...)
}

// removeAll removes all of a blob, the manifest first, so that no crash leaves a blob without bytes.
func (b *Blobs) removeAll(ctx context.Context, name blob.Name) error {
	if err := b.remove(ctx, b.key(name, manifest)); err != nil {
		return err
	}
	err := b.below(ctx, b.key(name, "/"), func(s stored) (bool, error) { return true, b.removeStored(ctx, s) })
	if err != nil {
		return err
	}
	return b.abortUploads(ctx, b.key(name, "/"), func(minio.ObjectMultipartInfo) bool { return true })
}

// removeStored removes what was listed, and the upload that a partial names: not every server lists uploads by prefix.
func (b *Blobs) removeStored(ctx context.Context, s stored) error {
	if s.partial != nil {
		if found, err := b.readPartial(ctx, s.name); err == nil {
			if err := b.abort(ctx, found.Data, found.Upload); err != nil {
				return err
			}
		}
	}
	var keys []string
	for _, object := range s.all() {
		keys = append(keys, object.Key)
	}
	return b.remove(ctx, keys...)
}

// abort gives up an upload; one that isn't there is no error.
func (b *Blobs) abort(ctx context.Context, key, upload string) error {
	if upload == "" {
		return nil
	}
	if err := b.core.AbortMultipartUpload(ctx, b.bucket, key, upload); err != nil && !gone(err) {
		return fmt.Errorf("give up the upload of %s: %w", key, explain(err))
	}
	return nil
}

// abortUploads gives up the unfinished uploads below a prefix that dead picks.
func (b *Blobs) abortUploads(ctx context.Context, prefix string, dead func(minio.ObjectMultipartInfo) bool) error {
	ctx, cancel := context.WithCancel(ctx) // a listing that is left early goes on until then
	defer cancel()
	for upload := range b.core.ListIncompleteUploads(ctx, b.bucket, prefix, true) {
		if upload.Err != nil {
			return fmt.Errorf("list the uploads to the bucket %s: %w", b.bucket, explain(upload.Err))
		}
		if _, suffix, ok := b.parse(upload.Key); !ok || !strings.HasPrefix(suffix, dataPrefix) || !dead(upload) {
			continue
		}
		if err := b.abort(ctx, upload.Key, upload.UploadID); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// gone says that what was to be removed isn't there, or that an upload has ended.
func gone(err error) bool {
	code := minio.ToErrorResponse(err).Code
	return code == minio.NoSuchKey || code == "NoSuchUpload"
}
