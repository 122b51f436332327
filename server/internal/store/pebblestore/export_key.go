package pebblestore

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/straw-gateway/straw/server/internal/store"
)

// What exports keep stands under keyExport and a byte that says what it is. Export ids are a sender's and may be long: they
// are hashed.
const (
	keyExport = 'x'

	exportAvailable = 'a' // number → key of a generation that is AVAILABLE
	exportCounts    = 'c' // → generations by state
	exportNewest    = 'n' // number → key of a generation that is its export's newest
	exportOpen      = 'o' // number → key of a generation that isn't settled
	exportProgress  = 'p' // → position up to which the log was looked at
	exportRecord    = 'r' // hash of the export's id, generation → record; never deleted
)

// exportRecordKey is the key of one generation of an export.
type exportRecordKey [2 + sha256.Size + 8]byte

func makeExportRecordKey(key store.ExportKey) (k exportRecordKey) {
	k[0], k[1] = keyExport, exportRecord
	hash := sha256.Sum256([]byte(key.ID))
	copy(k[2:], hash[:])
	binary.BigEndian.PutUint64(k[2+len(hash):], uint64(key.Generation))
	return k
}

// exportIndexKey is the key of an index's entry, and the bound of the index.
type exportIndexKey [10]byte

func makeExportIndexKey(index byte, number uint64) (k exportIndexKey) {
	k[0], k[1] = keyExport, index
	binary.BigEndian.PutUint64(k[2:], number)
	return k
}
