package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// A fault fails an operation on the disk: the n-th, and in the lasting form every later one.
type fault struct {
	n       int64
	lasting bool
	healed  atomic.Bool
	count   atomic.Int64
	op      atomic.Pointer[errorfs.Op]
}

func (f *fault) String() string { return fmt.Sprintf("operation %d, lasting %v", f.n, f.lasting) }

var errDisk = errors.New("input/output error")

func (f *fault) MaybeError(op errorfs.Op) error {
	if f.healed.Load() {
		return nil
	}
	if n := f.count.Add(1) - 1; n == f.n || f.lasting && n > f.n {
		f.op.CompareAndSwap(nil, &op)
		return errDisk
	}
	return nil
}

// TestEveryFault fails every single operation on the disk of a short life, once or for good. No success is claimed after
// one that the log says it couldn't survive, and what was acknowledged is there when the store is opened on a sound disk,
// whether the power was cut or only the process ended.
func TestEveryFault(t *testing.T) {
	n := int64(0)
	for ; ; n++ {
		f := &fault{n: n, lasting: n%3 == 2}
		fs, g := newCrashFS(), newWitness()
		o := small(errorfs.Wrap(fs, f))
		// Pebble panics when it fails to open after it has begun to merge tables.
		o.still, o.patience = true, 10*time.Millisecond
		err := shortLife(o, g, 100)
		if f.op.Load() == nil {
			if err != nil {
				t.Fatalf("without a fault: %v", err)
			}
			break
		}
		f.check(t, fs, g, err)
	}
	if n < 150 {
		t.Fatalf("only %d faults were tried", n)
	}
}

// TestFaultUnderLoad fails random operations of a log that is open and busy, which merges tables as well.
func TestFaultUnderLoad(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	hit := 0
	for round := range 60 {
		f := &fault{n: rng.Int64N(400), lasting: round%2 == 1}
		f.healed.Store(true)
		fs, g := newCrashFS(), newWitness()
		o := small(errorfs.Wrap(fs, f))
		o.patience = 10 * time.Millisecond
		l := mustOpen(t, "store", o)
		f.healed.Store(false)
		err := live(l, g, 0, 2*markEvery)
		if err == nil {
			err = l.inPebble(func() error { return l.db.Compact(context.Background(), []byte{0}, []byte{0xff}, false) })
		}
		err = errors.Join(err, checkSilent(l, g), l.Close())
		if f.op.Load() != nil {
			hit++
			f.check(t, fs, g, err)
		}
	}
	if hit < 20 {
		t.Fatalf("only %d faults were hit", hit)
	}
}

// check opens what a fault has left, after a power cut or a mere end of the process.
func (f *fault) check(t *testing.T, fs *crashFS, g *witness, err error) {
	t.Helper()
	if errors.Is(err, errSuccessAfterFailure) {
		t.Fatalf("%v (%v): %v", f, f.op.Load(), err)
	}
	percent := int(f.n%2) * 100
	c := cut{fs.cut(percent, rand.New(rand.NewPCG(1, uint64(f.n)))), g.copy(), ""}
	f.healed.Store(true) // or what the life has left behind goes on trying
	c.check(t, fmt.Sprintf("%d%% after %v failed (%v): %v", percent, f, f.op.Load(), err))
}

// failing is a file system whose syncs of write-ahead logs fail from some moment on.
func failing(fs vfs.FS) (vfs.FS, *atomic.Bool) {
	var broken atomic.Bool
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			if broken.Load() && strings.HasSuffix(op.Path, ".log") {
				return errDisk
			}
		}
		return nil
	})), &broken
}

// TestSyncFails fails the syncs under load. All that wait are told, Failed says why, and even when the disk is sound again
// no success is claimed: what the kernel has dropped after a failed sync would be lost.
func TestSyncFails(t *testing.T) {
	mem := newCrashFS()
	fs, broken := failing(mem)
	l := mustOpen(t, "store", small(fs))
	g := newWitness()
	appendMany(t, l, g, 0, 100)
	before := g.copy()
	broken.Store(true)
	var wg sync.WaitGroup
	for n := range 1000 {
		wg.Go(func() {
			if err := g.append(context.Background(), l, 1000+n); !errors.Is(err, event.ErrUnavailable) && !errors.Is(err, event.ErrOverloaded) {
				t.Errorf("append on a failing disk: %v", err)
			}
		})
	}
	wg.Wait()
	<-l.Failed()
	if err := l.Err(); !errors.Is(err, errDisk) || !strings.Contains(err.Error(), ".log") {
		t.Fatalf("the log failed with %v", err)
	}
	broken.Store(false)
	for n := range 50 {
		if err := g.append(context.Background(), l, n); !errors.Is(err, event.ErrUnavailable) {
			t.Fatalf("append after a failed sync: %v", err)
		}
	}
	if l.Bounds().Head != 100 || l.Stats().ByType[1] == 0 {
		t.Fatal("what is durable can't be read any more")
	}
	if got := readAll(t, l); got != 100 {
		t.Fatalf("%d events can be read", got)
	}
	if err := l.Close(); !errors.Is(err, errDisk) {
		t.Fatalf("close: %v", err)
	}
	l = mustOpen(t, "store", small(mem.cut(0, nil)))
	before.check(t, l)
	if l.Bounds().Head != 100 {
		t.Fatalf("the head is %d", l.Bounds().Head)
	}
	mustClose(t, l)
}

// TestSyncStalls lets the disk hang. Callers leave when their time is up, later ones are refused as soon as the queue is
// full, nothing piles up, and once the disk goes on, so does the log.
func TestSyncStalls(t *testing.T) {
	checkLeaks(t)
	const calls = 10_000
	stalling := &stallFS{FS: vfs.NewMem()}
	o := small(stalling)
	o.MaxWaiting = 300
	l := mustOpen(t, "store", o)
	defer mustClose(t, l)
	held, release := stalling.stall()
	ctx, cancel := context.WithCancelCause(context.Background())
	results := make(chan error, calls)
	for n := range calls {
		go func() {
			_, err := l.Append(ctx, draft(n))
			results <- err
		}()
	}
	<-held
	// At most what is in flight and what may wait is still there; all others have been refused at once.
	waiting := maxInFlight*groupCalls + o.MaxWaiting
	for range calls - waiting {
		if err := <-results; !errors.Is(err, event.ErrOverloaded) {
			t.Fatalf("append: %v", err)
		}
	}
	cancel(context.DeadlineExceeded)
	for range waiting {
		if err := <-results; !errors.Is(err, context.Canceled) && !errors.Is(err, event.ErrOverloaded) {
			t.Fatalf("append: %v", err)
		}
	}
	if l.Bounds().Head != 0 {
		t.Fatal("something is visible that isn't durable")
	}
	release()
	var duplicates int
	for n := range calls {
		r := retry(t, l, draft(n))
		if r.Duplicate {
			duplicates++
		}
	}
	if duplicates == 0 || l.Bounds().Head != calls {
		t.Fatalf("%d of what timed out was stored, the head is %d", duplicates, l.Bounds().Head)
	}
	if got := readAll(t, l); got != calls {
		t.Fatalf("%d events are there", got)
	}
}

// TestEndWhileSyncHangs has the process end while a sync never does: Close fails the log after some time, and so does Open, of a
// store whose opening hangs. Both leave behind what hangs, so leaks aren't looked for.
func TestEndWhileSyncHangs(t *testing.T) {
	fs := newCrashFS()
	stalling := &stallFS{FS: fs}
	ending := make(chan struct{})
	o := small(stalling)
	o.Ending, o.patience = ending, 50*time.Millisecond
	l := mustOpen(t, "store", o)
	g := newWitness()
	appendMany(t, l, g, 0, 100)
	held, release := stalling.stall()
	defer release()
	left := make(chan error, 1)
	go func() {
		_, err := l.Append(context.Background(), draft(1000))
		left <- err
	}()
	<-held
	crash := fs.cut(0, nil)
	closed := make(chan error, 1)
	go func() { closed <- l.Close() }()
	close(ending)
	for what, err := range map[string]<-chan error{"close": closed, "append": left} {
		select {
		case err := <-err:
			if err == nil || !strings.Contains(err.Error(), "waited for in vain") {
				t.Errorf("%s on a disk that hangs: %v", what, err)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s waits for good on a disk that hangs", what)
		}
	}
	sound := mustOpen(t, "store", small(fs.cut(0, nil)))
	g.check(t, sound)
	mustClose(t, sound)
	reached, open := make(chan struct{}), make(chan struct{})
	defer close(open)
	var once sync.Once
	o.FS = errorfs.Wrap(crash, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			once.Do(func() { close(reached) })
			<-open
		}
		return nil
	}))
	opened := make(chan error, 1)
	go func() {
		_, err := Open("store", o)
		opened <- err
	}()
	<-reached
	select {
	case err := <-opened:
		if err == nil || !strings.Contains(err.Error(), "waited for in vain") {
			t.Errorf("open on a disk that hangs: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("open waits for good on a disk that hangs")
	}
}

// retry appends an event as a sender does, until there is room.
func retry(t *testing.T, l *Log, d *event.Draft) store.Receipt {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		r, err := l.Append(context.Background(), d)
		if err == nil {
			return r
		}
		if !errors.Is(err, event.ErrOverloaded) || time.Now().After(deadline) {
			t.Fatalf("append: %v", err)
		}
	}
}
