package pebblestore

import (
	"context"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore/ledger"
)

// How much is dead-lettered, or brought back, at once.
const (
	deadAtOnce  = 256
	deadBytes   = 2 << 20
	letterBytes = 256 // about what a record takes
)

// bury dead-letters what is dying, as far as there is room, each with its copy and in the same write as what settles it.
func (s *subscription) bury(ctx context.Context) error {
	s.all.dying.Lock()
	defer s.all.dying.Unlock()
	for {
		s.mu.Lock()
		corpses := s.ledger.Dying(deadAtOnce)
		s.mu.Unlock()
		if len(corpses) == 0 {
			return nil
		}
		// Each takes much of the disk, so they wait for room as events do.
		if err := s.all.log.disk.refusal(); err != nil {
			return err
		}
		n, err := s.buryStretch(ctx, corpses)
		if n == 0 || err != nil {
			return err
		}
	}
}

// A burial is a dead letter about to be written.
type burial struct {
	ledger.Corpse
	copied   copied
	onRecord int64 // size of the one that it replaces; negative if there is none
}

// buryStretch dead-letters the first of the events, as many as are read at once. It returns how many.
func (s *subscription) buryStretch(ctx context.Context, corpses []ledger.Corpse) (int, error) {
	burials, size, err := s.exhume(corpses)
	if errors.Is(err, event.ErrPassed) {
		s.expire()
		return 1, nil
	}
	if err != nil {
		return 0, err
	}
	now := s.all.log.opts.Now()
	s.mu.Lock()
	n := 0
	for _, b := range burials {
		if s.err != nil || !s.ledger.Bury(b.Seq, b.copied.size(), b.onRecord) {
			continue // it was settled meanwhile, or there is no room
		}
		l := letter{attempts: b.Attempts, size: b.copied.size(), time: now, reason: b.Reason}
		s.letters = append(s.letters, func(batch *pebble.Batch) { s.writeLetter(batch, b, l) })
		n++
	}
	s.dispatch()
	s.look()
	r := s.write(size)
	s.mu.Unlock()
	return n, r.wait(ctx)
}

func (s *subscription) writeLetter(batch *pebble.Batch, b burial, l letter) {
	key := makeMemberKey(s.number, kindDeadLetter, uint64(b.Seq))
	_ = batch.Set(key[:], l.append(nil), nil)
	if !b.Copied {
		key = makeMemberKey(s.number, kindCopy, uint64(b.Seq))
		_ = batch.Set(key[:], b.copied.append(nil), nil)
	}
}

// exhume reads the events that are to be dead-lettered, as many as are written at once.
func (s *subscription) exhume(corpses []ledger.Corpse) (burials []burial, size int, err error) {
	l := s.all.log
	if err := l.enter(); err != nil {
		return nil, 0, err
	}
	defer l.leave()
	for _, c := range corpses {
		b := burial{Corpse: c, onRecord: -1}
		if old, ok, err := s.readLetter(c.Seq); err != nil {
			return nil, 0, err
		} else if ok {
			b.onRecord = old.size
		}
		if b.copied, err = s.readWhole(c.Seq, c.Copied); err != nil {
			return nil, 0, err
		}
		burials = append(burials, b)
		if size += int(b.copied.size()) + letterBytes; size > deadBytes {
			break
		}
	}
	return burials, size, nil
}

// readWhole reads an event with its raw body, from the log or from its copy. The caller has entered the log.
func (s *subscription) readWhole(seq event.Sequence, isCopied bool) (copied, error) {
	l := s.all.log
	if isCopied {
		c, ok, err := s.readCopy(seq)
		if err == nil && !ok {
			err = l.readError(badEvent(seq))
		}
		return c, err
	}
	if err := l.passed(seq - 1); err != nil {
		return copied{}, err
	}
	h, encoded, err := l.load(seq)
	if err != nil || h.raw == 0 {
		return copied{encoded: encoded}, err
	}
	key := makeSequenceKey(keyRaw, seq)
	raw, err := l.get(key[:])
	if errors.Is(err, pebble.ErrNotFound) {
		return copied{}, l.hole(seq)
	}
	if err != nil {
		return copied{}, l.readError(err)
	}
	return copied{encoded: encoded, raw: raw}, nil
}

func (s *subscription) readLetter(seq event.Sequence) (letter, bool, error) {
	key := makeMemberKey(s.number, kindDeadLetter, uint64(seq))
	value, err := s.all.log.get(key[:])
	if errors.Is(err, pebble.ErrNotFound) {
		return letter{}, false, nil
	}
	if err != nil {
		return letter{}, false, s.all.log.readError(err)
	}
	l, err := decodeLetter(value)
	if err != nil {
		return l, false, s.all.log.readError(err)
	}
	return l, true, nil
}

// DeadLetters returns a page of dead letters.
func (s *Subscriptions) DeadLetters(ctx context.Context, id string, after event.Sequence, limit, size int) (page []store.DeadLetter, more bool, err error) {
	sub, err := s.find(ctx, id)
	if err != nil {
		return nil, false, err
	}
	// What is on its way to the disk must not be seen.
	s.dying.Lock()
	defer s.dying.Unlock()
	err = sub.eachLetter(ctx, after, func(seq event.Sequence, l letter) (bool, error) {
		if len(page) == limit || len(page) > 0 && int64(size) < l.size {
			more = true
			return false, nil
		}
		c, ok, err := sub.readCopy(seq)
		if err == nil && !ok {
			err = s.log.readError(badEvent(seq))
		}
		size -= int(l.size)
		page = append(page, store.DeadLetter{
			Event: event.Stored{Seq: seq, Encoded: c.encoded}, Attempts: l.attempts, Reason: l.reason, Time: l.time,
		})
		return true, err
	})
	return page, more, err
}

// eachLetter calls f with the dead letters after a position, in order, until it says no.
func (s *subscription) eachLetter(ctx context.Context, after event.Sequence, f func(event.Sequence, letter) (bool, error)) error {
	l := s.all.log
	if err := l.enterRead(ctx); err != nil {
		return err
	}
	defer l.leave()
	iter, err := l.db.NewIter(memberOptions(s.number, kindDeadLetter, after))
	if err != nil {
		return l.readError(err)
	}
	defer iter.Close()
	for valid := iter.First(); valid; valid = iter.Next() {
		value, err := iter.ValueAndErr()
		if err != nil {
			return l.readError(err)
		}
		_, _, n, _ := splitMemberKey(iter.Key())
		record, err := decodeLetter(value)
		if err != nil {
			return l.readError(err)
		}
		if ok, err := f(event.Sequence(n), record); !ok || err != nil {
			return err
		}
	}
	if err := iter.Error(); err != nil {
		return l.readError(err)
	}
	return nil
}

// A grave is a dead letter that was named.
type grave struct {
	seq event.Sequence
	letter
}

// named returns the dead letters that a choice names, in log order.
func (s *subscription) named(ctx context.Context, which store.Choice) (graves []grave, err error) {
	if which.All {
		err = s.eachLetter(ctx, 0, func(seq event.Sequence, l letter) (bool, error) {
			graves = append(graves, grave{seq, l})
			return true, nil
		})
		return graves, err
	}
	l := s.all.log
	if err := l.enterRead(ctx); err != nil {
		return nil, err
	}
	defer l.leave()
	for _, id := range which.EventIDs {
		for _, source := range []string{event.SourceJuicebox, event.SourceStraw} {
			g, ok, err := s.namedOne(source, id)
			if err != nil {
				return nil, err
			}
			if ok {
				graves = append(graves, g)
			}
		}
	}
	slices.SortFunc(graves, func(a, b grave) int { return int(a.seq) - int(b.seq) })
	return slices.CompactFunc(graves, func(a, b grave) bool { return a.seq == b.seq }), nil
}

func (s *subscription) namedOne(source, id string) (grave, bool, error) {
	l := s.all.log
	seq, ok, err := l.sequenceOf(source, id)
	if !ok || err != nil {
		return grave{}, false, err
	}
	record, ok, err := s.readLetter(seq)
	return grave{seq, record}, ok, err
}

// sequenceOf returns the sequence of an event that the log has held, and may have removed.
func (l *Log) sequenceOf(source, id string) (event.Sequence, bool, error) {
	iter, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyDedup}, UpperBound: []byte{keyDedup + 1}, UseL6Filters: true})
	if err != nil {
		return 0, false, l.readError(err)
	}
	o, found, err := seekOriginal(iter, appendIdentityKey(nil, source, id))
	if err = errors.Join(err, iter.Close()); err != nil {
		return 0, false, l.readError(err)
	}
	return o.seq, found, nil
}

// Redeliver owes dead-lettered events again.
func (s *Subscriptions) Redeliver(ctx context.Context, id string, which store.Choice, dryRun bool) (int64, error) {
	return s.eachNamed(ctx, id, which, dryRun, func(sub *subscription, g grave) bool {
		return sub.ledger.Revive(g.seq, g.attempts, g.size)
	})
}

// Purge removes dead letters for good.
func (s *Subscriptions) Purge(ctx context.Context, id string, which store.Choice, dryRun bool) (int64, error) {
	return s.eachNamed(ctx, id, which, dryRun, func(sub *subscription, g grave) bool {
		sub.ledger.Purge(g.size)
		return false
	})
}

// eachNamed removes the records of named dead letters. remove tells the ledger and reports whether the event's copy must
// stay.
func (s *Subscriptions) eachNamed(ctx context.Context, id string, which store.Choice, dryRun bool, remove func(*subscription, grave) bool) (int64, error) {
	sub, err := s.find(ctx, id)
	if err != nil {
		return 0, err
	}
	if err := s.log.disk.exhaustion(); err != nil && !dryRun {
		return 0, err
	}
	s.dying.Lock()
	defer s.dying.Unlock()
	graves, err := sub.named(ctx, which)
	if err != nil || dryRun {
		return int64(len(graves)), err
	}
	for stretch := range slices.Chunk(graves, deadAtOnce) {
		if err := sub.empty(stretch, remove).wait(ctx); err != nil {
			return 0, err
		}
	}
	return int64(len(graves)), nil
}

func (s *subscription) empty(graves []grave, remove func(*subscription, grave) bool) *round {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return doneRound(s.err)
	}
	for _, g := range graves {
		keep := remove(s, g)
		s.letters = append(s.letters, func(b *pebble.Batch) {
			key := makeMemberKey(s.number, kindDeadLetter, uint64(g.seq))
			_ = b.Delete(key[:], nil)
			if !keep {
				key = makeMemberKey(s.number, kindCopy, uint64(g.seq))
				_ = b.Delete(key[:], nil)
			}
		})
	}
	s.dispatch()
	s.look()
	return s.write(len(graves) * letterBytes)
}
