package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2"

	"github.com/straw-gateway/straw/server/internal/store"
)

// partial marks a directory in which a backup isn't complete.
const partial = ".partial"

// Backup writes a copy of the store into a new directory on the same file system, and checks all of it. The copy holds what
// was durable at one moment, at which nothing was being written; opening it is restoring it. It is an incarnation of its
// own: the original's cursors from before that moment are good in it, and those from after it are ahead of it. It returns
// the copy's bounds. What is left of an earlier attempt is removed; a directory that exists already is not.
func (l *Log) Backup(ctx context.Context, dir string) (store.Bounds, error) {
	dir = absolute(l.opts.FS, dir)
	b, err := l.backup(ctx, dir)
	if err != nil {
		return b, fmt.Errorf("backing up the store to %s: %w", dir, err)
	}
	l.opts.Logger.Info("backed up the store", "dir", l.dir, "to", dir, "through", b.Head)
	return b, nil
}

func (l *Log) backup(ctx context.Context, dir string) (b store.Bounds, err error) {
	if _, err := l.opts.FS.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return b, errors.Join(errors.New("it exists already"), err)
	}
	if err := l.removePartial(dir + partial); err != nil {
		return b, err
	}
	if err := l.makeFolder(l.opts.FS.PathDir(dir)); err != nil {
		return b, err
	}
	if err := l.checkpoint(ctx, dir+partial); err != nil {
		return b, err
	}
	if b, err = l.finishCopy(ctx, dir+partial); err != nil {
		return b, err
	}
	if err := l.opts.FS.Rename(dir+partial, dir); err != nil {
		return b, err
	}
	return b, l.syncDir(l.opts.FS.PathDir(dir))
}

// removePartial removes what is left of an earlier attempt, and nothing else.
func (l *Log) removePartial(dir string) error {
	f, err := readFolder(l.opts.FS, dir)
	if err != nil {
		return err
	}
	if len(f.names) > 0 && !f.isDatabase() {
		return fmt.Errorf("%s is in the way, and isn't what an earlier attempt left: it holds %s", dir, some(f.names))
	}
	return l.opts.FS.RemoveAll(dir)
}

func (l *Log) syncDir(name string) error {
	d, err := l.opts.FS.OpenDir(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// checkpoint copies the database while nothing is written to it: Pebble may copy half of what is being written to its log.
func (l *Log) checkpoint(ctx context.Context, dir string) error {
	// Most of the log goes to tables first, so that there is little left to copy during the pause.
	if err := l.flush(); err != nil {
		return err
	}
	var copyErr error
	g, err := l.queue.addPause(func() {
		if copyErr = ctx.Err(); copyErr == nil {
			copyErr = l.db.Checkpoint(dir, pebble.WithFlushedWAL())
		}
	})
	if err != nil {
		return err
	}
	if err := l.await(ctx, g, nil); err != nil {
		return err
	}
	return errors.Join(g.err, copyErr)
}

// finishCopy makes a copy an incarnation of its own and reads all of it.
func (l *Log) finishCopy(ctx context.Context, dir string) (b store.Bounds, err error) {
	o := Options{FS: l.opts.FS, Logger: l.opts.Logger, CacheBytes: 8 << 20, MemtableBytes: l.opts.MemtableBytes, incarnate: true}
	c, err := Open(dir, o)
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return c.Bounds(), c.Scrub(ctx, 0)
}
