package s3blob

import (
	"context"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/straw-gateway/straw/server/internal/blob"
)

// Sweep implements blob.Blobs. Not every server lists unfinished uploads (MinIO doesn't); a lifecycle rule of the bucket,
// AbortIncompleteMultipartUpload, catches those that a gateway began in its last seconds.
func (b *Blobs) Sweep(ctx context.Context, age time.Duration) error {
	before := time.Now().Add(-age)
	live := map[string]bool{} // uploads that a partial still needs
	err := b.each(ctx, func(s stored) (bool, error) {
		if s.manifest != nil && s.partial == nil && len(s.data) == 1 {
			return true, nil
		}
		if s.newest().Before(before) || s.manifest != nil {
			return true, b.sweep(ctx, s, before)
		}
		if s.partial != nil {
			if found, err := b.readPartial(ctx, s.name); err == nil {
				live[found.Upload] = true
			}
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	return b.abortUploads(ctx, b.prefix, func(upload minio.ObjectMultipartInfo) bool {
		name, _, _ := b.parse(upload.Key)
		release, err := b.claims.Claim(name)
		if err != nil {
			return false // it is being written
		}
		release() // a new writer has an upload of its own, or one that a partial names
		return upload.Initiated.Before(before) && !live[upload.UploadID]
	})
}

// sweep removes what nothing will ask for: all, without a manifest; beside one, what it doesn't name.
func (b *Blobs) sweep(ctx context.Context, s stored, before time.Time) error {
	release, err := b.claims.Claim(s.name)
	if err != nil {
		return nil // somebody writes it
	}
	defer release()
	if s.manifest == nil {
		return b.removeStored(ctx, s)
	}
	m, err := b.manifest(ctx, s.name)
	if err != nil {
		return nil // deleted just now; or damaged, and then its bytes may still help somebody
	}
	rest := stored{name: s.name}
	for _, object := range s.all()[1:] {
		if _, suffix, _ := b.parse(object.Key); object.Key != m.Data && object.LastModified.Before(before) {
			rest = rest.with(s.name, suffix, object)
		}
	}
	return b.removeStored(ctx, rest)
}

// readPartial reads how far a writer came. Any error means that there is nothing to continue.
func (b *Blobs) readPartial(ctx context.Context, name blob.Name) (kept, error) {
	var found kept
	encoded, err := b.get(ctx, b.key(name, partial))
	if err == nil {
		err = blob.Unseal(encoded, &found)
	}
	return found, err
}
