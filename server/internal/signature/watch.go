package signature

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settle is how long a change is left alone before the file is read: editors empty a file before they fill it.
	settle = 100 * time.Millisecond
	// pollEvery bounds how late a change is seen where the file system announces none, as network ones don't.
	pollEvery = 10 * time.Second
)

// Watch keeps the set up to date with its file until ctx ends, and then returns nil; without a file it returns at once. A
// file that can't be read, or holds no usable secret, changes nothing and is logged. Call it once per set.
func (s *Set) Watch(ctx context.Context, log *slog.Logger) error {
	if s.path == "" {
		return nil
	}
	log = log.With("file", s.path)
	// The directory, not the file: editors replace a file, and Kubernetes swaps a link beside it.
	dir := filepath.Dir(s.path)
	w := &fsnotify.Watcher{} // its channels are nil and never ready, which leaves the polling
	if opened, err := fsnotify.NewWatcher(); err != nil {
		log.Warn("file changes can't be watched here; the webhook secrets are polled", "error", err)
	} else {
		defer opened.Close()
		w = opened
	}
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	s.follow(ctx, log, w, dir, poll.C)
	return nil
}

// follow re-reads the file a moment after each event, and at each tick of poll.
func (s *Set) follow(ctx context.Context, log *slog.Logger, w *fsnotify.Watcher, dir string, poll <-chan time.Time) {
	watch := func() {
		if w.Events != nil {
			_ = w.Add(dir) // again at each poll, for the directory may have been replaced; polling covers a failure
		}
	}
	watch()
	reader := reader{set: s, log: log}
	reader.read() // what changed between Open and the watch
	var settled <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.Events:
		case err := <-w.Errors:
			log.Debug("file changes were missed; the webhook secrets are read again", "error", err)
		case <-settled:
			settled = nil
			reader.read()
			continue
		case <-poll:
			watch()
			reader.read()
			continue
		}
		if settled == nil {
			settled = time.After(settle)
		}
	}
}

// A reader re-reads the file and logs what came of it, the same failure once.
type reader struct {
	set     *Set
	log     *slog.Logger
	failure string
}

func (r *reader) read() {
	changed, err := r.set.reload()
	switch {
	case err != nil && err.Error() != r.failure:
		r.failure = err.Error()
		r.log.Error("the webhook secrets file can't be used; the secrets read before stay in force", "error", err)
	case err == nil && (changed || r.failure != ""):
		r.failure = ""
		r.log.Info("the webhook secrets were read again", "fingerprints", r.set.fingerprints())
		if weak := r.set.Weak(); len(weak) > 0 {
			r.log.Warn("webhook secrets are so short that they may be found out by trying", "fingerprints", weak, "recommended_characters", GoodLength)
		}
	}
}
