package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A waterline is a small file that says which batch is durable, and up to which batch everything is in tables. It is
// rewritten in place after each sync, and never synced itself: what it says may be old after a power cut, but is always true.
// With it, opening finds out that a write-ahead log is missing or lacks its end, which nothing else in the directory would
// tell.
type waterline struct {
	file        vfs.File
	incarnation [4]byte
	tables      atomic.Uint64
}

// A waterlevel is what a waterline says.
type waterlevel struct {
	durable, tables uint64
	incarnation     [4]byte
}

const (
	waterlineFile = "straw-durable"
	waterlineLen  = 8 + 8 + 4 + 4 // both batches, incarnation, checksum
)

func openWaterline(fs vfs.FS, dir string, incarnation [4]byte) (*waterline, error) {
	f, err := fs.OpenReadWrite(fs.PathJoin(dir, waterlineFile), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	return &waterline{file: f, incarnation: incarnation}, nil
}

// write says that a batch is durable. Not being able to say so harms nothing.
func (w *waterline) write(durable uint64) {
	b := make([]byte, 0, waterlineLen)
	b = binary.BigEndian.AppendUint64(b, durable)
	b = binary.BigEndian.AppendUint64(b, w.tables.Load())
	b = append(b, w.incarnation[:]...)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, walTable))
	_, _ = w.file.WriteAt(b, 0)
}

func (w *waterline) close() error { return w.file.Close() }

// readWaterline returns what the file says; it tells nothing if it isn't there, or a power cut has left it in pieces.
func readWaterline(filesystem vfs.FS, dir string) (level waterlevel, tells bool, err error) {
	b, err := readFile(filesystem, filesystem.PathJoin(dir, waterlineFile))
	if errors.Is(err, fs.ErrNotExist) {
		return level, false, nil
	}
	if err != nil {
		return level, false, fmt.Errorf("reading %s: %w", waterlineFile, err)
	}
	if len(b) != waterlineLen || crc32.Checksum(b[:waterlineLen-4], walTable) != binary.BigEndian.Uint32(b[waterlineLen-4:]) {
		return level, false, nil
	}
	return waterlevel{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), [4]byte(b[16:20])}, true, nil
}

func readFile(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
