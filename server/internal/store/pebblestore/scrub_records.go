package pebblestore

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/straw-gateway/straw/server/internal/event"
)

// scrubStep is how many records are read with one iterator, and scrubBytes after how many bytes it is given up: one that is
// held for long keeps old tables on the disk.
const (
	scrubStep  = 16 << 10
	scrubBytes = 8 << 20
)

// scrubEvents checks that every event from the floor to the head is there and decodes, with its body, and that the marks
// count what is there.
func (l *Log) scrubEvents(p *pacer) error {
	t, head := noTotals, l.Bounds().Head
	t.byType = slices.Clone(t.byType)
	for t.seq < head {
		size, err := l.scrubStretch(&t, head)
		if floor := l.Bounds().Floor; floor > t.seq {
			// Retention has passed, and what seemed to be missing may have been removed.
			if t, err = l.floorTotals(floor); errors.Is(err, event.ErrPassed) {
				continue
			}
		}
		if err != nil {
			return err
		}
		if err := p.pay(size); err != nil {
			return err
		}
	}
	return nil
}

// floorTotals returns the figures up to the floor.
func (l *Log) floorTotals(floor event.Sequence) (totals, error) {
	if err := l.enter(); err != nil {
		return totals{}, err
	}
	defer l.leave()
	t, err := l.mark(floor)
	t.byType = slices.Clone(t.byType)
	return t, err
}

// mark returns the mark of an event, which must have one unless retention has passed it.
func (l *Log) mark(seq event.Sequence) (totals, error) {
	marks := markReader{db: l.db}
	t, err := marks.at(seq)
	switch {
	case errors.Is(err, errNoMark):
		return t, l.hole(seq)
	case err != nil:
		return t, l.readError(err)
	}
	return t, nil
}

// scrubStretch checks some of the events after t, and adds them to t. It returns how many bytes they have.
func (l *Log) scrubStretch(t *totals, head event.Sequence) (size int, err error) {
	if err := l.enter(); err != nil {
		return 0, err
	}
	defer l.leave()
	end := min(head, t.seq+scrubStep)
	events, err := l.sequenceIter(keyEvent, t.seq+1, end)
	if err != nil {
		return 0, err
	}
	defer events.Close()
	bodies, err := l.sequenceIter(keyRaw, t.seq+1, end)
	if err != nil {
		return 0, err
	}
	defer bodies.Close()
	for event, body := events.First(), bodies.First(); t.seq < end && size < scrubBytes; event = events.Next() {
		h, n, err := l.scrubEvent(events, event, t)
		if err != nil {
			return size, err
		}
		if h.raw > 0 {
			if err := l.scrubBody(bodies, body, t.seq, h); err != nil {
				return size, err
			}
			body = bodies.Next()
		}
		if err := l.scrubMark(t); err != nil {
			return size, err
		}
		size += n
	}
	return size, nil
}

func (l *Log) sequenceIter(prefix byte, first, last event.Sequence) (*pebble.Iterator, error) {
	lower, upper := makeSequenceKey(prefix, first), makeSequenceKey(prefix, last+1)
	return l.db.NewIter(&pebble.IterOptions{LowerBound: lower[:], UpperBound: upper[:]})
}

// scrubEvent checks that an iterator stands on the event after t, and adds it to t.
func (l *Log) scrubEvent(iter *pebble.Iterator, valid bool, t *totals) (h header, size int, err error) {
	key := makeSequenceKey(keyEvent, t.seq+1)
	if !valid || !bytes.Equal(iter.Key(), key[:]) {
		if err := iter.Error(); err != nil {
			return h, 0, l.readError(err)
		}
		return h, 0, l.hole(t.seq + 1)
	}
	value, err := iter.ValueAndErr()
	if err != nil {
		return h, 0, l.readError(err)
	}
	h, encoded, ok := splitEvent(value)
	if !ok || h.order < t.order {
		return h, 0, l.readError(badEvent(t.seq + 1))
	}
	size = len(encoded)
	if h.raw > 0 {
		size += int(h.raw - 1)
	}
	t.add(h, size)
	return h, size, nil
}

// scrubBody checks that an iterator stands on the body of an event.
func (l *Log) scrubBody(iter *pebble.Iterator, valid bool, seq event.Sequence, h header) error {
	key := makeSequenceKey(keyRaw, seq)
	if !valid || !bytes.Equal(iter.Key(), key[:]) {
		if err := iter.Error(); err != nil {
			return l.readError(err)
		}
		return l.hole(seq)
	}
	value, err := iter.ValueAndErr()
	if err != nil {
		return l.readError(err)
	}
	if uint64(len(value)) != h.raw-1 {
		return l.readError(fmt.Errorf("%w: the body of event %d has %d bytes instead of %d", event.ErrCorrupt, seq, len(value), h.raw-1))
	}
	return nil
}

// scrubMark checks the mark that is due after t.
func (l *Log) scrubMark(t *totals) error {
	if t.seq%markEvery != 0 {
		return nil
	}
	mark, err := l.mark(t.seq)
	if err != nil {
		return err
	}
	if mark.order != t.order || mark.bytes != t.bytes || mark.unrecognized != t.unrecognized || !slices.Equal(mark.byType, t.byType) {
		return l.readError(fmt.Errorf("%w: the mark of event %d doesn't count what is there", event.ErrCorrupt, t.seq))
	}
	return nil
}

// scrubIDs checks that there are as many ids as there ever were events.
func (l *Log) scrubIDs(p *pacer) error {
	head := l.Bounds().Head
	count, next := event.Sequence(0), []byte{keyDedup}
	for next != nil {
		n, size, after, err := l.countIDs(next, head)
		if err != nil {
			return err
		}
		count, next = count+n, after
		if err := p.pay(size); err != nil {
			return err
		}
	}
	if count != head {
		return l.readError(fmt.Errorf("%w: %d ids for %d events are in %s", event.ErrCorrupt, count, head, l.dir))
	}
	return nil
}

// countIDs counts some ids from a key on, those of later events than head left out. It returns where to go on; nil at the
// end.
func (l *Log) countIDs(from []byte, head event.Sequence) (count event.Sequence, size int, next []byte, err error) {
	if err := l.enter(); err != nil {
		return 0, 0, nil, err
	}
	defer l.leave()
	iter, err := l.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: []byte{keyDedup + 1}})
	if err != nil {
		return 0, 0, nil, l.readError(err)
	}
	defer iter.Close()
	valid := iter.First()
	for n := 0; valid && n < scrubStep; n++ {
		value, err := iter.ValueAndErr()
		if err != nil {
			return 0, 0, nil, l.readError(err)
		}
		seq, _, err := decodeDedup(value)
		if err != nil {
			return 0, 0, nil, l.readError(err)
		}
		if seq <= head {
			count++
		}
		size += len(iter.Key()) + len(value)
		valid = iter.Next()
	}
	if err := iter.Error(); err != nil {
		return 0, 0, nil, l.readError(err)
	}
	if valid {
		next = slices.Clone(iter.Key())
	}
	return count, size, next, nil
}
