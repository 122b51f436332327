package pebblestore

import (
	"fmt"
	"sync/atomic"

	"github.com/straw-gateway/straw/server/internal/event"
)

// A disk knows whether there is room for more.
type disk struct {
	problem, warning atomic.Pointer[string]
	// written counts the bytes since the last look.
	written atomic.Int64
}

// lookAfter is how many bytes are written before the disk is looked at again, however soon that is.
const lookAfter = 64 << 20

// refusal is event.ErrFull while there is no room; nil otherwise.
func (d *disk) refusal() error {
	if p := d.problem.Load(); p != nil {
		return fmt.Errorf("%w: %s", event.ErrFull, *p)
	}
	return nil
}

// wrote tells that bytes were written, and reports whether it is time to look.
func (d *disk) wrote(n int) bool { return d.written.Add(int64(n)) >= lookAfter }

// checkDisk looks how much room there is.
func (l *Log) checkDisk() {
	l.disk.written.Store(0)
	u, err := l.opts.FS.GetDiskUsage(l.dir)
	if err != nil || u.TotalBytes == 0 {
		return // not every file system tells
	}
	// Pebble ends the process if it can't write out what is in memory, so that much must stay free, too.
	limit := l.opts.MinFreeBytes + memtables*uint64(l.opts.MemtableBytes)
	var problem, warning string
	if u.AvailBytes < limit {
		problem = fmt.Sprintf("%s is free on the disk of %s, and %s must be", mebibytes(u.AvailBytes), l.dir, mebibytes(limit))
	} else if u.AvailBytes < u.TotalBytes/10 {
		warning = fmt.Sprintf("less than a tenth of the disk of %s is free: %s", l.dir, mebibytes(u.AvailBytes))
	}
	l.report(&l.disk.problem, problem, "the disk has room again")
	l.report(&l.disk.warning, warning, "the disk has plenty of room again")
}

func mebibytes(n uint64) string { return fmt.Sprintf("%d MiB", n>>20) }

// report keeps a sentence, and logs when it comes and when it goes.
func (l *Log) report(at *atomic.Pointer[string], sentence, over string) {
	var next *string
	if sentence != "" {
		next = &sentence
	}
	switch was := at.Swap(next); {
	case was == nil && next != nil:
		l.opts.Logger.Warn(sentence)
	case was != nil && next == nil:
		l.opts.Logger.Info(over, "dir", l.dir)
	}
}
