package pebblestore

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// clocks are a wall clock that is set at will, and the time since the machine was started.
type clocks struct {
	mu   sync.Mutex
	wall time.Time
	boot time.Duration
}

func (c *clocks) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

func (c *clocks) sinceBoot() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.boot
}

// pass lets time pass, set sets the wall clock.
func (c *clocks) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.boot = c.wall.Add(d), c.boot+d
}

func (c *clocks) set(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(by)
}

const day = 24 * time.Hour

// aging is a store whose clocks are moved by hand, and which keeps events for thirty days.
type aging struct {
	*clocks
	fs  *vfs.MemFS
	log *Log
	out *lineLog
	n   int
}

func newAging(t *testing.T) *aging {
	a := &aging{clocks: &clocks{wall: epoch, boot: day}, fs: vfs.NewMem(), out: &lineLog{}}
	a.open(t)
	t.Cleanup(func() { mustClose(t, a.log) })
	return a
}

func (a *aging) open(t *testing.T) {
	t.Helper()
	o := small(a.fs)
	o.Now, o.Boot, o.Retention, o.Logger = a.now, a.sinceBoot, Retention{Age: 30 * day}, slog.New(slog.NewTextHandler(a.out, nil))
	a.log = mustOpen(t, "store", o)
}

// append stores events that are received now, by the wall clock.
func (a *aging) append(t *testing.T, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for range n {
		d := draft(a.n)
		d.ReceiveTime = a.now()
		a.n++
		wg.Go(func() {
			if _, err := a.log.Append(context.Background(), d); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// retain is what runs each minute.
func (a *aging) retain(t *testing.T, want event.Sequence, when string) {
	t.Helper()
	if err := a.log.Retain(context.Background()); err != nil {
		t.Fatal(err)
	}
	if floor := a.log.Bounds().Floor; floor != want {
		t.Fatalf("%s: retention has removed %d of %d events, want %d", when, floor, a.log.Bounds().Head, want)
	}
}

func (a *aging) warned() int { return strings.Count(a.out.String(), "far from the time that was seen") }

// TestClockJump sets the clock ahead for a moment: nothing is removed then, nor is anything kept for longer afterwards, what came
// in meanwhile included.
func TestClockJump(t *testing.T) {
	checkLeaks(t)
	a := newAging(t)
	a.append(t, 2103)
	a.pass(time.Minute)
	a.retain(t, 0, "at first")
	a.set(100 * day)
	a.append(t, 10)
	a.retain(t, 0, "while the clock is wrong")
	a.pass(5 * time.Second)
	a.retain(t, 0, "while the clock is still wrong")
	if n := a.warned(); n != 1 {
		t.Errorf("%d warnings:\n%s", n, a.out)
	}
	a.set(-100 * day)
	a.retain(t, 0, "once it is right again")
	if text := a.out.String(); a.warned() != 1 || strings.Count(text, "agrees again") != 1 {
		t.Errorf("the log says\n%s", text)
	}
	a.append(t, 4*markEvery-a.n)
	a.pass(time.Minute)
	a.retain(t, 0, "a minute later")
	a.pass(30*day - 3*time.Minute)
	a.retain(t, 0, "before they are old")
	a.pass(time.Minute)
	a.retain(t, 2*markEvery, "when the first are old")
	a.pass(time.Minute + time.Second)
	a.retain(t, 2*markEvery, "before the others are")
	a.pass(time.Minute)
	a.retain(t, 4*markEvery, "when those are old that came during the jump and after")
}

// TestClockIsBelieved has the wall clock stay where it went: after an hour it counts, and not before.
func TestClockIsBelieved(t *testing.T) {
	for name, jump := range map[string]func(*testing.T, *aging){
		"set while it runs": func(_ *testing.T, a *aging) { a.set(100 * day) },
		"the machine was off": func(t *testing.T, a *aging) {
			mustClose(t, a.log)
			a.set(100 * day)
			a.boot = time.Minute
			a.open(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAging(t)
			a.append(t, 2*markEvery)
			a.pass(time.Minute)
			a.retain(t, 0, "at first")
			jump(t, a)
			for range 59 {
				a.retain(t, 0, "within the hour")
				a.pass(time.Minute)
			}
			a.append(t, markEvery)
			a.pass(2 * time.Minute)
			a.retain(t, 2*markEvery, "after it")
			if text := a.out.String(); a.warned() != 1 || strings.Count(text, "is believed") != 1 {
				t.Errorf("the log says\n%s", text)
			}
			a.pass(30*day + time.Second)
			a.retain(t, 3*markEvery, "after another age")
		})
	}
}

// TestGatewayWasDown stops the gateway, not the machine, for long: the time that has passed was seen all the same.
func TestGatewayWasDown(t *testing.T) {
	if bootID() == "" {
		t.Log("this machine doesn't tell its runs apart; it counts as having been off")
	}
	a := newAging(t)
	a.append(t, 2*markEvery)
	a.pass(time.Minute)
	a.retain(t, 0, "at first")
	mustClose(t, a.log)
	a.pass(31 * day)
	a.open(t)
	if bootID() != "" {
		a.retain(t, 2*markEvery, "after a month")
		if a.warned() > 0 {
			t.Errorf("the log says\n%s", a.out)
		}
	}
}

// TestClockGoesBack sets the clock back for a while, also for so long that it is believed: nothing is removed early when it is
// right again.
func TestClockGoesBack(t *testing.T) {
	for name, hours := range map[string]int{"for a moment": 0, "for long": 3} {
		t.Run(name, func(t *testing.T) {
			a := newAging(t)
			a.append(t, markEvery)
			a.pass(time.Minute)
			a.retain(t, 0, "at first")
			a.set(-100 * day)
			for range 60 * hours {
				a.pass(time.Minute)
				a.retain(t, 0, "while the clock is wrong")
			}
			a.append(t, markEvery)
			a.retain(t, 0, "while the clock is wrong")
			a.set(100 * day)
			for range 120 {
				a.pass(time.Minute)
				a.retain(t, 0, "once it is right again")
			}
			a.pass(30 * day)
			a.pass(time.Minute)
			a.retain(t, 2*markEvery, "when they are old")
		})
	}
}

// TestClockIsWrongAtFirst opens a store while the clock is wrong, and while nothing tells so but what is in the store.
func TestClockIsWrongAtFirst(t *testing.T) {
	checkLeaks(t)
	forget := func(t *testing.T, a *aging) { // as in a store from before the time was kept
		err := a.log.commit(context.Background(), 64, func(b *pebble.Batch) {
			start, end := []byte{keyClock}, []byte{keyClock + 1}
			_ = b.DeleteRange(start, end, nil)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, before := range map[string]func(*testing.T, *aging){
		"no time was kept":               forget,
		"it was never open for a minute": func(*testing.T, *aging) {},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAging(t)
			a.append(t, 2*markEvery+100)
			before(t, a)
			mustClose(t, a.log)
			a.set(100 * day)
			a.open(t)
			a.retain(t, 0, "at first")
			mustClose(t, a.log)
			a.open(t)
			for range 59 {
				a.retain(t, 0, "within the hour")
				a.pass(time.Minute)
			}
			if n := a.warned(); n != 2 {
				t.Errorf("%d warnings at two starts:\n%s", n, a.out)
			}
			a.set(-100 * day)
			a.retain(t, 0, "once it is right again")
			a.pass(29 * day)
			a.retain(t, 0, "before they are old")
			a.pass(2 * day)
			a.retain(t, 2*markEvery, "when they are old")
		})
	}
	t.Run("it is right", func(t *testing.T) {
		a := newAging(t)
		if a.append(t, 1); a.warned() > 0 {
			t.Errorf("a new store doubts the clock:\n%s", a.out)
		}
		a.append(t, markEvery)
		forget(t, a)
		mustClose(t, a.log)
		a.set(100 * day)
		a.open(t)
		a.pass(59 * time.Minute)
		a.retain(t, 0, "within the hour")
		a.pass(2 * time.Minute)
		a.retain(t, markEvery, "after it")
	})
}

// TestClockCreeps sets the clock ahead in steps of which each alone would be believed.
func TestClockCreeps(t *testing.T) {
	checkLeaks(t)
	a := newAging(t)
	a.append(t, 2*markEvery)
	a.pass(time.Minute)
	a.retain(t, 0, "at first")
	for range 100 * 24 {
		a.set(55 * time.Minute)
		a.pass(time.Second)
		a.log.clock.now() // as each second
	}
	a.retain(t, 0, "when the clock has crept for 90 days in an hour")
	if a.warned() == 0 {
		t.Errorf("the log says\n%s", a.out)
	}
}
