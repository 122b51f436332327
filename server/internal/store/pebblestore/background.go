package pebblestore

import (
	"context"
	"errors"
	"time"
)

// diskEvery is how often the free space is looked at.
const diskEvery = time.Second

// tryEvery is how often it is tried whether a disk that was too slow still is.
const tryEvery = time.Second

// start starts the goroutines that Close ends.
func (l *Log) start() {
	l.serving.Store(true)
	go l.runAppender()
	go l.runPublisher()
	var ctx context.Context
	ctx, l.stop = context.WithCancel(context.Background())
	if u, err := l.opts.FS.GetDiskUsage(l.dir); err == nil && u.TotalBytes > 0 {
		l.opts.Logger.Info("the store's disk", "dir", l.dir, "room", l.opts.room(u).String(), "total_bytes", u.TotalBytes, "free_bytes", u.AvailBytes,
			"floor_bytes", l.opts.room(u).Floor)
	}
	l.checkDisk()
	l.every(ctx, diskEvery, func() error {
		l.checkDisk()
		l.clock.now() // or a jump isn't noticed
		return l.checkTables()
	})
	l.every(ctx, tryEvery, func() error { return l.tryWriting(ctx) })
	l.background.Go(func() { l.runScrub(ctx) })
	l.every(ctx, retentionEvery, func() error { return l.Retain(ctx) })
}

// every does something again and again until the log is closed.
func (l *Log) every(ctx context.Context, interval time.Duration, do func() error) {
	l.background.Go(func() {
		t := time.NewTicker(interval)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-l.failure.failed:
				return
			case <-t.C:
			}
			if err := do(); err != nil && !errors.Is(err, context.Canceled) {
				l.opts.Logger.Error("background work on the store failed", "dir", l.dir, "err", err)
			}
		}
	})
}

// checkTables looks up to which batch everything is in tables, and how large they are: Pebble walks all its files to tell, too
// much for whoever asks for Stats.
func (l *Log) checkTables() error {
	if err := l.enter(); err != nil {
		return err
	}
	defer l.leave()
	h, err := tablesHead(l.db)
	if err != nil {
		return l.readError(err)
	}
	l.waterline.tables.Store(h.commit)
	l.figures.sized(l.db.Metrics().DiskSpaceUsage())
	return nil
}
