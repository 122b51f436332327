package pebblestore

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

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

// prefix reads batches as long as they are whole. It returns the first and last that have a head record, and where it stopped,
// and whether that is within a batch.
func (l *walFile) prefix() (first, last uint64, stopped int, within bool) {
	var begun []byte // the front of a batch that isn't complete yet
	for at := l.next(0); ; at = l.next(at) {
		c, ok := walChunk{}, false
		if at < len(l.data) {
			c, ok = l.chunk(at)
		}
		if starts := c.part == walFull || c.part == walFirst; !ok || starts != (begun == nil) {
			return first, last, at, begun != nil || l.begins(at)
		}
		begun = append(begun, c.payload[:min(len(c.payload), headEnd-min(len(begun), headEnd))]...)
		if c.part == walFull || c.part == walLast {
			if h, ok := batchHead(begun); ok {
				last = h.commit
				if first == 0 {
					first = last
				}
			}
			begun = nil
		} else if begun == nil {
			begun = []byte{}
		}
		at = c.end
	}
}

// begins reports whether a chunk of this log begins at a place, however little of it is there or sound. Otherwise there is
// nothing, or what an older log has left in a file that is used again.
func (l *walFile) begins(at int) bool {
	rest := l.data[min(at, len(l.data)):]
	if len(rest) < walHeader {
		return len(bytes.Trim(rest, "\x00")) > 0
	}
	return rest[6] >= walMinKind && rest[6] <= walMaxKind && binary.LittleEndian.Uint32(rest[7:]) == l.num
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
