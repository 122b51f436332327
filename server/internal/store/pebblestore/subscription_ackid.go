package pebblestore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore/ledger"
)

// An ack id is base64url of a block that says which sending is meant, and a seal: the subscription's number (4), its epoch
// (4), attempt (2) and sequence (6), and the first bytes of the block enciphered. For messages of one fixed block a block
// cipher is a message authentication code by itself, and the cheapest there is; 64 bits of it are enough against guessing,
// for every guess takes a call.
const (
	ackIDLen   = 32
	ackIDBytes = 24
	sealAt     = aes.BlockSize
)

const storeKeyLen = 32

// A sealer makes and reads the ack ids of one copy of a store. Safe for concurrent use.
type sealer struct{ block cipher.Block }

// newSealer returns the sealer of a store. A restored backup is another copy: subscriptions and events may have gone other
// ways there, so the ids of one mean nothing in the other.
func newSealer(storeKey []byte, id event.Identity) (*sealer, error) {
	mac := hmac.New(sha256.New, storeKey)
	fmt.Fprintf(mac, "ack id %s %s", id.StoreID(), id.IncarnationID())
	block, err := aes.NewCipher(mac.Sum(nil)[:16])
	if err != nil {
		return nil, fmt.Errorf("make the key of ack ids: %w", err)
	}
	return &sealer{block}, nil
}

// put writes an ack id into text, which has ackIDLen bytes.
func (s *sealer) put(text []byte, number uint32, id ledger.ID) {
	var b [ackIDBytes]byte
	binary.BigEndian.PutUint64(b[8:], uint64(id.Seq))
	binary.BigEndian.PutUint16(b[8:], uint16(min(id.Attempt, ledger.MaxAttempt)))
	binary.BigEndian.PutUint32(b[:], number)
	binary.BigEndian.PutUint32(b[4:], id.Epoch)
	s.seal(&b)
	base64.RawURLEncoding.Encode(text, b[:])
}

func (s *sealer) seal(b *[ackIDBytes]byte) {
	var sum [aes.BlockSize]byte
	s.block.Encrypt(sum[:], b[:sealAt])
	copy(b[sealAt:], sum[:])
}

// read reads an ack id; false if this store never made it.
func (s *sealer) read(text string) (number uint32, id ledger.ID, ok bool) {
	var b [ackIDBytes]byte
	if len(text) != ackIDLen {
		return 0, id, false
	}
	if n, err := base64.RawURLEncoding.Decode(b[:], []byte(text)); err != nil || n != ackIDBytes {
		return 0, id, false
	}
	want := b
	s.seal(&want)
	if subtle.ConstantTimeCompare(want[sealAt:], b[sealAt:]) != 1 {
		return 0, id, false
	}
	id = ledger.ID{
		Epoch:   binary.BigEndian.Uint32(b[4:]),
		Attempt: int32(binary.BigEndian.Uint16(b[8:])),
		Seq:     event.Sequence(binary.BigEndian.Uint64(b[8:]) & (1<<48 - 1)),
	}
	return binary.BigEndian.Uint32(b[:]), id, true
}
