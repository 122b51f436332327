package pebblestore

import (
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"

	"github.com/straw-gateway/straw/server/internal/event"
)

// What subscriptions keep stands under keySubscription, the number of the subscription, and a byte that says what it is, so
// that deleting one range removes a subscription. Numbers are never given twice. Number zero is the store's own.
const (
	keySubscription = 's'

	kindBlock      = 'b' // block number → settled events among 4,096
	kindCopy       = 'c' // sequence → event and raw body of a dead letter, or of one that is owed again
	kindDefinition = 'd' // → definition
	kindPosition   = 'p' // → where the subscription stands
	kindRecord     = 'r' // sequence → attempts and failures of an event that is owed
	kindDeadLetter = 'x' // sequence → attempts, time, size and reason

	kindKey    = 'k' // of number zero: what ack ids are sealed with
	kindNumber = 'n' // of number zero: the newest subscription's number
)

// subscriptionKey is the key of a subscription's one record of a kind, and the bound of its many.
type subscriptionKey [6]byte

func makeSubscriptionKey(number uint32, kind byte) (k subscriptionKey) {
	k[0] = keySubscription
	binary.BigEndian.PutUint32(k[1:], number)
	k[5] = kind
	return k
}

// memberKey is the key of one of a subscription's many records of a kind.
type memberKey [14]byte

func makeMemberKey(number uint32, kind byte, n uint64) (k memberKey) {
	first := makeSubscriptionKey(number, kind)
	copy(k[:], first[:])
	binary.BigEndian.PutUint64(k[6:], n)
	return k
}

// splitMemberKey reads what makeMemberKey made, or makeSubscriptionKey, which has no n.
func splitMemberKey(key []byte) (number uint32, kind byte, n uint64, ok bool) {
	if len(key) < len(subscriptionKey{}) || key[0] != keySubscription {
		return 0, 0, 0, false
	}
	number, kind = binary.BigEndian.Uint32(key[1:]), key[5]
	switch len(key) {
	case len(subscriptionKey{}):
		return number, kind, 0, true
	case len(memberKey{}):
		return number, kind, binary.BigEndian.Uint64(key[6:]), true
	}
	return 0, 0, 0, false
}

// deleteKind removes all records of a kind.
func deleteKind(b *pebble.Batch, number uint32, kind byte) error {
	start, end := makeSubscriptionKey(number, kind), makeSubscriptionKey(number, kind+1)
	return b.DeleteRange(start[:], end[:], nil)
}

// deleteSubscription removes all that a subscription keeps.
func deleteSubscription(b *pebble.Batch, number uint32) error {
	start, end := makeSubscriptionKey(number, 0), makeSubscriptionKey(number+1, 0)
	return b.DeleteRange(start[:], end[:], nil)
}

func memberOptions(number uint32, kind byte, after event.Sequence) *pebble.IterOptions {
	lower, upper := makeMemberKey(number, kind, uint64(after)+1), makeSubscriptionKey(number, kind+1)
	return &pebble.IterOptions{LowerBound: lower[:], UpperBound: upper[:]}
}
