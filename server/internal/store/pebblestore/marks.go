package pebblestore

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/straw-gateway/straw/server/internal/event"
)

// A markReader reads marks, and keeps the latest, for they are mostly read in pairs that move along.
type markReader struct {
	db   *pebble.DB
	last totals
}

var errNoMark = errors.New("no mark")

// at returns the log's figures up to event seq, which is a multiple of markEvery. It fails with errNoMark if there is none.
func (m *markReader) at(seq event.Sequence) (totals, error) {
	if seq == 0 {
		return noTotals, nil
	}
	if m.last.seq == seq {
		return m.last, nil
	}
	key := makeSequenceKey(keyMark, seq)
	value, closer, err := m.db.Get(key[:])
	if errors.Is(err, pebble.ErrNotFound) {
		return totals{}, fmt.Errorf("%w at event %d", errNoMark, seq)
	}
	if err != nil {
		return totals{}, err
	}
	defer closer.Close()
	t, err := decodeMark(seq, value)
	if err == nil {
		m.last = t
	}
	return t, err
}

// wanted reports whether any of the events after from, up to the mark to, has a type that want takes. It is true where a
// mark is missing, as it is just below the floor.
func (m *markReader) wanted(from, to event.Sequence, want func(event.TypeNumber) bool) (bool, error) {
	a, err := m.at(from)
	if err == nil {
		var b totals
		if b, err = m.at(to); err == nil {
			return anyWanted(a.byType, b.byType, want), nil
		}
	}
	if errors.Is(err, errNoMark) {
		return true, nil
	}
	return false, err
}

func anyWanted(before, after []uint64, want func(event.TypeNumber) bool) bool {
	for n, count := range after {
		if n < len(before) {
			count -= before[n]
		}
		if count > 0 && want(event.TypeNumber(n)) {
			return true
		}
	}
	return false
}

// lastMark returns the last mark between floor and head for whose figures still is true; floor if there is none. still must
// not become true again once it is false.
func (l *Log) lastMark(floor, head event.Sequence, still func(*totals) bool) (event.Sequence, error) {
	marks := markReader{db: l.db}
	low, high := floor/markEvery, head/markEvery // the answer is among these, both included
	for low < high {
		mid := low + (high-low+1)/2
		t, err := marks.at(mid * markEvery)
		switch {
		case errors.Is(err, errNoMark):
			return 0, l.hole(mid * markEvery)
		case err != nil:
			return 0, l.readError(err)
		case still(&t):
			low = mid
		default:
			high = mid - 1
		}
	}
	return low * markEvery, nil
}
