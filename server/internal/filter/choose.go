package filter

import (
	"context"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/share"
)

// A Chooser asks a selection about the events of segment after segment, for one reader; not for concurrent use. What the
// expression says is remembered where others will ask the same: in a shared segment, while others read with this filter.
type Chooser struct {
	Selection *Selection
	// Shared reports whether others want the same; nil: nobody does.
	Shared func() bool
	// Turn is the reader's share of the processor, which it takes for what must be evaluated; nil: it needn't wait. The reader
	// gives it back.
	Turn *share.Turn

	segment  *event.Segment
	verdicts *event.Verdicts // of segment; may be nil
	seq      event.Sequence  // what was decided last, for a reader that comes back to it with the next frame
	chosen   bool
}

// Choose reports whether the selection takes the i-th event of a segment, whose entry is e. failed tells, to the reader that
// asked it, that the expression could not be evaluated. Errors: event.ErrCorrupt, and those of Turn.Take.
func (c *Chooser) Choose(ctx context.Context, seg *event.Segment, i int, e event.Entry) (ok, failed bool, err error) {
	s := c.Selection
	wanted, unsure := s.Wants(e.Type)
	if unsure {
		wanted = s.WantsType(event.TypeOf(seg.Bytes(e.Body, e.End)))
	}
	if !wanted || s.program == nil {
		return wanted, false, nil
	}
	if e.Seq == c.seq {
		return c.chosen, false, nil
	}
	c.enter(seg)
	if v := c.remembered(i); v != event.Unknown {
		return v == event.Chosen, false, nil
	}
	if err := c.Turn.Take(ctx); err != nil {
		return false, false, err
	}
	if v := c.remembered(i); v != event.Unknown { // another reader has asked meanwhile
		return v == event.Chosen, false, nil
	}
	if ok, failed, err = c.evaluate(seg, i); err != nil {
		return false, false, err
	}
	c.seq, c.chosen = e.Seq, ok
	return ok, failed, nil
}

// Leave lets go of the segment: a reader that waits must not keep it.
func (c *Chooser) Leave() { c.segment, c.verdicts = nil, nil }

// enter finds the verdicts of a segment, unless the reader is in it already.
func (c *Chooser) enter(seg *event.Segment) {
	if c.segment == seg {
		return
	}
	c.segment, c.verdicts = seg, nil
	if c.Shared != nil && c.Shared() {
		c.verdicts = seg.Verdicts(c.Selection.program.key)
	}
}

func (c *Chooser) remembered(i int) event.Verdict {
	if c.verdicts == nil {
		return event.Unknown
	}
	return c.verdicts.Get(i)
}

func (c *Chooser) evaluate(seg *event.Segment, i int) (ok, failed bool, err error) {
	m, err := seg.Decode(i)
	if err != nil {
		return false, false, err
	}
	ok, evalErr := c.Selection.Match(m)
	if c.verdicts != nil {
		verdict := event.Refused
		if ok {
			verdict = event.Chosen
		}
		c.verdicts.Set(i, verdict)
	}
	return ok, evalErr != nil, nil
}
