package export

import (
	"context"
	"errors"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/fanout"
	"github.com/straw-gateway/straw/server/internal/filter"
	"github.com/straw-gateway/straw/server/internal/store"
)

// keepProgress is how far the reader goes over a log without announcements before it writes its progress down.
const keepProgress = 64 << 10

// follow reads the log from where the progress is, and begins a generation for each announcement.
func (f *Fetcher) follow(ctx context.Context) error {
	selection, err := filter.New([]string{event.TypeExportReady}, "", f.Log.Types())
	if err != nil {
		return err
	}
	w := f.Hub.Join(selection)
	defer w.Leave()
	pos := f.Exports.Progress()
	for {
		pos = w.Skip(pos)
		w.At(pos)
		if pos < f.Hub.Head() {
			if pos, err = f.advance(ctx, selection, pos); err != nil {
				return err
			}
			continue
		}
		if err := f.wait(ctx, w, pos); err != nil {
			return err
		}
	}
}

func (f *Fetcher) wait(ctx context.Context, w *fanout.Waiter, pos event.Sequence) error {
	wake := w.Wait(pos)
	if wake == nil {
		return nil
	}
	select {
	case <-wake:
		return nil
	case <-f.Log.Failed():
		return f.Log.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// advance reads the next segment and returns the position after it.
func (f *Fetcher) advance(ctx context.Context, selection *filter.Selection, pos event.Sequence) (event.Sequence, error) {
	seg := f.Hub.Segment(pos)
	if seg == nil {
		var err error
		seg, err = f.Log.Read(ctx, pos, selection.MayWant)
		if errors.Is(err, event.ErrPassed) { // what is gone can't be fetched: its link has died long since
			return f.Log.Bounds().Floor, nil
		}
		if err != nil {
			return pos, err
		}
	}
	through := seg.Through()
	announced, err := f.announced(selection, seg, pos, through)
	if err != nil {
		return pos, err
	}
	if len(announced) == 0 && through < f.Exports.Progress()+keepProgress {
		return through, nil
	}
	return through, f.insist(ctx, "begin announced exports", func() error {
		begun, err := f.Exports.Announce(ctx, through, announced)
		for _, x := range begun {
			f.tasks.add(x.Key(), f.Now())
		}
		return err
	})
}

// announced returns a segment's announcements between two positions.
func (f *Fetcher) announced(selection *filter.Selection, seg *event.Segment, pos, through event.Sequence) ([]store.Announcement, error) {
	var announced []store.Announcement
	for i, entry := range seg.View() {
		if entry.Seq <= pos || entry.Seq > through || !selection.MayWant(entry.Type) {
			continue
		}
		e, err := seg.Decode(i)
		if err != nil {
			return nil, err
		}
		if ready := e.GetExportReady(); ready != nil && e.GetSource() == event.SourceJuicebox {
			announced = append(announced, store.Announcement{
				ExportID: ready.GetExportId(), Seq: entry.Seq, EventID: e.GetId(), Format: ready.GetFormat(),
				LinkExpires: ready.GetUrlExpireTime().AsTime(), Time: f.Now(),
			})
		}
	}
	return announced, nil
}
