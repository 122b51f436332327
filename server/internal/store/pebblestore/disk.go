package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// A disk knows whether there is room for more.
type disk struct {
	problem, warning atomic.Pointer[string]
	// exhausted says that there isn't even room for what is small, and none is closed for as long. mu is held to change them.
	exhausted atomic.Pointer[string]
	none      atomic.Pointer[chan struct{}]
	mu        sync.Mutex
	// waiting counts the writes that wait for room.
	waiting atomic.Int64
	// written counts the bytes since the last look.
	written atomic.Int64
}

// lookAfter is how many bytes are written before the disk is looked at again, however soon that is.
const lookAfter = 64 << 20

// refusal is event.ErrFull while there is no room for what grows; nil otherwise.
func (d *disk) refusal() error {
	if p := d.problem.Load(); p != nil {
		return fmt.Errorf("%w: %s", event.ErrFull, *p)
	}
	return d.exhaustion()
}

// exhaustion is event.ErrFull while there is no room even for what is small, and often makes room; nil otherwise.
func (d *disk) exhaustion() error {
	if p := d.exhausted.Load(); p != nil {
		return fmt.Errorf("%w: %s", event.ErrFull, *p)
	}
	return nil
}

// gone is the error once none is closed, also if there is room again by now.
func (d *disk) gone() error {
	if err := d.exhaustion(); err != nil {
		return err
	}
	return fmt.Errorf("%w: there was no room for a moment", event.ErrFull)
}

// whileRoom runs a write that can't be taken back. It returns what came of that, or sooner if the disk has no room or the
// context ends: then the write is made once it can be, unless the process ends before.
func (l *Log) whileRoom(ctx context.Context, write func() error) error {
	if err := l.disk.exhaustion(); err != nil {
		return err
	}
	done := make(chan error, 1)
	none := *l.disk.none.Load()
	go func() { done <- write() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-none:
		return l.disk.gone()
	}
}

// Room is how much room a disk has.
type Room struct {
	// Total and Free are the disk's size and what of it is free, in bytes.
	Total, Free uint64
	// Floor is below how many free bytes events are refused.
	Floor uint64
}

// Bounds of the floor. It is a tenth of the disk, within them.
const (
	minFloor = 256 << 20
	maxFloor = 1<<30 + memtables*defaultMemtableBytes
)

// RoomOf says how much room there is where a store lies, or will.
func RoomOf(dir string) (Room, error) {
	dir = absolute(vfs.Default, dir)
	for {
		u, err := vfs.Default.GetDiskUsage(dir)
		if err == nil {
			return Options{}.withDefaults().room(u), nil
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, fs.ErrNotExist) || parent == dir {
			return Room{}, fmt.Errorf("finding the room on the disk of %s: %w", dir, err)
		}
		dir = parent
	}
}

// room says what a disk's usage means.
func (o Options) room(u vfs.DiskUsage) Room {
	r := Room{Total: u.TotalBytes, Free: u.AvailBytes, Floor: max(minFloor, min(maxFloor, u.TotalBytes/10))}
	if o.MinFreeBytes > 0 {
		r.Floor = o.MinFreeBytes + memtables*uint64(o.MemtableBytes)
	}
	return r
}

// small is below how many free bytes nothing is taken but what makes room.
func (r Room) small() uint64 { return r.Floor / 8 }

func (r Room) String() string {
	return fmt.Sprintf("%s of %s are free; below %s webhooks are answered with 503", mebibytes(r.Free), mebibytes(r.Total), mebibytes(r.Floor))
}

// wrote tells that bytes were written, and reports whether it is time to look.
func (d *disk) wrote(n int) bool { return d.written.Add(int64(n)) >= lookAfter }

// checkDisk looks how much room there is, and whether the folder is still there.
func (l *Log) checkDisk() {
	if err := l.inPlace(); errors.Is(err, errDisplaced) {
		l.fail(err)
		return
	}
	l.disk.written.Store(0)
	u, err := l.opts.FS.GetDiskUsage(l.dir)
	if err != nil || u.TotalBytes == 0 { // not every file system tells
		l.checkExhausted(Room{})
		return
	}
	r := l.opts.room(u)
	var problem, warning string
	if r.Free < r.Floor {
		problem = fmt.Sprintf("%s is free on the disk of %s, and %s must be", mebibytes(r.Free), l.dir, mebibytes(r.Floor))
	} else if r.Free < 2*r.Floor {
		warning = fmt.Sprintf("the disk of %s is filling up: %s is free, and below %s webhooks are refused", l.dir, mebibytes(r.Free), mebibytes(r.Floor))
	}
	l.report(&l.disk.problem, problem, "the disk has room again")
	l.report(&l.disk.warning, warning, "the disk has plenty of room again")
	l.checkExhausted(r)
}

// checkExhausted finds out whether there is room for what is small.
func (l *Log) checkExhausted(r Room) {
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	switch exhausted := l.disk.exhausted.Load() != nil; {
	case !exhausted && r.Free < r.small():
		l.exhaust(fmt.Sprintf("%s is free on the disk of %s, too little for anything but what makes room", mebibytes(r.Free), l.dir))
	case exhausted && r.Free >= r.small() && l.disk.waiting.Load() == 0:
		l.recover()
	}
}

func mebibytes(n uint64) string { return fmt.Sprintf("%d MiB", n>>20) }

// report keeps a sentence, and logs when it comes and when it goes.
func (l *Log) report(at *atomic.Pointer[string], sentence, over string) {
	var next *string
	if sentence != "" {
		next = &sentence
	}
	switch was := at.Swap(next); {
	case was == nil && next != nil:
		l.opts.Logger.Warn(sentence)
	case was != nil && next == nil:
		l.opts.Logger.Info(over, "dir", l.dir)
	}
}
