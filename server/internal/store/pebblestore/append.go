package pebblestore

import (
	"context"

	"github.com/cockroachdb/pebble/v2"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// Append stores an event and returns once it, or the original of which it is a duplicate, is on the disk.
func (l *Log) Append(ctx context.Context, d *event.Draft) (store.Receipt, error) {
	if err := l.disk.refusal(); err != nil {
		return store.Receipt{}, err
	}
	c, err := l.submit(ctx, call{draft: d}, len(d.Encoded)+len(d.Raw))
	if err != nil {
		return store.Receipt{}, err
	}
	return c.receipt, nil
}

// commit adds another writer's mutations to the next batch, of about size bytes, and returns once they are on the disk.
// They are applied in the order of the commits. write is called once, on the appender's goroutine, and must not block.
func (l *Log) commit(ctx context.Context, size int, write func(*pebble.Batch)) error {
	_, err := l.submit(ctx, call{write: write}, size)
	return err
}

// submit hands a call to the appender and waits for its result.
func (l *Log) submit(ctx context.Context, c call, size int) (*call, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := l.refusal(); err != nil {
		return nil, err
	}
	var none chan struct{}
	if c.draft != nil { // which may be left behind, for the same event is a duplicate later
		none = *l.disk.none.Load()
	}
	g, i, err := l.queue.add(c, size)
	if err != nil {
		return nil, err
	}
	if err := l.await(ctx, g, none); err != nil {
		if ctx.Err() != nil {
			l.noteLate(g)
		}
		return nil, err
	}
	l.noteDone(ctx, &c, g)
	return &g.calls[i], g.err
}

// await waits for a group, or until none is closed.
func (l *Log) await(ctx context.Context, g *group, none <-chan struct{}) error {
	select {
	case <-g.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-none:
		return l.disk.gone()
	case <-l.failure.failed:
		return l.refusal()
	}
}
