package event

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// Identity names a store and its lineage. A copy made from a backup keeps the store's id and gets an incarnation of its
// own, so that a cursor tells in which copy's history it was given out.
type Identity struct {
	Store [8]byte
	// Lineage lists the incarnations whose events the store holds, oldest first; the last is its own.
	Lineage []Incarnation
}

// An Incarnation is one copy of a store.
type Incarnation struct {
	ID [4]byte
	// Last is the newest event that this store shares with the incarnation. Unused for the store's own, which is last.
	Last Sequence
}

// CursorLen is the length of every cursor in characters.
const CursorLen = 32

// A cursor is base64url of: version (1), store (8), incarnation (4), sequence (8, big endian), checksum (3). The fixed
// width makes each event's cursor cheap to write; the checksum tells a mangled cursor from a foreign one.
const (
	cursorVersion = 1
	cursorBytes   = 24
	sequenceAt    = 13
	checksumAt    = 21
)

// Cursor names the position just after event s.
func (id Identity) Cursor(s Sequence) string {
	var text [CursorLen]byte
	id.putCursor(text[:], s)
	return string(text[:])
}

// AppendCursor appends the cursor's characters to b.
func (id Identity) AppendCursor(b []byte, s Sequence) []byte {
	b = append(b, make([]byte, CursorLen)...)
	id.putCursor(b[len(b)-CursorLen:], s)
	return b
}

func (id Identity) putCursor(text []byte, s Sequence) {
	var b [cursorBytes]byte
	b[0] = cursorVersion
	copy(b[1:], id.Store[:])
	own := id.own()
	copy(b[9:], own[:])
	binary.BigEndian.PutUint64(b[sequenceAt:], uint64(s))
	putChecksum(&b)
	base64.RawURLEncoding.Encode(text, b[:])
}

// putChecksum writes an FNV-1a over the rest. It is here to tell a mangled cursor from a foreign one, not to keep anybody
// from making one up; inline and without a table, for it runs once an event.
func putChecksum(b *[cursorBytes]byte) {
	sum := uint64(14695981039346656037)
	for _, c := range b[:checksumAt] {
		sum = (sum ^ uint64(c)) * 1099511628211
	}
	b[checksumAt], b[checksumAt+1], b[checksumAt+2] = byte(sum>>32), byte(sum>>40), byte(sum>>48)
}

func (id Identity) own() [4]byte {
	if len(id.Lineage) == 0 {
		return [4]byte{}
	}
	return id.Lineage[len(id.Lineage)-1].ID
}

// StoreID is the store's id in hex.
func (id Identity) StoreID() string { return hex.EncodeToString(id.Store[:]) }

// IncarnationID is the store's own incarnation in hex.
func (id Identity) IncarnationID() string { own := id.own(); return hex.EncodeToString(own[:]) }

// Position reads a cursor. head is the newest event now. It fails with ErrInvalidCursor for what is no cursor,
// ErrForeignCursor for another store's or an unrelated copy's, and ErrCursorAhead for one beyond what its incarnation held.
func (id Identity) Position(cursor string, head Sequence) (Sequence, error) {
	var b [cursorBytes]byte
	if len(cursor) != CursorLen {
		return 0, fmt.Errorf("%w: it has %d characters instead of %d", ErrInvalidCursor, len(cursor), CursorLen)
	}
	if n, err := base64.RawURLEncoding.Strict().Decode(b[:], []byte(cursor)); err != nil || n != cursorBytes {
		return 0, fmt.Errorf("%w: it isn't base64url", ErrInvalidCursor)
	}
	want := b
	putChecksum(&want)
	if want != b {
		return 0, fmt.Errorf("%w: its checksum doesn't match, so some of it was changed or lost", ErrInvalidCursor)
	}
	if b[0] != cursorVersion {
		return 0, fmt.Errorf("%w: its form %d is newer than this gateway", ErrInvalidCursor, b[0])
	}
	if [8]byte(b[1:9]) != id.Store {
		return 0, ErrForeignCursor
	}
	return id.position([4]byte(b[9:13]), Sequence(binary.BigEndian.Uint64(b[sequenceAt:])), head)
}

func (id Identity) position(incarnation [4]byte, s, head Sequence) (Sequence, error) {
	for i, inc := range id.Lineage {
		if inc.ID != incarnation {
			continue
		}
		last := inc.Last
		if i == len(id.Lineage)-1 {
			last = head
		}
		if s > last {
			return 0, ErrCursorAhead
		}
		return s, nil
	}
	return 0, ErrForeignCursor
}
