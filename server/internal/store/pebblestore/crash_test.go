package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// A crashFS is a file system in memory whose power can be cut.
type crashFS struct {
	*vfs.MemFS
	// reuse keeps a cut out of ReuseForWrite, in which MemFS would wait for itself.
	reuse sync.Mutex
}

func newCrashFS() *crashFS { return &crashFS{MemFS: vfs.NewCrashableMem()} }

func (fs *crashFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	fs.reuse.Lock()
	defer fs.reuse.Unlock()
	return fs.MemFS.ReuseForWrite(old, name, c)
}

// cut returns what a power cut would leave, so many percent of what wasn't synced included.
func (fs *crashFS) cut(percent int, rng *rand.Rand) *crashFS {
	if rng == nil {
		rng = rand.New(rand.NewPCG(1, 1))
	}
	fs.reuse.Lock()
	defer fs.reuse.Unlock()
	return &crashFS{MemFS: fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})}
}

// TestPowerCut cuts the power at random moments under load, with all, none or some of what wasn't synced on the disk, and
// goes on with what is left. Every acknowledged event is there, in its place, in every later generation.
func TestPowerCut(t *testing.T) {
	checkLeaks(t)
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			fs := newCrashFS()
			g, base := newWitness(), 0
			for range 4 {
				l := mustOpen(t, "store", small(fs))
				g.check(t, l)
				fs, g = cutUnderLoad(t, l, fs, g, base, rng)
				base += 10_000
			}
			l := mustOpen(t, "store", small(fs))
			g.check(t, l)
			mustClose(t, l)
		})
	}
}

// cutUnderLoad returns what a power cut leaves of a file system, and what was acknowledged by then.
func cutUnderLoad(t *testing.T, l *Log, fs *crashFS, g *witness, base int, rng *rand.Rand) (*crashFS, *witness) {
	t.Helper()
	var next, acked atomic.Int64
	var stop atomic.Bool
	enough := make(chan struct{}, 17)
	target := 1 + rng.Int64N(2500)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for !stop.Load() {
				// Two callers append the same event now and then.
				n := base + int(next.Add(1))*3/4
				if err := g.append(context.Background(), l, n); err != nil {
					t.Error(err)
					enough <- struct{}{}
					return
				}
				if acked.Add(1) == target {
					enough <- struct{}{}
				}
			}
		})
	}
	wg.Go(func() {
		for !stop.Load() {
			head := l.Bounds().Head
			if err := l.raiseFloor(context.Background(), head/2/markEvery*markEvery); err != nil {
				t.Error(err)
			}
			g.raised(l.Bounds().Floor)
		}
	})
	<-enough
	left := g.copy()
	clone := fs.cut([]int{0, 20, 50, 80, 100}[rng.IntN(5)], rng)
	stop.Store(true)
	wg.Wait()
	mustClose(t, l)
	return clone, left
}

// TestPowerCutAtEveryStep cuts the power before every other operation on the disk of a short life: creating the store,
// appending, rotating logs, retention, closing, opening again.
func TestPowerCutAtEveryStep(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	fs := newCrashFS()
	g := newWitness()
	var mu sync.Mutex
	var cuts []cut
	seen := 0
	hooked := errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			mu.Lock()
			defer mu.Unlock()
			// Which half is tried is another one in every run, for goroutines take turns as they like.
			if seen++; seen%2 == 0 {
				return nil
			}
			left := g.copy()
			cuts = append(cuts, cut{fs.cut(rng.IntN(3)*50, rng), left, fmt.Sprint(op)})
		}
		return nil
	}))
	if err := shortLife(small(hooked), g, markEvery); err != nil {
		t.Fatal(err)
	}
	if len(cuts) < 100 {
		t.Fatalf("only %d cuts were made", len(cuts))
	}
	for i, c := range cuts {
		c.check(t, fmt.Sprintf("step %d of %d, before %s", i, len(cuts), c.op))
	}
}

// A cut is what a power cut leaves.
type cut struct {
	fs      *crashFS
	witness *witness
	op      string
}

func (c cut) check(t *testing.T, when string) {
	t.Helper()
	l, err := Open("store", small(c.fs))
	if err != nil {
		t.Fatalf("power cut at %s: %v", when, err)
	}
	defer func() {
		if t.Failed() {
			t.Logf("power cut at %s", when)
		}
	}()
	c.witness.check(t, l)
	appendMany(t, l, c.witness, 100_000, 100_002)
	mustClose(t, l)
}

// shortLife does a bit of everything, in a log of about so many events. It returns the first error.
func shortLife(o Options, g *witness, events int) error {
	for round := range 2 {
		l, err := Open("store", o)
		if err != nil {
			return err
		}
		if err := live(l, g, round, events/(round*10+1)); err != nil {
			return errors.Join(err, checkSilent(l, g), l.Close())
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}

func live(l *Log, g *witness, round, events int) error {
	for n := range 3 {
		if err := g.append(context.Background(), l, round*5000+n); err != nil {
			return err
		}
	}
	if err := burst(l, g, round*5000+10, round*5000+10+events); err != nil {
		return err
	}
	if l.Bounds().Head > markEvery {
		if err := l.raiseFloor(context.Background(), markEvery); err != nil {
			return err
		}
		g.raised(l.Bounds().Floor)
	}
	if err := l.flush(); err != nil {
		return err
	}
	return g.append(context.Background(), l, round*5000+3)
}

func burst(l *Log, g *witness, from, to int) error {
	errs := make(chan error, to-from)
	var wg sync.WaitGroup
	for n := from; n < to; n++ {
		wg.Go(func() { errs <- g.append(context.Background(), l, n) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

var errSuccessAfterFailure = errors.New("a failed log has acknowledged an event")

// checkSilent holds a log that has failed to never claiming a success again.
func checkSilent(l *Log, g *witness) error {
	select {
	case <-l.Failed():
	default:
		return nil
	}
	for n := range 5 {
		if err := g.append(context.Background(), l, 200_000+n); err == nil {
			return errSuccessAfterFailure
		}
	}
	return nil
}
