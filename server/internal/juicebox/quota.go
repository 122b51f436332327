// Package juicebox is about Juicebox's side of things: its own API, and what its quota warnings say of that. While the quota is
// used up, calls are held.
//
// It never receives webhooks; that is ingest's work.
package juicebox

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/fanout"
	"github.com/straw-gateway/straw/server/internal/filter"
	"github.com/straw-gateway/straw/server/internal/store"
)

// Quota follows the log's quota.warning events and keeps the newest.
type Quota struct {
	log    store.Log
	hub    *fanout.Hub
	latest atomic.Pointer[strawv1.Event]
}

// NewQuota returns a follower that knows nothing until it runs.
func NewQuota(log store.Log, hub *fanout.Hub) *Quota { return &Quota{log: log, hub: hub} }

// Latest returns the newest quota.warning event; nil if none was seen yet. Shared: never change it.
func (q *Quota) Latest() *strawv1.Event { return q.latest.Load() }

// lookBack is how many events the search for the newest warning begins with; each further stretch is twice as long.
const lookBack = 1024

// Run finds the newest warning in the log and then follows it, until the context ends or the log fails.
func (q *Quota) Run(ctx context.Context) error {
	selection, err := filter.New([]string{event.TypeQuotaWarning}, "", q.log.Types())
	if err != nil {
		return err
	}
	w := q.hub.Join(selection)
	defer w.Leave()
	pos := q.hub.Head()
	if err := q.search(ctx, selection, pos); err != nil {
		return ignoreCanceled(err)
	}
	for {
		pos = w.Skip(pos)
		w.At(pos)
		if head := q.hub.Head(); pos < head {
			if _, err := q.scan(ctx, selection, pos, head); err != nil {
				return ignoreCanceled(err)
			}
			pos = head
			continue
		}
		wake := w.Wait(pos)
		if wake == nil {
			continue
		}
		select {
		case <-wake:
		case <-q.log.Failed():
			return q.log.Err()
		case <-ctx.Done():
			return nil
		}
	}
}

// search goes back from end in growing stretches until one has a warning.
func (q *Quota) search(ctx context.Context, selection *filter.Selection, end event.Sequence) error {
	for size := event.Sequence(lookBack); ; size *= 2 {
		floor := q.log.Bounds().Floor
		if end <= floor {
			return nil
		}
		start := floor
		if end-floor > size {
			start = end - size
		}
		if found, err := q.scan(ctx, selection, start, end); found || err != nil {
			return err
		}
		end = start
	}
}

// scan reads the log between two positions and keeps the last warning that it meets.
func (q *Quota) scan(ctx context.Context, selection *filter.Selection, pos, end event.Sequence) (found bool, err error) {
	for pos < end {
		seg, err := q.read(ctx, selection, pos)
		if errors.Is(err, event.ErrPassed) {
			pos = max(pos, q.log.Bounds().Floor)
			continue
		}
		if err != nil {
			return found, err
		}
		pos = seg.Through()
		e, err := newest(selection, seg)
		if err != nil {
			return found, err
		}
		if e != nil {
			q.latest.Store(e)
			found = true
		}
	}
	return found, nil
}

// read returns the part of the log after a position, the hub's if it still has it.
func (q *Quota) read(ctx context.Context, selection *filter.Selection, pos event.Sequence) (*event.Segment, error) {
	if seg := q.hub.Segment(pos); seg != nil {
		return seg, nil
	}
	return q.log.Read(ctx, pos, selection.MayWant)
}

// newest returns a segment's last warning; nil if it has none.
func newest(selection *filter.Selection, seg *event.Segment) (*strawv1.Event, error) {
	entries := seg.View()
	for i, entrie := range slices.Backward(entries) {
		if !selection.MayWant(entrie.Type) {
			continue
		}
		e, err := seg.Decode(i)
		if err != nil || e.GetQuotaWarning() != nil {
			return e, err
		}
	}
	return nil, nil
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
