package pebblestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"

	"github.com/straw-gateway/straw/server/internal/event"
)

// Pebble ends the replay of its newest write-ahead log at the first chunk that it can't read, and takes what follows for
// the tail that a crash tore, unless a later block says that this place had been synced. What it knows of that is too
// little: nothing in the block of the damage itself, and nothing of blocks that were written as a whole. So before it may
// look, the logs are read here. Each batch says in its head record which batch was durable when it was written; a batch
// that stands after a damaged place, and knows of a durable one that does not stand before it, proves a loss.

// A walCheck reads write-ahead logs from the oldest to the newest.
type walCheck struct {
	// good is the newest batch that replay will find; zero if none was seen.
	good uint64
	// doubt is the newest batch that was durable, by a log in which no batch stands before the damage; place is where.
	doubt uint64
	place string
	// newest is the newest log.
	newest string

	buf []byte
}

// run reads every log of a directory. It fails with event.ErrCorrupt if one has lost a batch that was durable.
func (w *walCheck) run(fs vfs.FS, dir string) error {
	logs, err := wal.Scan(wal.Dir{FS: fs, Dirname: dir})
	if err != nil {
		return err
	}
	for _, log := range logs {
		for i := range log.NumSegments() {
			_, path := log.SegmentLocation(i)
			if err := w.file(fs, path, uint32(log.Num)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *walCheck) file(fs vfs.FS, path string, num uint32) error {
	if err := w.read(fs, path); err != nil {
		return err
	}
	w.newest = path
	l := walFile{data: w.buf, num: num}
	good, bad := l.prefix()
	if good > 0 {
		w.good = good
	}
	durable := l.durableAfter(bad)
	switch {
	case durable <= w.good:
	case w.good > 0:
		return lostBatches(fmt.Sprintf("%s is damaged at byte %d", path, bad), w.good, durable)
	case durable > w.doubt:
		w.doubt, w.place = durable, fmt.Sprintf("%s is damaged at byte %d", path, bad)
	}
	return nil
}

// read reads a log into buf, which the next one reuses.
func (w *walCheck) read(fs vfs.FS, path string) error {
	f, err := fs.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	w.buf = slices.Grow(w.buf[:0], int(info.Size()))[:info.Size()]
	_, err = io.ReadFull(f, w.buf)
	return err
}

// lostBatches is the error for a store that ends before what was once durable in it.
func lostBatches(where string, have, durable uint64) error {
	return fmt.Errorf("%w: %s: it was durable up to batch %d, and only %d is left; restore a backup", event.ErrCorrupt, where, durable, have)
}

// checkLogs finds out before anything is changed whether something that was durable is missing.
func (l *Log) checkLogs() error {
	var w walCheck
	if err := w.run(l.fs, l.dir); err != nil {
		return err
	}
	durable, incarnation, err := readWaterline(l.fs, l.dir)
	if err != nil || durable <= w.good && w.doubt == 0 {
		return err
	}
	// The logs alone don't tell: the batches in question may already be in the tables.
	have, own, err := l.peek()
	switch {
	case errors.Is(err, pebble.ErrDBDoesNotExist), errors.Is(err, pebble.ErrNotFound):
		own = incarnation // all is gone, what the store knows of itself included
	case err != nil:
		return err
	case have < w.doubt:
		return lostBatches(w.place, have, w.doubt)
	case have < durable && own == incarnation:
		return lostBatches(fmt.Sprintf("the newest write-ahead log in %s is missing, or its end is (%s)", l.dir, w.newest), have, durable)
	}
	return nil
}

// peek opens the database without changing it. It returns the newest batch and the store's own incarnation.
func (l *Log) peek() (commit uint64, own [4]byte, err error) {
	l.db, err = l.openPebble(true)
	if err != nil {
		return 0, own, err
	}
	defer func() { err = errors.Join(err, l.db.Close()) }()
	if err := l.restoreIdentity(); err != nil {
		return 0, own, err
	}
	h, err := l.storedHead()
	return h.commit, ownIncarnation(l.identity), err
}

// The form of Pebble's write-ahead log: blocks of 32 KiB, in them chunks of checksum (4), length (2), kind (1), log number
// (4), in some kinds a synced offset (8), and a part of a batch. No chunk crosses a block.
const (
	walBlock      = 32 << 10
	walHeader     = 11
	walSyncHeader = 19
	walMinKind    = 5 // then 4 without and 4 with a synced offset: full, first, middle, last
	walSyncKind   = 9
	walMaxKind    = 12
)

type walPart int

const (
	walFull walPart = iota
	walFirst
	walMiddle
	walLast
)

type walChunk struct {
	part    walPart
	payload []byte
	end     int // of the chunk, in the file
}

// A walFile is one write-ahead log.
type walFile struct {
	data []byte
	num  uint32
}

var walTable = crc32.MakeTable(crc32.Castagnoli)

// chunk returns the chunk that begins at a place; false if none does.
func (l *walFile) chunk(at int) (c walChunk, ok bool) {
	block := l.data[at:min(at/walBlock*walBlock+walBlock, len(l.data))]
	if len(block) < walHeader {
		return c, false
	}
	kind := block[6]
	if kind < walMinKind || kind > walMaxKind || binary.LittleEndian.Uint32(block[7:]) != l.num {
		return c, false
	}
	size := walHeader
	if kind >= walSyncKind {
		size = walSyncHeader
	}
	end := size + int(binary.LittleEndian.Uint16(block[4:]))
	if end > len(block) {
		return c, false
	}
	sum := crc32.Checksum(block[6:end], walTable)
	if sum>>15|sum<<17 != binary.LittleEndian.Uint32(block)-0xa282ead8 {
		return c, false
	}
	return walChunk{part: walPart(kind-walMinKind) % 4, payload: block[size:end], end: at + end}, true
}

// next returns where the chunk after a place begins: there, or in the next block if the rest of this one is too short.
func (l *walFile) next(at int) int {
	rest := walBlock - at%walBlock
	if rest < walSyncHeader && at+rest <= len(l.data) && len(bytes.Trim(l.data[at:at+rest], "\x00")) == 0 {
		return at + rest
	}
	return at
}

// prefix reads batches as long as they are whole. It returns the newest, and where it stopped.
func (l *walFile) prefix() (good uint64, stopped int) {
	var begun []byte // the front of a batch that isn't complete yet
	for at := l.next(0); ; at = l.next(at) {
		c, ok := walChunk{}, false
		if at < len(l.data) {
			c, ok = l.chunk(at)
		}
		if starts := c.part == walFull || c.part == walFirst; !ok || starts != (begun == nil) {
			return good, at
		}
		begun = append(begun, c.payload[:min(len(c.payload), headEnd-min(len(begun), headEnd))]...)
		if c.part == walFull || c.part == walLast {
			if h, ok := batchHead(begun); ok {
				good = h.commit
			}
			begun = nil
		} else if begun == nil {
			begun = []byte{}
		}
		at = c.end
	}
}

// durableAfter returns the newest batch that any whole chunk after a place knows to have been durable.
func (l *walFile) durableAfter(at int) (durable uint64) {
	mark := binary.LittleEndian.AppendUint32(nil, l.num)
	for at < len(l.data) {
		i := bytes.Index(l.data[at:], mark)
		if i < 0 {
			break
		}
		start := at + i - 7
		at += i + 1
		if start < 0 {
			continue
		}
		c, ok := l.chunk(start)
		if !ok {
			continue
		}
		if h, ok := batchHead(c.payload); ok && (c.part == walFull || c.part == walFirst) {
			durable = max(durable, h.durable)
		}
		at = c.end
	}
	return durable
}

// headEnd is where the head record ends in a batch, in which it is first: after the batch's header (12), the operation (1),
// the key with its length (2) and the value's length (1).
const headEnd = 12 + 4 + headLen

// batchHead reads the head record from the front of a batch; false if the batch has none, as only Pebble's own have.
func batchHead(batch []byte) (head, bool) {
	const set = 1
	if len(batch) < headEnd || !bytes.Equal(batch[12:16], []byte{set, 1, keyHead, headLen}) {
		return head{}, false
	}
	h, err := decodeHead(batch[16:headEnd])
	return h, err == nil
}
