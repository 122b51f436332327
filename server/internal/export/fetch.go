package export

import (
	"context"
	"errors"
	"io"

	"github.com/straw-gateway/straw/server/internal/blob"
)

// Fetch downloads a link into the store, once: what is stored already isn't downloaded again. A download that was interrupted,
// by a crash too, leaves a partial, and the next Fetch of the name continues it; one that failed for good leaves nothing.
//
// Errors: DownloadErrors, the store's errors, and blob.ErrBusy while another Fetch of the name runs here.
func Fetch(ctx context.Context, client *Client, blobs blob.Blobs, name blob.Name, link string) (blob.Info, error) {
	w, err := blobs.Create(ctx, name)
	if errors.Is(err, blob.ErrExists) {
		return blobs.Stat(ctx, name)
	}
	if err != nil {
		return blob.Info{}, err
	}
	info, err := fill(ctx, client, w, link)
	switch {
	case err == nil:
		return info, nil
	case Permanent(err):
		return blob.Info{}, errors.Join(err, w.Discard())
	}
	if closing := w.Close(); closing != nil {
		err = errors.Join(err, closing)
	}
	if errors.Is(err, blob.ErrExists) { // another gateway was first
		return blobs.Stat(ctx, name)
	}
	return blob.Info{}, err
}

// fill downloads what the writer doesn't have, and commits it.
func fill(ctx context.Context, client *Client, w blob.Writer, link string) (blob.Info, error) {
	download, err := client.Get(ctx, link, Resume{Offset: w.Size(), ETag: w.Origin().ETag})
	if err != nil {
		return blob.Info{}, err
	}
	defer download.Body.Close()
	if download.Offset == 0 {
		if err := w.Restart(download.Origin); err != nil {
			return blob.Info{}, err
		}
	}
	if _, err := io.Copy(w, download.Body); err != nil {
		return blob.Info{}, err
	}
	return w.Commit()
}
