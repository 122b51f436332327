package pebblestore

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// TestDiskFull fills the disk: appends are refused before Pebble runs out, all else goes on, and appends do again as soon
// as there is room.
func TestDiskFull(t *testing.T) {
	checkLeaks(t)
	fs := vfs.NewMem()
	o := small(fs)
	o.MinFreeBytes = 10 << 20
	free := func(mib uint64) {
		fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: mib << 20, TotalBytes: 1000 << 20, UsedBytes: (1000 - mib) << 20})
	}
	free(500)
	l := mustOpen(t, "store", o)
	defer mustClose(t, l)
	appendMany(t, l, newWitness(), 0, 2*markEvery)
	check := func(what string, mib uint64, full, warn bool) {
		t.Helper()
		free(mib)
		l.checkDisk()
		s := l.Stats()
		_, err := l.Append(context.Background(), draft(1_000_000+int(mib)))
		if errors.Is(err, event.ErrFull) != full || (err == nil) == full || (s.Problem != "") != full || (s.Warning != "") != warn {
			t.Fatalf("%s: append: %v; the stats are %+v", what, err, s)
		}
		if full && (!strings.Contains(err.Error(), "11 MiB must be") || !strings.Contains(s.Problem, "10 MiB is free")) {
			t.Fatalf("the error says %q, the problem %q", err, s.Problem)
		}
	}
	check("half full", 500, false, false)
	check("nearly full", 99, false, true)
	check("just enough room", 11, false, true)
	// The memtables take another 4 × 256 KiB.
	check("too little room", 10, true, false)
	if got := readAll(t, l); got != int(l.Bounds().Head) {
		t.Fatalf("%d events can be read", got)
	}
	if err := l.raiseFloor(context.Background(), markEvery); err != nil {
		t.Fatalf("retention, which makes room: %v", err)
	}
	check("room again", 101, false, false)
}

// TestDiskFillsFast looks at the disk before the second is over if much was written.
func TestDiskFillsFast(t *testing.T) {
	fs := vfs.NewMem()
	o := small(fs)
	o.MemtableBytes = 8 << 20
	l := mustOpen(t, "store", o)
	defer mustClose(t, l)
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 20, TotalBytes: 1 << 40})
	for n := range 2 * lookAfter / event.MaxBody {
		d := draft(n)
		d.Raw = make([]byte, event.MaxBody)
		if _, err := l.Append(context.Background(), d); errors.Is(err, event.ErrFull) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the full disk wasn't noticed")
}
