package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// The background scrub: when it runs, and how fast.
const (
	scrubFirst = 10 * time.Minute
	scrubEvery = 24 * time.Hour
	scrubRate  = 32 << 20 // bytes per second
)

// Scrub reads all that the store holds from the disk: that every block of every table is what was written, and that every
// event, body, mark and id is there. It reads at most so many bytes per second; zero for no limit. What it finds fails the
// log and is an event.ErrCorrupt that names the file. It runs every day by itself, first some minutes after opening.
func (l *Log) Scrub(ctx context.Context, bytesPerSecond int) error {
	p := &pacer{ctx: ctx, rate: bytesPerSecond}
	began := time.Now()
	for _, check := range []func(*pacer) error{l.scrubTables, l.scrubEvents, l.scrubIDs} {
		if err := check(p); err != nil {
			return err
		}
	}
	l.opts.Logger.Info("scrubbed the store", "dir", l.dir, "bytes", p.total, "took", time.Since(began))
	return nil
}

// scrubTables reads the tables themselves, past the cache.
func (l *Log) scrubTables(p *pacer) error {
	names, err := l.tables()
	if err != nil {
		return err
	}
	o := l.opts.pebble()
	o.FS = l.fs
	o.EnsureDefaults()
	for name := range names {
		err := l.scrubTable(p, o.MakeReaderOptions(), name)
		if errors.Is(err, fs.ErrNotExist) {
			err = l.checkGone(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tables returns the files of all tables now.
func (l *Log) tables() (map[string]bool, error) {
	if err := l.enter(); err != nil {
		return nil, err
	}
	defer l.leave()
	levels, err := l.db.SSTables()
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, level := range levels {
		for _, table := range level {
			names[l.fs.PathJoin(l.dir, table.BackingSSTNum.String()+".sst")] = true
		}
	}
	return names, nil
}

// checkGone says what it means that a table can't be opened: it was merged into another meanwhile, or it is lost.
func (l *Log) checkGone(name string) error {
	names, err := l.tables()
	if err != nil || !names[name] {
		return err
	}
	return l.readError(fmt.Errorf("%w: %s is missing", event.ErrCorrupt, name))
}

func (l *Log) scrubTable(p *pacer, o sstable.ReaderOptions, name string) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	f, err := l.fs.Open(name)
	if err != nil {
		return err
	}
	readable, err := sstable.NewSimpleReadable(pacedFile{f, p})
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r, err := sstable.NewReader(p.ctx, readable, o)
	if err == nil {
		err = errors.Join(r.ValidateBlockChecksums(), r.Close())
	}
	if err != nil && p.ctx.Err() == nil {
		if pebble.IsCorruptionError(err) {
			err = fmt.Errorf("%w: %s: %v", event.ErrCorrupt, name, err)
		}
		return l.readError(err)
	}
	return p.ctx.Err()
}

// A pacedFile is read no faster than its pacer allows.
type pacedFile struct {
	vfs.File
	pacer *pacer
}

func (f pacedFile) ReadAt(b []byte, off int64) (int, error) {
	if err := f.pacer.pay(len(b)); err != nil {
		return 0, err
	}
	return f.File.ReadAt(b, off)
}

// A pacer spreads work over time.
type pacer struct {
	ctx   context.Context
	rate  int // bytes per second; zero for no limit
	debt  time.Duration
	total int64
}

// payAt is the debt that is worth waiting for.
const payAt = 20 * time.Millisecond

// pay waits for the time that n bytes cost.
func (p *pacer) pay(n int) error {
	p.total += int64(n)
	if p.rate == 0 {
		return p.ctx.Err()
	}
	if p.debt += time.Duration(n) * time.Second / time.Duration(p.rate); p.debt < payAt {
		return nil
	}
	t := time.NewTimer(p.debt)
	defer t.Stop()
	p.debt = 0
	select {
	case <-t.C:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

// runScrub scrubs again and again.
func (l *Log) runScrub(ctx context.Context) {
	for wait := scrubFirst; ; wait = scrubEvery {
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		if err := l.Scrub(ctx, scrubRate); err != nil && ctx.Err() == nil {
			l.opts.Logger.Error("scrubbing the store failed", "dir", l.dir, "err", err)
		}
	}
}
