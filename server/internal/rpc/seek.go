package rpc

import (
	"context"
	"math"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/filter"
	"github.com/straw-gateway/straw/server/internal/share"
)

// maxCountScan is how many events are looked at to count exactly.
const maxCountScan = 1_000_000

func (s *subscriptionService) SeekSubscription(ctx context.Context, req *strawv1.SeekSubscriptionRequest) (*strawv1.SeekSubscriptionResponse, error) {
	id := req.GetSubscriptionId()
	at := startOf(req)
	if at == (start{}) {
		return nil, invalidField("start", "it is missing; set after, start_time or start_position")
	}
	v, err := s.subscriptions.Get(ctx, id)
	if err != nil {
		return nil, subscriptionError(id, err)
	}
	selection, err := compile(ctx, s.share, v.Definition.GetTypes(), v.Definition.GetFilter(), s.log.Types())
	if err != nil {
		return nil, err
	}
	var resp *strawv1.SeekSubscriptionResponse
	err = s.move(ctx, at, func(after event.Sequence) (err error) {
		if floor := s.log.Bounds().Floor; after < floor {
			return event.ErrPassed
		}
		if resp, err = s.count(ctx, selection, after); err != nil || req.GetDryRun() {
			return err
		}
		return s.subscriptions.Seek(ctx, id, after)
	})
	if err != nil {
		return nil, subscriptionError(id, err)
	}
	return resp, nil
}

// count counts what a selection takes of the log after a position.
func (s *subscriptionService) count(ctx context.Context, selection *filter.Selection, after event.Sequence) (*strawv1.SeekSubscriptionResponse, error) {
	head := s.hub.Head()
	if selection.AllTypes() && !selection.Filters() {
		return &strawv1.SeekSubscriptionResponse{OwedCount: int64(head - min(head, after))}, nil
	}
	turn := s.share.Turn(share.CallerOf(ctx))
	defer turn.Give()
	chooser := filter.Chooser{Selection: selection, Turn: &turn}
	matched := int64(0)
	for at := after; at < head; {
		if scanned := at - after; scanned >= maxCountScan {
			rest := float64(matched) / float64(scanned) * float64(head-at)
			return &strawv1.SeekSubscriptionResponse{OwedCount: matched + int64(math.Round(rest)), Estimated: true}, nil
		}
		seg := s.hub.Segment(at)
		if seg == nil {
			err := turn.Take(ctx)
			if err != nil {
				return nil, err
			}
			if seg, err = s.log.Read(ctx, at, selection.MayWant); err != nil {
				return nil, err
			}
		}
		through := min(head, seg.Through()) // before the view: the segment may grow in between
		n, err := countSegment(ctx, &chooser, seg, at, through)
		if err != nil {
			return nil, err
		}
		matched += n
		at = through
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return &strawv1.SeekSubscriptionResponse{OwedCount: matched}, nil
}

func countSegment(ctx context.Context, chooser *filter.Chooser, seg *event.Segment, after, through event.Sequence) (n int64, err error) {
	defer chooser.Leave()
	for i, e := range seg.View() {
		if e.Seq <= after || e.Seq > through {
			continue
		}
		ok, _, err := chooser.Choose(ctx, seg, i, e)
		if err != nil {
			return 0, err
		}
		if ok {
			n++
		}
	}
	return n, nil
}
