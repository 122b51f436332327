package blob

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"time"
)

// A Manifest is what an engine keeps beside a blob's bytes. The blob exists as long as its manifest does.
type Manifest struct {
	Info
	// Data says where the bytes are, in the engine's own words.
	Data string
	sums []uint32
}

// NewManifest describes a blob whose bytes went through the digest.
func NewManifest(name Name, d *Digest, origin Origin, data string) Manifest {
	return Manifest{
		Info: Info{Name: name, Size: d.size, SHA256: d.SHA256(), StoreTime: time.Now().UTC().Truncate(time.Second), Origin: origin},
		Data: data,
		sums: d.sums,
	}
}

// manifestForm is a Manifest as JSON, for people with a broken store too.
type manifestForm struct {
	Name      string    `json:"name"`
	Size      int64     `json:"size"`
	SHA256    string    `json:"sha256"`
	StoreTime time.Time `json:"store_time"`
	Origin
	Data      string `json:"data,omitempty"`
	ChunkSize int64  `json:"chunk_size"`
	CRC32C    []byte `json:"crc32c"`
}

// Encode writes the manifest.
func (m Manifest) Encode() ([]byte, error) {
	return Seal(manifestForm{
		Name: m.Name.String(), Size: m.Size, SHA256: hex.EncodeToString(m.SHA256[:]), StoreTime: m.StoreTime,
		Origin: m.Origin, Data: m.Data, ChunkSize: ChunkSize, CRC32C: packSums(m.sums),
	})
}

// DecodeManifest reads the manifest of the named blob. Errors: ErrCorrupt for anything but what Encode wrote for that name.
func DecodeManifest(name Name, b []byte) (Manifest, error) {
	var form manifestForm
	if err := Unseal(b, &form); err != nil {
		return Manifest{}, fmt.Errorf("%w: manifest of %s: %v", ErrCorrupt, name, err)
	}
	if form.Name != name.String() || form.ChunkSize != ChunkSize {
		return Manifest{}, fmt.Errorf("%w: manifest of %s: it is of %s, with chunks of %d bytes", ErrCorrupt, name, form.Name, form.ChunkSize)
	}
	sum, err := hex.DecodeString(form.SHA256)
	if err != nil || len(sum) != len(Info{}.SHA256) {
		return Manifest{}, fmt.Errorf("%w: manifest of %s: %q is no SHA-256", ErrCorrupt, name, form.SHA256)
	}
	sums, err := unpackSums(form.CRC32C, form.Size)
	if err != nil {
		return Manifest{}, fmt.Errorf("%w: manifest of %s: %v", ErrCorrupt, name, err)
	}
	info := Info{Name: name, Size: form.Size, SHA256: [32]byte(sum), StoreTime: form.StoreTime, Origin: form.Origin}
	return Manifest{Info: info, Data: form.Data, sums: sums}, nil
}

// Seal writes v as a line of JSON and a line with that one's CRC-32C, so that Unseal can tell a changed byte.
func Seal(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(b, "\n%08x\n", crc32.Checksum(b, castagnoli)), nil
}

// Unseal reads what Seal wrote.
func Unseal(b []byte, v any) error {
	line, sum, ok := bytes.Cut(b, []byte("\n"))
	if !ok || string(sum) != fmt.Sprintf("%08x\n", crc32.Checksum(line, castagnoli)) {
		return fmt.Errorf("its %d bytes don't match their checksum", len(b))
	}
	return json.Unmarshal(line, v)
}
