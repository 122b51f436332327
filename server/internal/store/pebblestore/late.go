package pebblestore

import (
	"context"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// noteLate notes that a call was left by its caller although it had waited for long: until another is answered in time, whoever
// comes will fare no better. That one sync has ended meanwhile says nothing, for each may take too long.
func (l *Log) noteLate(g *group) {
	if waited := time.Since(g.queued); waited >= l.opts.stalled {
		l.late.Store(int64(waited))
	}
}

// noteDone notes that a call was answered: in time if it met its caller's deadline, or took little. What needed no sync doesn't
// count.
func (l *Log) noteDone(ctx context.Context, c *call, g *group) {
	if l.late.Load() == 0 || g.err != nil || g.commit == 0 {
		return
	}
	_, limited := ctx.Deadline()
	if limited && c.draft != nil || time.Since(g.queued) < l.opts.stalled {
		l.late.Store(0)
	}
}

// tryWriting finds out whether the disk is well again after a call came too late: a gateway that is not ready is sent nothing by
// which it could tell. While something is being written, that tells.
func (l *Log) tryWriting(ctx context.Context) error {
	if l.late.Load() == 0 || l.disk.refusal() != nil || l.writing.lasts() > 0 || l.settling.lasts() > 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.opts.stalled)
	defer cancel()
	_ = l.commit(ctx, 64, func(*pebble.Batch) {}) // what comes of it is noted
	return nil
}
