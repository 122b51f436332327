package pebblestore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore/ledger"
)

// What is written into a batch is only gathered there, which can't fail; that it is on the disk is the log's to say.

// writeNew writes a new subscription.
func writeNew(b *pebble.Batch, number uint32, definition []byte, after event.Sequence) {
	key := makeSubscriptionKey(0, kindNumber)
	_ = b.Set(key[:], binary.BigEndian.AppendUint32(nil, number), nil)
	key = makeSubscriptionKey(number, kindDefinition)
	_ = b.Set(key[:], definition, nil)
	key = makeSubscriptionKey(number, kindPosition)
	_ = b.Set(key[:], appendPosition(nil, ledger.Position{Floor: after}), nil)
}

func (s *subscription) writeDefinition(b *pebble.Batch) {
	encoded, err := s.definition.append(nil)
	if err != nil { // it came in as a message, so it can be written as one
		panic(err)
	}
	key := makeSubscriptionKey(s.number, kindDefinition)
	_ = b.Set(key[:], encoded, nil)
}

func (s *subscription) writeMutations(b *pebble.Batch, m ledger.Mutations) {
	if m.Reset {
		_ = deleteKind(b, s.number, kindBlock)
		_ = deleteKind(b, s.number, kindRecord)
	}
	if m.Position != nil {
		key := makeSubscriptionKey(s.number, kindPosition)
		_ = b.Set(key[:], appendPosition(nil, *m.Position), nil)
	}
	for _, block := range m.Blocks {
		key := makeMemberKey(s.number, kindBlock, block.No)
		setOrDelete(b, key[:], block.Value)
	}
	for _, rec := range m.Records {
		key := makeMemberKey(s.number, kindRecord, uint64(rec.Seq))
		setOrDelete(b, key[:], s.encodeRecord(rec))
	}
	for _, seq := range m.Copies {
		key := makeMemberKey(s.number, kindCopy, uint64(seq))
		_ = b.Delete(key[:], nil)
	}
}

func setOrDelete(b *pebble.Batch, key, value []byte) {
	if value == nil {
		_ = b.Delete(key, nil)
	} else {
		_ = b.Set(key, value, nil)
	}
}

// encodeRecord turns the time at which an event is due into one of the wall clock; nil for a record that is to be removed.
func (s *subscription) encodeRecord(rec ledger.Record) []byte {
	if rec.Gone {
		return nil
	}
	var due time.Time
	if rec.Due > 0 {
		due = s.all.log.opts.Now().Add(rec.Due - s.now())
	}
	return appendRecord(nil, rec, due)
}

// maxDelay bounds for how long an event waits after a restart, whatever the wall clock did meanwhile.
const maxDelay = 24 * time.Hour

// A restoring is a subscription that is being read.
type restoring struct {
	definition *definition
	position   ledger.Position
	blocks     []ledger.Block
	records    []ledger.Record
}

// restore reads what all subscriptions have written.
func (s *Subscriptions) restore() error {
	if err := s.log.enter(); err != nil {
		return err
	}
	defer s.log.leave()
	if err := s.restoreKey(); err != nil {
		return err
	}
	found := map[uint32]*restoring{}
	if err := s.readAll(found); err != nil {
		return fmt.Errorf("reading the subscriptions: %w", s.log.readError(err))
	}
	for number, r := range found {
		if err := s.take(number, r); err != nil {
			return fmt.Errorf("reading subscription %d: %w", number, err)
		}
	}
	return nil
}

// restoreKey reads the key of ack ids, and makes one for a new store.
func (s *Subscriptions) restoreKey() error {
	at := makeSubscriptionKey(0, kindKey)
	key, err := s.log.get(at[:])
	if errors.Is(err, pebble.ErrNotFound) {
		key, err = s.makeKey(at[:])
	}
	if err != nil {
		return err
	}
	if len(key) != storeKeyLen {
		return fmt.Errorf("%w: the key of ack ids has %d bytes", event.ErrCorrupt, len(key))
	}
	s.sealer, err = newSealer(key, s.log.identity)
	return err
}

// readAll reads every subscription's records but its dead letters and copies, which are read when they are needed.
func (s *Subscriptions) readAll(found map[uint32]*restoring) error {
	iter, err := s.log.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keySubscription}, UpperBound: []byte{keySubscription + 1}})
	if err != nil {
		return err
	}
	defer iter.Close()
	for valid := iter.First(); valid; {
		number, kind, n, ok := splitMemberKey(iter.Key())
		if !ok {
			return fmt.Errorf("%w: a subscription has a record of unknown form", event.ErrCorrupt)
		}
		if kind == kindCopy || kind == kindDeadLetter {
			next := makeSubscriptionKey(number, kind+1)
			valid = iter.SeekGE(next[:])
			continue
		}
		value, err := iter.ValueAndErr()
		if err != nil {
			return err
		}
		if err := s.readOne(found, number, kind, n, value); err != nil {
			return err
		}
		valid = iter.Next()
	}
	return iter.Error()
}

func (s *Subscriptions) readOne(found map[uint32]*restoring, number uint32, kind byte, n uint64, value []byte) (err error) {
	if number == 0 {
		if r := (reader{value}); kind == kindNumber && len(value) == 4 {
			s.number = binary.BigEndian.Uint32(r.take(4))
		}
		return nil
	}
	r := found[number]
	if r == nil {
		r = new(restoring)
		found[number] = r
	}
	switch kind {
	case kindBlock:
		r.blocks = append(r.blocks, ledger.Block{No: n, Value: append([]byte{}, value...)})
	case kindDefinition:
		r.definition, err = decodeDefinition(value)
	case kindPosition:
		r.position, err = decodePosition(value)
	case kindRecord:
		var due time.Time
		var rec ledger.Record
		rec, due, err = decodeRecord(event.Sequence(n), value)
		if left := due.Sub(s.log.opts.Now()); !due.IsZero() && left > 0 {
			rec.Due = s.Clock.Now() + min(left, maxDelay)
		}
		r.records = append(r.records, rec)
	}
	return err
}

// take makes a subscription of what was read.
func (s *Subscriptions) take(number uint32, r *restoring) error {
	if r.definition == nil || number > s.number {
		return fmt.Errorf("%w: it has no definition", event.ErrCorrupt)
	}
	sub, err := s.openSubscription(number, r.definition, r.position)
	if err != nil {
		return err
	}
	if err := sub.ledger.Restore(r.blocks, r.records); err != nil {
		return fmt.Errorf("%w: %v", event.ErrCorrupt, err)
	}
	s.add(sub)
	return nil
}

// makeKey makes the key of ack ids and writes it down.
func (s *Subscriptions) makeKey(at []byte) ([]byte, error) {
	key := make([]byte, storeKeyLen)
	rand.Read(key)
	err := s.log.commit(context.Background(), len(key), func(b *pebble.Batch) { _ = b.Set(at, key, nil) })
	return key, err
}
