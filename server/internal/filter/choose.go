package filter

import (
	"sync/atomic"

	"github.com/straw-gateway/straw/server/internal/event"
)

// Verdicts on an event, as shared by a segment's readers.
const (
	unknown uint32 = iota
	refused
	chosen
)

// Choose reports whether the selection takes the i-th event of a segment, whose entry is e. What the expression says is remembered in the
// segment: it is asked once an event by all readers with this selection. failed tells, to the reader that asked it, that it
// could not be evaluated. verdicts must be nil for the first event of a segment, and is kept for the others. It fails with
// event.ErrCorrupt.
func (s *Selection) Choose(seg *event.Segment, i int, e event.Entry, verdicts *[]atomic.Uint32) (ok, failed bool, err error) {
	wanted, unsure := s.Wants(e.Type)
	if unsure {
		wanted = s.WantsType(event.TypeOf(seg.Bytes(e.Body, e.End)))
	}
	if !wanted || s.program == nil {
		return wanted, false, nil
	}
	if *verdicts == nil {
		*verdicts = seg.Verdicts(s)
	}
	verdict := &(*verdicts)[i]
	if v := verdict.Load(); v != unknown {
		return v == chosen, false, nil
	}
	m, err := seg.Decode(i)
	if err != nil {
		return false, false, err
	}
	ok, evalErr := s.Match(m)
	if ok {
		verdict.Store(chosen)
	} else {
		verdict.Store(refused)
	}
	return ok, evalErr != nil, nil
}
