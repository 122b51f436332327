// Package juicebox is about Juicebox's side of things: what its quota warnings say of its own API.
//
// It never receives webhooks; that is ingest's work.
package juicebox

import (
	"context"
	"errors"
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

// Run reads the log from its oldest event and then follows it, until the context ends or the log fails.
func (q *Quota) Run(ctx context.Context) error {
	selection, err := filter.New([]string{event.TypeQuotaWarning}, "", q.log.Types())
	if err != nil {
		return err
	}
	w := q.hub.Join(selection)
	defer w.Leave()
	for pos := q.log.Bounds().Floor; ; {
		pos = w.Skip(pos)
		if pos < q.hub.Head() {
			if pos, err = q.read(ctx, selection, pos); err != nil {
				return ignoreCanceled(err)
			}
			continue
		}
		w.At(pos)
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

// read takes in one segment and returns the position after it.
func (q *Quota) read(ctx context.Context, selection *filter.Selection, pos event.Sequence) (event.Sequence, error) {
	seg, err := q.log.Read(ctx, pos, selection.MayWant)
	if errors.Is(err, event.ErrPassed) {
		return q.log.Bounds().Floor, nil
	}
	if err != nil {
		return pos, err
	}
	through := seg.Through()
	for i := range seg.View() {
		e, err := seg.Decode(i)
		if err != nil {
			return pos, err
		}
		if e.GetQuotaWarning() != nil {
			q.latest.Store(e)
		}
	}
	return through, nil
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
