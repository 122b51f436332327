package ledger

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/straw-gateway/straw/server/internal/event"
)

// TestSettledAgreesWithAMap compares the set with a plain one, and reads back what it writes.
func TestSettledAgreesWithAMap(t *testing.T) {
	const span = 3 * blockBits
	rapid.Check(t, func(t *rapid.T) {
		s, plain, floor := newSettled(), map[event.Sequence]bool{}, event.Sequence(0)
		seq := rapid.Custom(func(t *rapid.T) event.Sequence {
			return event.Sequence(rapid.IntRange(min(int(floor)+1, span-1), span-1).Draw(t, "seq"))
		})
		stored := map[uint64][]byte{}
		for range rapid.IntRange(1, 60).Draw(t, "operations") {
			switch rapid.IntRange(0, 3).Draw(t, "operation") {
			case 0:
				one := seq.Draw(t, "one")
				s.set(one)
				plain[one] = true
			case 1:
				from, to := seq.Draw(t, "from"), seq.Draw(t, "to")
				s.setRange(from, to)
				for ; from <= to; from++ {
					plain[from] = true
				}
			case 2:
				from := seq.Draw(t, "from")
				want := from
				for plain[want] {
					want++
				}
				if got := s.nextClear(from); got != want {
					t.Fatalf("after %d the first clear one is %d, want %d", from, got, want)
				}
			case 3:
				from, to := seq.Draw(t, "from"), seq.Draw(t, "to")
				var want uint64
				for at := from; at <= to; at++ {
					if !plain[at] {
						want++
					}
				}
				if from <= to && s.countClear(from, to) != want {
					t.Fatalf("from %d to %d, %d are clear, want %d", from, to, s.countClear(from, to), want)
				}
			}
			if rapid.IntRange(0, 9).Draw(t, "raise") == 0 {
				floor = min(s.nextClear(floor+1)-1, span-2)
				s.dropThrough(floor)
			}
			for _, b := range s.drain(floor, nil) {
				if stored[b.No] = b.Value; b.Value == nil {
					delete(stored, b.No)
				}
			}
		}
		for at := floor + 1; at < span; at++ {
			if s.has(at) != plain[at] {
				t.Fatalf("%d is in the set: %v, want %v", at, s.has(at), plain[at])
			}
		}
		for no, record := range stored {
			b, err := decodeBlock(record)
			if err != nil {
				t.Fatalf("block %d: %v", no, err)
			}
			if again := b.encode(no, 0); string(again) != string(record) {
				t.Fatalf("block %d changes when it is read and written", no)
			}
		}
	})
}

func TestABlockIsWrittenAsShortAsItCanBe(t *testing.T) {
	s := newSettled()
	s.setRange(0, blockBits-1)
	full := s.blocks[0].encode(0, 0)
	if len(full) != 3 {
		t.Errorf("a full block takes %d bytes", len(full))
	}
	for seq := event.Sequence(blockBits); seq < 2*blockBits; seq += 2 {
		s.set(seq)
	}
	if worst := s.blocks[1].encode(1, 0); len(worst) != 1+blockBits/8 {
		t.Errorf("the worst block takes %d bytes", len(worst))
	}
	if half := s.blocks[1].encode(1, blockBits+4000); len(half) > 120 || len(half) < 3 {
		t.Errorf("a block mostly below the floor takes %d bytes", len(half))
	}
	if none := s.blocks[1].encode(1, 2*blockBits-2); none != nil {
		t.Errorf("a block with nothing above the floor takes %d bytes", len(none))
	}
}

func FuzzBlock(f *testing.F) {
	b := &block{bits: new(words)}
	b.fill(7, 3000)
	f.Add(b.encode(0, 0))
	f.Add([]byte{formBits})
	f.Fuzz(func(t *testing.T, record []byte) {
		b, err := decodeBlock(record)
		if err != nil {
			return
		}
		record = b.encode(1, 0)
		if record == nil && b.count == 0 {
			return
		}
		again, err := decodeBlock(record)
		if err != nil || again.count != b.count {
			t.Fatalf("a block of %d comes back as %+v, %v", b.count, again, err)
		}
	})
}
