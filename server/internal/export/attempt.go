package export

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// work does what is due, until the context ends.
func (f *Fetcher) work(ctx context.Context) {
	for try := int32(0); ; {
		key, ok := f.tasks.take(ctx, f.Now)
		if !ok {
			return
		}
		again, err := f.attend(ctx, key)
		switch {
		case ctx.Err() != nil:
			return // what is unfinished is found again
		case err != nil:
			try++
			f.Logger.Warn("an export waits for the gateway's store", "export", key.ID, "generation", key.Generation, "error", err)
			f.tasks.again(key, f.Now().Add(f.backoff(try)))
		case again.IsZero():
			try = 0
			f.tasks.done(key)
		default:
			try = 0
			f.tasks.again(key, again)
		}
	}
}

// attend brings a generation as far as it gets now, and returns when to go on; zero if it is finished. Errors are the
// stores'.
func (f *Fetcher) attend(ctx context.Context, key store.ExportKey) (again time.Time, err error) {
	x, err := f.Exports.Generation(ctx, key)
	if err != nil || x.Settled {
		return time.Time{}, err
	}
	switch x.Record.GetState() {
	case strawv1.Export_PENDING, strawv1.Export_DOWNLOADING:
		if x, again, err = f.try(ctx, x); err != nil || !again.IsZero() {
			return again, err
		}
	}
	return time.Time{}, f.settle(ctx, x)
}

// try downloads a generation. Without an error, it is finished or again says when to try next.
func (f *Fetcher) try(ctx context.Context, x store.Export) (_ store.Export, again time.Time, err error) {
	name := BlobName(x.Key())
	if f.expired(x) {
		switch info, err := f.Blobs.Stat(ctx, name); {
		case err == nil: // just before a crash
			x, err = f.stored(ctx, x, info, 0)
			return x, again, err
		case !errors.Is(err, blob.ErrNotFound) && !errors.Is(err, blob.ErrCorrupt):
			return x, again, err
		}
		x, err = f.giveUp(ctx, x, strawv1.Export_EXPIRED, "the link expired before the file could be fetched"+after(x.Record.GetLastError()))
		return x, again, err
	}
	link, err := f.link(ctx, x)
	if errors.Is(err, event.ErrNotFound) {
		x, err = f.giveUp(ctx, x, strawv1.Export_FAILED, "retention removed the event that has its link")
		return x, again, err
	}
	if err != nil {
		return x, again, err
	}
	release, err := f.turn(ctx)
	if err != nil {
		return x, again, err
	}
	defer release()
	x, err = f.change(ctx, x, func(r *strawv1.Export) { r.State = strawv1.Export_DOWNLOADING; r.Attempts++ })
	if err != nil {
		return x, again, err
	}
	began := f.Now()
	info, failure := Fetch(ctx, f.Client, f.Blobs, name, link)
	release()
	if ctx.Err() != nil {
		return x, again, ctx.Err()
	}
	if failure == nil {
		x, err = f.stored(ctx, x, info, f.Now().Sub(began))
		return x, again, err
	}
	return f.failed(ctx, x, failure)
}

// turn waits until one more download may run, which release ends. release may be called again.
func (f *Fetcher) turn(ctx context.Context) (release func(), err error) {
	select {
	case f.turns <- struct{}{}:
		return sync.OnceFunc(func() { <-f.turns }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func after(lastError string) string {
	if lastError == "" {
		return ""
	}
	return "; the last try: " + lastError
}

func (f *Fetcher) expired(x store.Export) bool {
	return !f.Now().Before(x.Record.GetUrlExpireTime().AsTime())
}

// link reads an export's link from its event: nothing else keeps it.
func (f *Fetcher) link(ctx context.Context, x store.Export) (string, error) {
	stored, err := f.Log.Get(ctx, event.SourceJuicebox, x.EventID)
	if err != nil {
		return "", err
	}
	e, err := stored.Decode(f.Log.Identity())
	return e.GetExportReady().GetDownloadUrl(), err
}

func (f *Fetcher) stored(ctx context.Context, x store.Export, info blob.Info, took time.Duration) (store.Export, error) {
	x, err := f.change(ctx, x, func(r *strawv1.Export) {
		r.State, r.LastError = strawv1.Export_AVAILABLE, ""
		r.ContentType, r.SizeBytes, r.Sha256 = info.Origin.ContentType, info.Size, hexSum(info)
	})
	if err != nil {
		return x, err
	}
	left := x.Record.GetUrlExpireTime().AsTime().Sub(f.Now())
	f.Observer.ExportStored(info.Size, took, left)
	f.Logger.Info("stored an export", "export", x.Key().ID, "generation", x.Key().Generation, "bytes", info.Size, "took", took)
	return x, nil
}

// failed decides what becomes of a generation after a try that failed.
func (f *Fetcher) failed(ctx context.Context, x store.Export, failure error) (_ store.Export, again time.Time, err error) {
	reason := f.reason(x, failure)
	dead := errors.Is(failure, ErrLinkDead)
	switch {
	case dead && (f.expired(x) || x.Record.GetAttempts() >= deadTries):
		x, err = f.giveUp(ctx, x, strawv1.Export_EXPIRED, reason)
		return x, again, err
	case Permanent(failure) && !dead:
		x, err = f.giveUp(ctx, x, strawv1.Export_FAILED, reason)
		return x, again, err
	case errors.Is(failure, blob.ErrCorrupt):
		if err := f.Blobs.Delete(ctx, BlobName(x.Key())); err != nil {
			return x, again, err
		}
	}
	x, err = f.change(ctx, x, func(r *strawv1.Export) { r.State, r.LastError = strawv1.Export_PENDING, reason })
	if err != nil {
		return x, again, err
	}
	f.Observer.ExportRetried()
	return x, f.next(x, failure), nil
}

// reason is what is told of a failure. What isn't a download's may name places of this machine: it goes to the log alone.
func (f *Fetcher) reason(x store.Export, failure error) string {
	if e, ok := errors.AsType[*DownloadError](failure); ok {
		f.Logger.Info("the download of an export failed", "export", x.Key().ID, "generation", x.Key().Generation, "error", e)
		return e.Error()
	}
	f.Logger.Warn("an export could not be stored", "export", x.Key().ID, "generation", x.Key().Generation, "error", failure)
	for _, known := range []error{event.ErrFull, event.ErrUnavailable, blob.ErrCorrupt} {
		if errors.Is(failure, known) {
			return "the gateway could not store the file: " + known.Error()
		}
	}
	return "the gateway could not store the file; its log says why"
}

// giveUp ends a generation without a file.
func (f *Fetcher) giveUp(ctx context.Context, x store.Export, state strawv1.Export_State, reason string) (store.Export, error) {
	if err := f.Blobs.Delete(ctx, BlobName(x.Key())); err != nil && !errors.Is(err, blob.ErrBusy) {
		return x, err
	}
	f.Logger.Warn("gave an export up", "export", x.Key().ID, "generation", x.Key().Generation, "state", state, "reason", reason)
	return f.change(ctx, x, func(r *strawv1.Export) { r.State, r.LastError = state, reason })
}

// change updates a generation's record.
func (f *Fetcher) change(ctx context.Context, x store.Export, change func(*strawv1.Export)) (store.Export, error) {
	return f.Exports.Update(ctx, x.Key(), func(x *store.Export) error {
		change(x.Record)
		x.Record.UpdateTime = timestamppb.New(f.Now())
		return nil
	})
}

// next is when to try again: after a wait that grows, or the one that the server asks for; when the link expires at the
// latest, to say so.
func (f *Fetcher) next(x store.Export, failure error) time.Time {
	wait := f.backoff(x.Record.GetAttempts())
	if e, ok := errors.AsType[*DownloadError](failure); ok {
		wait = max(wait, e.RetryAfter)
	}
	at := f.Now().Add(wait)
	if expires := x.Record.GetUrlExpireTime().AsTime(); at.After(expires) {
		return expires
	}
	return at
}

// backoff is the wait after a number of tries: at least half of a bound that doubles, so that exports that failed together
// come back apart.
func (f *Fetcher) backoff(tries int32) time.Duration {
	bound := f.MaxBackoff
	if shift := max(tries-1, 0); shift < 16 {
		bound = min(f.MinBackoff<<shift, f.MaxBackoff)
	}
	return bound/2 + rand.N(bound/2+1)
}
