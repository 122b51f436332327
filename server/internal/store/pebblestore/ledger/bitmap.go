package ledger

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/straw-gateway/straw/server/internal/event"
)

// blockBits is how many events have their bits in one block.
const blockBits = 4096

type words [blockBits / 64]uint64

// A block has a bit for each settled event of a stretch of the log.
type block struct {
	bits   *words // nil: all are set
	count  int    // set bits
	stored bool   // written down in some form
	dirty  bool   // to be written down
}

// settled is a set of sequences above the floor. A stretch of which none is in it takes nothing, one of which all are takes
// a few bytes.
type settled struct {
	blocks map[uint64]*block
	low    uint64   // no block below
	dirty  []uint64 // blocks to write; may hold more
	gone   []uint64 // stored blocks to remove
	// The block that was used last.
	lastNo uint64
	last   *block
}

func newSettled() *settled { return &settled{blocks: map[uint64]*block{}} }

func blockOf(seq event.Sequence) (no uint64, at uint) {
	return uint64(seq) / blockBits, uint(seq % blockBits)
}

func (s *settled) get(no uint64) *block {
	if s.last != nil && s.lastNo == no {
		return s.last
	}
	b := s.blocks[no]
	if b != nil {
		s.last, s.lastNo = b, no
	}
	return b
}

func (s *settled) make(no uint64) *block {
	b := s.get(no)
	if b == nil {
		b = &block{bits: new(words)}
		s.blocks[no] = b
	}
	return b
}

func (s *settled) has(seq event.Sequence) bool {
	no, at := blockOf(seq)
	b := s.get(no)
	return b != nil && (b.bits == nil || b.bits[at/64]&(1<<(at%64)) != 0)
}

// set adds a sequence and has its block written.
func (s *settled) set(seq event.Sequence) {
	no, at := blockOf(seq)
	b := s.make(no)
	b.fill(at, at)
	s.mark(no, b)
}

func (s *settled) mark(no uint64, b *block) {
	if !b.dirty {
		b.dirty = true
		s.dirty = append(s.dirty, no)
	}
}

// setRange adds the sequences from and to and all between, and has their blocks written.
func (s *settled) setRange(from, to event.Sequence) {
	for from <= to {
		no, at := blockOf(from)
		end := min(to, event.Sequence((no+1)*blockBits-1))
		b := s.get(no)
		if last := uint(end % blockBits); b == nil && at == 0 && last == blockBits-1 {
			b = &block{count: blockBits}
			s.blocks[no] = b
		} else {
			b = s.make(no)
			b.fill(at, last)
		}
		s.mark(no, b)
		from = end + 1
	}
}

// fill sets the bits from and to and all between.
func (b *block) fill(from, to uint) {
	if b.bits == nil {
		return
	}
	for w := from / 64; w <= to/64; w++ {
		mask := ^uint64(0)
		if w == from/64 {
			mask &= ^uint64(0) << (from % 64)
		}
		if w == to/64 {
			mask &= ^uint64(0) >> (63 - to%64)
		}
		b.count += bits.OnesCount64(mask &^ b.bits[w])
		b.bits[w] |= mask
	}
	if b.count == blockBits {
		b.bits = nil
	}
}

// nextClear returns the first sequence at or after from that isn't in the set.
func (s *settled) nextClear(from event.Sequence) event.Sequence {
	for {
		no, at := blockOf(from)
		b := s.get(no)
		if b == nil {
			return from
		}
		if b.bits != nil {
			if next := b.nextClear(at); next < blockBits {
				return event.Sequence(no*blockBits + uint64(next))
			}
		}
		from = event.Sequence((no + 1) * blockBits)
	}
}

func (b *block) nextClear(at uint) uint {
	for w := at / 64; w < uint(len(b.bits)); w++ {
		unset := ^b.bits[w]
		if w == at/64 {
			unset &= ^uint64(0) << (at % 64)
		}
		if unset != 0 {
			return w*64 + uint(bits.TrailingZeros64(unset))
		}
	}
	return blockBits
}

// countClear counts the sequences from and to and all between that aren't in the set.
func (s *settled) countClear(from, to event.Sequence) uint64 {
	n := uint64(to-from) + 1
	for no, b := range s.blocks {
		first, last := event.Sequence(no*blockBits), event.Sequence((no+1)*blockBits-1)
		if last < from || first > to {
			continue
		}
		if b.bits == nil {
			n -= uint64(min(last, to)-max(first, from)) + 1
			continue
		}
		for seq := max(first, from); seq <= min(last, to); seq++ {
			if at := uint(seq % blockBits); b.bits[at/64]&(1<<(at%64)) != 0 {
				n--
			}
		}
	}
	return n
}

// dropThrough forgets the blocks that lie below a floor as a whole.
func (s *settled) dropThrough(floor event.Sequence) {
	end, _ := blockOf(floor + 1)
	if len(s.blocks) == 0 {
		s.low = end
		return
	}
	for ; s.low < end; s.low++ {
		if b, ok := s.blocks[s.low]; ok {
			s.remove(s.low, b)
		}
	}
}

func (s *settled) remove(no uint64, b *block) {
	if b.stored {
		s.gone = append(s.gone, no)
	}
	b.dirty = false
	delete(s.blocks, no)
	if s.lastNo == no {
		s.last = nil
	}
}

// A block is written as the lengths of its runs, set and clear by turns and set first, or as its bits if that is shorter.
const (
	formRuns = 0
	formBits = 1
)

// encode returns the block's record; nil if nothing above the floor is set. Bits at or below the floor count as set, for
// they are, whatever they say.
func (b *block) encode(no uint64, floor event.Sequence) []byte {
	var w words
	if b.bits != nil {
		w = *b.bits
		whole := block{bits: &w, count: b.count}
		below := uint(0) // bits at or below the floor
		if first := event.Sequence(no * blockBits); floor >= first {
			below = uint(min(floor-first+1, blockBits))
			whole.fill(0, below-1)
		}
		if whole.count == int(below) {
			return nil
		}
	} else {
		for i := range w {
			w[i] = ^uint64(0)
		}
	}
	if runs := w.appendRuns([]byte{formRuns}); len(runs) <= len(w)*8 {
		return runs
	}
	out := make([]byte, 1, 1+len(w)*8)
	out[0] = formBits
	for _, word := range w {
		out = binary.LittleEndian.AppendUint64(out, word)
	}
	return out
}

func (w *words) appendRuns(out []byte) []byte {
	set, run := true, uint64(0)
	for _, word := range w {
		for left := 64; left > 0; {
			same := word
			if set {
				same = ^word
			}
			n := min(left, bits.TrailingZeros64(same))
			run += uint64(n)
			left -= n
			word >>= n
			if left > 0 {
				out = binary.AppendUvarint(out, run)
				set, run = !set, 0
			}
		}
	}
	return binary.AppendUvarint(out, run)
}

var errBlock = errors.New("a block of settled events doesn't decode")

// decodeBlock reads what encode wrote.
func decodeBlock(record []byte) (*block, error) {
	if len(record) == 0 {
		return nil, errBlock
	}
	b := &block{bits: new(words), stored: true}
	form, record := record[0], record[1:]
	switch {
	case form == formBits && len(record) == len(b.bits)*8:
		for i := range b.bits {
			b.bits[i] = binary.LittleEndian.Uint64(record[i*8:])
			b.count += bits.OnesCount64(b.bits[i])
		}
	case form == formRuns:
		if !b.fillRuns(record) {
			return nil, errBlock
		}
	default:
		return nil, errBlock
	}
	if b.count == blockBits {
		b.bits = nil
	}
	return b, nil
}

func (b *block) fillRuns(record []byte) bool {
	at := uint64(0)
	for set := true; len(record) > 0; set = !set {
		run, n := binary.Uvarint(record)
		if n <= 0 || run > blockBits-at {
			return false
		}
		record = record[n:]
		if set && run > 0 {
			b.fill(uint(at), uint(at+run-1))
		}
		at += run
	}
	return at == blockBits
}

// drain returns the records of the blocks that are to be written, and of those to be removed, without a value.
func (s *settled) drain(floor event.Sequence, out []Block) []Block {
	for _, no := range s.gone {
		out = append(out, Block{No: no})
	}
	for _, no := range s.dirty {
		b := s.blocks[no]
		if b == nil || !b.dirty {
			continue
		}
		b.dirty = false
		value := b.encode(no, floor)
		if value == nil && !b.stored {
			continue
		}
		b.stored = value != nil
		out = append(out, Block{No: no, Value: value})
	}
	s.gone, s.dirty = s.gone[:0], s.dirty[:0]
	return out
}
