package export

import (
	"context"
	"time"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
)

const (
	// housekeepEvery is how often files are removed whose time is over.
	housekeepEvery = 10 * time.Minute
	// sweepAge is how long what nobody asks for stays in the blob store; longer than any link lives.
	sweepAge = 2 * time.Hour
)

// housekeep removes, now and then, the files whose announcements retention has removed, and what crashes left behind.
func (f *Fetcher) housekeep(ctx context.Context) {
	ticker := time.NewTicker(housekeepEvery)
	defer ticker.Stop()
	for {
		if err := f.Blobs.Sweep(ctx, sweepAge); err != nil && ctx.Err() == nil {
			f.Logger.Warn("what was left of broken downloads could not be removed; it is tried again", "error", err)
		}
		if err := f.purge(ctx, f.Log.Bounds().Floor); err != nil && ctx.Err() == nil {
			f.Logger.Warn("exports that retention has passed could not be removed; it is tried again", "error", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// purge removes the files of announcements up to the floor, the oldest first. Until then the files of older generations stay
// beside the newest one's: somebody may be reading one, and a bucket keeps no file for those who have it open. A file goes before its record says so: a crash
// in between leaves a record that the next round meets again.
func (f *Fetcher) purge(ctx context.Context, floor event.Sequence) error {
	for after := uint64(0); ; {
		page, err := f.Exports.Available(ctx, after, 100)
		if err != nil {
			return err
		}
		for _, x := range page {
			if x.Seq > floor {
				return nil
			}
			after = x.Number
			if !x.Settled {
				continue // its event is yet to be appended
			}
			if err := f.Blobs.Delete(ctx, BlobName(x.Key())); err != nil {
				return err
			}
			if _, err := f.change(ctx, x, func(r *strawv1.Export) { r.State = strawv1.Export_PURGED }); err != nil {
				return err
			}
		}
		if len(page) == 0 {
			return nil
		}
	}
}
