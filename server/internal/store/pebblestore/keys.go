package pebblestore

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/straw-gateway/straw/server/internal/event"
)

// Keys begin with the byte that says what they hold. Numbers in them are big endian, so that they sort as numbers.
const (
	keyClock    = 'c' // → the time that was seen last; sequence → when all up to it were stored
	keyDedup    = 'd' // source and id → sequence and body hash; never deleted
	keyEvent    = 'e' // sequence → header and encoded event
	keyFloor    = 'f' // → the newest event that retention has removed
	keyHead     = 'h' // → what the newest batch left behind
	keyHome     = 'o' // → the folder that the store was made in
	keyIdentity = 'i' // → store id and lineage
	keyMark     = 'm' // sequence, every markEvery events → the log's figures up to it
	keyRaw      = 'r' // sequence → body as received
	keyType     = 't' // type number → name
	keyVersion  = 'v' // → version of this layout
)

// layoutVersion is what this code writes. Raise it when older code would misread the result.
const layoutVersion = 1

// markEvery is how many events lie between two marks. Reading skips, and retention removes, whole stretches of it.
const markEvery = 1024

// maxPlainID is the longest id that is part of its key. Longer ones are hashed; hashing all of them would scatter ids that
// share a time-ordered prefix over the whole store.
const maxPlainID = 64

const (
	plainID  = 0
	hashedID = 1
)

// appendIdentityKey appends the key of a source and id. The form byte keeps an id that looks like a hash apart from one.
func appendIdentityKey(b []byte, source, id string) []byte {
	b = append(b, keyDedup)
	b = binary.AppendUvarint(b, uint64(len(source)))
	b = append(b, source...)
	if len(id) <= maxPlainID {
		b = append(b, plainID)
		return append(b, id...)
	}
	sum := sha256.Sum256([]byte(id))
	b = append(b, hashedID)
	return append(b, sum[:]...)
}

// sequenceKey is the key of an event, raw body or mark.
type sequenceKey [9]byte

func makeSequenceKey(prefix byte, s event.Sequence) (k sequenceKey) {
	k[0] = prefix
	binary.BigEndian.PutUint64(k[1:], uint64(s))
	return k
}

// keySequence reads the sequence from such a key; false if it is none.
func keySequence(prefix byte, key []byte) (event.Sequence, bool) {
	if len(key) != len(sequenceKey{}) || key[0] != prefix {
		return 0, false
	}
	return event.Sequence(binary.BigEndian.Uint64(key[1:])), true
}

func makeTypeKey(n event.TypeNumber) (k [5]byte) {
	k[0] = keyType
	binary.BigEndian.PutUint32(k[1:], uint32(n))
	return k
}
