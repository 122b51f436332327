package export

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/fanout"
	"github.com/straw-gateway/straw/server/internal/store"
)

// How the fetcher goes about its work.
const (
	// workers is how many exports are attended to at once, and downloads how many of them download. The others wait for the
	// store, whose writes share an fsync.
	workers   = 32
	downloads = 4
	// minBackoff and maxBackoff bound the wait between two tries; it doubles with each.
	minBackoff = time.Second
	maxBackoff = 5 * time.Minute
	// resumePage is how many unfinished exports are read at once.
	resumePage = 100
	// deadTries is how often a link is tried that is dead before its time: the file may only be late.
	deadTries = 5
)

// ErrLinkExpired means that an export can't be fetched again, for Juicebox's link has died.
var ErrLinkExpired = errors.New("the export's link has expired")

// An Observer is told of what the fetcher does, for metrics. Its methods must not block.
type Observer interface {
	// ExportStored: a file of so many bytes was stored; took is what its last download took, left is how long its link would
	// have lived, negative if it was dead already.
	ExportStored(bytes int64, took, left time.Duration)
	// ExportRetried: a download failed and will be tried again.
	ExportRetried()
}

// FetcherOptions are what a fetcher works with. All but the last three are required.
type FetcherOptions struct {
	Log      store.Log
	Hub      *fanout.Hub
	Exports  store.Exports
	Blobs    blob.Blobs
	Client   *Client
	Observer Observer
	Logger   *slog.Logger
	// MinBackoff and MaxBackoff bound the wait between two tries; zero means one second, and five minutes.
	MinBackoff, MaxBackoff time.Duration
	// Now tells the time; nil means time.Now.
	Now func() time.Time
}

// A Fetcher brings every export that the log announces into the blob store, and appends to the log how that ended. It is a
// reader of the log whose position is durable, and everything it does can be done again: killed at any point, it takes up
// where it was.
type Fetcher struct {
	FetcherOptions
	tasks *tasks
	turns chan struct{} // has an element for each download that runs
}

// NewFetcher returns a fetcher that does nothing until it runs.
func NewFetcher(o FetcherOptions) *Fetcher {
	if o.MinBackoff == 0 {
		o.MinBackoff = minBackoff
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = maxBackoff
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Fetcher{FetcherOptions: o, tasks: newTasks(maxTaskBytes), turns: make(chan struct{}, downloads)}
}

// Run fetches until the context ends, and returns nil then. Errors: those of the log, after which it must not go on.
func (f *Fetcher) Run(ctx context.Context) error {
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error {
		if err := f.resume(ctx); err != nil {
			return err
		}
		return f.follow(ctx)
	})
	parts.Go(func() error { return f.refill(ctx) })
	parts.Go(func() error { f.housekeep(ctx); return nil })
	for range workers {
		parts.Go(func() error { f.work(ctx); return nil })
	}
	return ignoreCanceled(parts.Wait())
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Refetch fetches an export again as a new generation. Errors: event.ErrExportNotFound, ErrLinkExpired, those of the store.
func (f *Fetcher) Refetch(ctx context.Context, id string) (store.Export, error) {
	newest, err := f.Exports.Get(ctx, id)
	if err != nil {
		return store.Export{}, err
	}
	now := f.Now()
	if expires := newest.Record.GetUrlExpireTime().AsTime(); !now.Before(expires) {
		return store.Export{}, fmt.Errorf("%w: %q, at %s", ErrLinkExpired, id, expires.Format(time.RFC3339))
	}
	x, err := f.Exports.Refetch(ctx, id, now)
	if err == nil {
		f.tasks.add(x.Key(), now)
	}
	return x, err
}

// resume takes up what is unfinished, the oldest first, as far as there is room.
func (f *Fetcher) resume(ctx context.Context) error {
	for after := uint64(0); ; {
		var page []store.Export
		err := f.insist(ctx, "read what is left to be fetched", func() (err error) {
			page, err = f.Exports.Unsettled(ctx, after, resumePage)
			return err
		})
		if err != nil {
			return err
		}
		for _, x := range page {
			after = x.Number
			if !f.tasks.add(x.Key(), f.Now()) {
				return nil
			}
		}
		if len(page) == 0 {
			return nil
		}
	}
}

// refill takes up what there was no room for.
func (f *Fetcher) refill(ctx context.Context) error {
	for {
		select {
		case <-f.tasks.room:
			if err := f.resume(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// insist repeats what a store refuses for the moment, until the log has failed.
func (f *Fetcher) insist(ctx context.Context, what string, do func() error) error {
	for try := int32(1); ; try++ {
		err := do()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if errors.Is(err, event.ErrCorrupt) {
			return err
		}
		f.Logger.Warn("the store refuses, and is asked again", "what", what, "error", err)
		timer := time.NewTimer(f.backoff(try))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-f.Log.Failed():
			timer.Stop()
			return f.Log.Err()
		}
	}
}
