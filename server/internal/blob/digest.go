package blob

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"hash/crc32"
)

// ChunkSize is how many bytes one CRC-32C covers, and so what a reader fetches and checks at once.
const ChunkSize = 256 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Digest sums the bytes of a blob as they are written: a SHA-256 of all, a CRC-32C of each chunk. Its JSON form carries it
// over a restart.
type Digest struct {
	size   int64
	sha256 hash.Hash
	sums   []uint32 // of the chunks begun; the last one grows until its chunk is full
}

// NewDigest returns the digest of nothing.
func NewDigest() *Digest { return &Digest{sha256: sha256.New()} }

// Add sums the bytes that follow.
func (d *Digest) Add(p []byte) {
	d.sha256.Write(p)
	for len(p) > 0 {
		within := d.size % ChunkSize
		if within == 0 {
			d.sums = append(d.sums, 0)
		}
		n := min(int64(len(p)), ChunkSize-within)
		last := &d.sums[len(d.sums)-1]
		*last = crc32.Update(*last, castagnoli, p[:n])
		d.size += n
		p = p[n:]
	}
}

// Size is the number of bytes summed.
func (d *Digest) Size() int64 { return d.size }

// SHA256 is that of the bytes so far.
func (d *Digest) SHA256() [sha256.Size]byte { return [sha256.Size]byte(d.sha256.Sum(nil)) }

// digestForm is a Digest as JSON.
type digestForm struct {
	Size   int64  `json:"size"`
	State  []byte `json:"sha256_state"`
	CRC32C []byte `json:"crc32c"`
}

// MarshalJSON writes the digest so that it can be continued.
func (d *Digest) MarshalJSON() ([]byte, error) {
	state, err := d.sha256.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return nil, err
	}
	return json.Marshal(digestForm{d.size, state, packSums(d.sums)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (d *Digest) UnmarshalJSON(b []byte) error {
	var form digestForm
	if err := json.Unmarshal(b, &form); err != nil {
		return err
	}
	sums, err := unpackSums(form.CRC32C, form.Size)
	if err != nil {
		return err
	}
	*d = Digest{size: form.Size, sha256: sha256.New(), sums: sums}
	return d.sha256.(encoding.BinaryUnmarshaler).UnmarshalBinary(form.State)
}

func packSums(sums []uint32) []byte {
	packed := make([]byte, 0, 4*len(sums))
	for _, sum := range sums {
		packed = binary.BigEndian.AppendUint32(packed, sum)
	}
	return packed
}

// unpackSums refuses any number of sums but that of size's chunks.
func unpackSums(packed []byte, size int64) ([]uint32, error) {
	if chunks := chunksOf(size); size < 0 || int64(len(packed)) != 4*chunks {
		return nil, fmt.Errorf("%d bytes of checksums for a file of %d bytes", len(packed), size)
	}
	sums := make([]uint32, 0, len(packed)/4)
	for ; len(packed) > 0; packed = packed[4:] {
		sums = append(sums, binary.BigEndian.Uint32(packed))
	}
	return sums, nil
}

func chunksOf(size int64) int64 { return (size + ChunkSize - 1) / ChunkSize }
