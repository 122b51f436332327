package pebblestore

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// listener hears of what goes wrong inside Pebble.
func (l *Log) listener() *pebble.EventListener {
	return &pebble.EventListener{
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			l.fail(fmt.Errorf("%w: %s: %v", event.ErrCorrupt, i.Path, i.Details))
		},
		BackgroundError: func(err error) {
			// A full disk is told by Stats, and passes; it has been logged. A cancelled compaction is none.
			if noRoom(err) || errors.Is(err, pebble.ErrCancelledCompaction) {
				l.opts.Logger.Debug("the store could not tidy up", "dir", l.dir, "err", err)
				return
			}
			l.fail(fmt.Errorf("writing a table: %w", err))
		},
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
			l.opts.Logger.Warn("the disk can't keep up: appends wait", "reason", i.Reason)
		},
		WriteStallEnd: func() { l.opts.Logger.Info("the disk has caught up") },
	}
}

// slowDisk is how long an operation on the disk may take before it is logged.
const slowDisk = 5 * time.Second

func (l *Log) diskSlow(i vfs.DiskSlowInfo) {
	l.opts.Logger.Warn("the disk is slow", "file", i.Path, "op", i.OpType.String(), "took", i.Duration)
}

// logger is where Pebble logs.
type logger struct{ log *Log }

func (g logger) Infof(format string, args ...any) {
	g.log.opts.Logger.Debug(fmt.Sprintf(format, args...))
}

func (g logger) Errorf(format string, args ...any) {
	g.log.opts.Logger.Error(fmt.Sprintf(format, args...))
}

// Fatalf must not return: Pebble would go on as if nothing had happened, and might claim a success. The goroutine is held
// forever, with what it has locked; the process is about to end.
func (g logger) Fatalf(format string, args ...any) {
	g.log.hang(fmt.Errorf(format, args...))
}
