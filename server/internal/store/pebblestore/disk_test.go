package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

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
	check("nearly full", 21, false, true)
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

// TestFloor is a tenth of the disk, within bounds; a small volume takes webhooks, and the warning comes before the refusal.
func TestFloor(t *testing.T) {
	for total, want := range map[uint64]uint64{100 << 20: 256, 1 << 30: 256, 4 << 30: 409, 10 << 30: 1024, 12 << 30: 1152, 1 << 40: 1152} {
		if r := (Options{}).withDefaults().room(vfs.DiskUsage{TotalBytes: total}); r.Floor>>20 != want {
			t.Errorf("of %d MiB the floor is %d MiB, want %d", total>>20, r.Floor>>20, want)
		}
	}
	fs := vfs.NewMem()
	log := &lineLog{}
	o := small(fs)
	o.Logger = slog.New(slog.NewTextHandler(log, nil))
	for free, want := range map[uint64]struct{ full, warn, exhausted bool }{
		1000: {}, 513: {}, 511: {warn: true}, 257: {warn: true}, 255: {full: true}, 31: {full: true, exhausted: true}, 0: {full: true, exhausted: true},
	} {
		fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: free << 20, TotalBytes: 1 << 30})
		l := mustOpen(t, "store", o)
		_, err := l.Append(context.Background(), draft(int(free)))
		if s := l.Stats(); errors.Is(err, event.ErrFull) != want.full || (err == nil) == want.full || (s.Warning != "") != want.warn || (l.disk.exhaustion() != nil) != want.exhausted {
			t.Errorf("with %d MiB free of 1 GiB: %v; %+v", free, err, s)
		}
		if said := fmt.Sprintf("%d MiB of 1024 MiB are free; below 256 MiB webhooks are answered with 503", free); !strings.Contains(log.String(), said) {
			t.Errorf("at the start the log doesn't say %q", said)
		}
		mustClose(t, l)
	}
}

// TestDiskStalls has a sync take long: the log says that it takes no events in time, and takes it back by itself.
func TestDiskStalls(t *testing.T) {
	checkLeaks(t)
	stalling := &stallFS{FS: vfs.NewMem()}
	o := small(stalling)
	o.stalled = 50 * time.Millisecond
	l := mustOpen(t, "store", o)
	defer mustClose(t, l)
	appendMany(t, l, newWitness(), 0, 10)
	eventually(t, "nothing is wrong", func() bool { return l.Stats().Problem == "" })
	held, release := stalling.stall()
	done := make(chan error, 1)
	go func() {
		_, err := l.Append(context.Background(), draft(100))
		done <- err
	}()
	<-held
	eventually(t, "the stall is told", func() bool { return strings.Contains(l.Stats().Problem, "stalls") })
	release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stall is over", func() bool { return l.Stats().Problem == "" })
}

// TestDiskIsSlow has each sync end, but too late for whoever waits: from the first append that is left until one is answered in
// time, the log says that it takes no events, also between the syncs. With nobody there, it finds out by itself that it does again.
func TestDiskIsSlow(t *testing.T) {
	checkLeaks(t)
	slow := &stallFS{FS: vfs.NewMem()}
	o := small(slow)
	o.stalled = 100 * time.Millisecond
	l := mustOpen(t, "store", o)
	defer mustClose(t, l)
	appendMany(t, l, newWitness(), 0, 10)
	try := func(n int) error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*o.stalled)
		defer cancel()
		_, err := l.Append(ctx, draft(n))
		return err
	}
	slow.delay.Store(int64(4 * o.stalled))
	if err := try(100); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("append on a disk that is too slow: %v", err)
	}
	var tries sync.WaitGroup
	ended := make(chan struct{})
	for k := range 3 {
		tries.Go(func() {
			for n := range 8 {
				if err := try(1000 + 100*k + n); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("append on a disk that is too slow: %v", err)
				}
			}
		})
	}
	go func() {
		tries.Wait()
		close(ended)
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for looks, done := 0, false; !done; looks++ {
		select {
		case <-ended:
			done = true
		case <-tick.C:
		}
		if l.Stats().Problem == "" {
			t.Fatalf("at look %d, nothing is wrong although no append succeeds", looks)
		}
	}
	slow.delay.Store(0)
	eventually(t, "it is found out that all is well", func() bool { return l.Stats().Problem == "" })
	if err := try(5000); err != nil {
		t.Fatal(err)
	}
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
