package pebblestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/straw-gateway/straw/server/internal/event"
)

// Raw returns an event's body as received.
func (l *Log) Raw(ctx context.Context, seq event.Sequence) ([]byte, error) {
	if err := l.enterRead(ctx); err != nil {
		return nil, err
	}
	defer l.leave()
	if seq == 0 || uint64(seq) > l.durable.Load() {
		return nil, fmt.Errorf("%w: %d", event.ErrNotFound, seq)
	}
	if err := l.passed(seq - 1); err != nil {
		return nil, err
	}
	h, _, err := l.load(seq)
	if err != nil || h.raw == 0 {
		return nil, err
	}
	key := makeSequenceKey(keyRaw, seq)
	raw, err := l.get(key[:])
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, l.hole(seq)
	}
	if err != nil {
		return nil, l.readError(err)
	}
	if uint64(len(raw)) != h.raw-1 {
		return nil, l.readError(fmt.Errorf("%w: the body of event %d has %d bytes instead of %d", event.ErrCorrupt, seq, len(raw), h.raw-1))
	}
	return raw, nil
}

// Get returns an event by its identity.
func (l *Log) Get(ctx context.Context, source, id string) (event.Stored, error) {
	if err := l.enterRead(ctx); err != nil {
		return event.Stored{}, err
	}
	defer l.leave()
	seq, err := l.lookUp(source, id)
	if err != nil {
		return event.Stored{}, err
	}
	h, encoded, err := l.load(seq)
	if errors.Is(err, event.ErrPassed) {
		return event.Stored{}, fmt.Errorf("%w: retention has removed it", event.ErrNotFound)
	}
	return event.Stored{Seq: seq, Type: h.typ, Encoded: encoded}, err
}

// lookUp returns the sequence of an event that can be read.
func (l *Log) lookUp(source, id string) (event.Sequence, error) {
	iter, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyDedup}, UpperBound: []byte{keyDedup + 1}, UseL6Filters: true})
	if err != nil {
		return 0, l.readError(err)
	}
	o, found, err := seekOriginal(iter, appendIdentityKey(nil, source, id))
	if e := iter.Close(); err == nil {
		err = e
	}
	switch {
	case err != nil:
		return 0, l.readError(err)
	case !found, uint64(o.seq) > l.durable.Load():
		return 0, fmt.Errorf("%w: %s %q", event.ErrNotFound, source, id)
	case uint64(o.seq) <= l.floor.Load():
		return 0, fmt.Errorf("%w: retention has removed it", event.ErrNotFound)
	}
	return o.seq, nil
}

// load reads an event between floor and head.
func (l *Log) load(seq event.Sequence) (header, []byte, error) {
	key := makeSequenceKey(keyEvent, seq)
	value, err := l.get(key[:])
	if errors.Is(err, pebble.ErrNotFound) {
		return header{}, nil, l.hole(seq)
	}
	if err != nil {
		return header{}, nil, l.readError(err)
	}
	h, encoded, ok := splitEvent(value)
	if !ok {
		return header{}, nil, l.readError(badEvent(seq))
	}
	return h, encoded, nil
}

// get returns a copy of a value; never nil without an error.
func (l *Log) get(key []byte) ([]byte, error) { return getFrom(l.db, key) }

func getFrom(db *pebble.DB, key []byte) ([]byte, error) {
	value, closer, err := db.Get(key)
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	return append([]byte{}, value...), nil
}

// Before returns the position before the first event that was received at or after t.
func (l *Log) Before(ctx context.Context, t time.Time) (event.Sequence, error) {
	if err := l.enterRead(ctx); err != nil {
		return 0, err
	}
	defer l.leave()
	for {
		seq, err := l.before(ctx, nanos(t))
		if !errors.Is(err, event.ErrPassed) {
			return seq, err
		}
		// Retention has overtaken the search: it starts over from the new floor.
	}
}

func (l *Log) before(ctx context.Context, order int64) (event.Sequence, error) {
	b := l.Bounds()
	low, err := l.lastMark(b.Floor, b.Head, func(t *totals) bool { return t.order < order })
	if err != nil {
		return 0, err
	}
	return l.firstReceived(ctx, low, b.Head, order)
}

// firstReceived returns the position before the first event after low that was received at order or later.
func (l *Log) firstReceived(ctx context.Context, low, head event.Sequence, order int64) (event.Sequence, error) {
	lower, upper := makeSequenceKey(keyEvent, low+1), makeSequenceKey(keyEvent, head+1)
	iter, err := l.db.NewIter(&pebble.IterOptions{LowerBound: lower[:], UpperBound: upper[:]})
	if err != nil {
		return 0, l.readError(err)
	}
	defer iter.Close()
	at := low
	for valid := iter.First(); valid; valid = iter.Next() {
		h, _, ok := splitEvent(iter.Value())
		key := makeSequenceKey(keyEvent, at+1)
		switch {
		case !bytes.Equal(iter.Key(), key[:]):
			return 0, l.hole(at + 1)
		case !ok:
			return 0, l.readError(badEvent(at + 1))
		case h.order >= order:
			return at, nil
		}
		at++
		if at%markEvery == 0 && ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	if err := iter.Error(); err != nil {
		return 0, l.readError(err)
	}
	if at < head {
		return 0, l.hole(at + 1)
	}
	return head, nil
}
