package storetest

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/straw-gateway/straw/server/internal/event"
)

func testRead(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	all := appendAll(t, l, drafts(0, 700))
	for _, after := range []event.Sequence{0, 1, 255, 256, 257, 600, 699} {
		checkRead(t, l, after, all[after:])
	}
	seg, err := l.Read(context.Background(), 3, nil)
	if err != nil || seg.After != 3 || seg.Size() > event.SegmentSize+16<<10 {
		t.Fatalf("a segment after %d has %d bytes, %v", seg.After, seg.Size(), err)
	}
}

func testReadAtHead(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	for _, n := range []int{0, 1, 2} {
		if n > 0 {
			mustAppend(t, l, draft(n))
		}
		seg, err := l.Read(context.Background(), event.Sequence(n), nil)
		if err != nil || !seg.Empty() || len(seg.View()) != 0 || seg.Through() != event.Sequence(n) {
			t.Fatalf("at head %d: through %d, %v", n, seg.Through(), err)
		}
	}
}

// mixed are events of seven types, one of them rare.
func mixed(from, to int) []*event.Draft {
	types := append(event.Documented(), "custom.type")
	var all []*event.Draft
	for n := from; n < to; n++ {
		typ := types[n%len(types)]
		if n%997 == 500 {
			typ = "rare.type"
		}
		all = append(all, makeDraft(fmt.Sprintf("evt_%08d", n), typ, epoch.Add(time.Duration(n)*time.Second), fmt.Append(nil, n)))
	}
	return all
}

func testReadWanted(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	all := appendAll(t, l, mixed(0, 5000))
	for _, name := range []string{"rare.type", event.TypeExportReady, "custom.type"} {
		number, ok := l.Types().Number(name)
		if !ok {
			t.Fatalf("%s has no number", name)
		}
		for _, after := range []event.Sequence{0, 1, 1000, 1023, 1024, 1025, 3000, 4999} {
			var want []item
			for i := int(after); i < len(all); i++ {
				if all[i].Type == name {
					want = append(want, expected(t, l, all[i], event.Sequence(i+1)))
				}
			}
			sameItems(t, want, readAll(t, l, after, func(n event.TypeNumber) bool { return n == number }))
		}
	}
}

func testReadRare(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	all := appendAll(t, l, mixed(0, 5000))
	none := func(event.TypeNumber) bool { return false }
	at, calls := event.Sequence(0), 0
	for at < l.Bounds().Head {
		seg, err := l.Read(context.Background(), at, none)
		if err != nil || !seg.Empty() || seg.Through() <= at {
			t.Fatalf("after %d: through %d, %v", at, seg.Through(), err)
		}
		at, calls = seg.Through(), calls+1
	}
	if at != event.Sequence(len(all)) || calls > 100 {
		t.Fatalf("read through %d of %d in %d calls", at, len(all), calls)
	}
}

func testReadLarge(t *testing.T, h Harness) {
	l := open(t, h, Setup{})
	big := bytes.Repeat([]byte("x"), 2*event.SegmentSize)
	all := []*event.Draft{draft(1), unrecognized("big", "t", epoch, big), draft(2), unrecognized("big2", "t", epoch, big), unrecognized("big3", "t", epoch, big)}
	for _, d := range all {
		mustAppend(t, l, d)
	}
	checkRead(t, l, 0, all)
	for at := range event.Sequence(len(all)) {
		seg, err := l.Read(context.Background(), at, nil)
		if err != nil || seg.Through() != at+1 || len(seg.View()) != 1 {
			t.Fatalf("after %d: through %d with %d events, %v", at, seg.Through(), len(seg.View()), err)
		}
	}
}
