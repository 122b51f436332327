package pebblestore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// A scarceFS has no descriptors for a while. As on a real disk, a file that is reused has its new name by then.
type scarceFS struct {
	vfs.FS
	scarce  atomic.Bool
	refused atomic.Int64
	created atomic.Int64 // of the refused, those of tables and write-ahead logs
}

func (s *scarceFS) refuse(op, name string) error {
	if !s.scarce.Load() {
		return nil
	}
	s.refused.Add(1)
	if ext := filepath.Ext(name); op == "create" && (ext == ".sst" || ext == ".log") {
		s.created.Add(1)
	}
	return &fs.PathError{Op: op, Path: name, Err: syscall.EMFILE}
}

func (s *scarceFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := s.refuse("create", name); err != nil {
		return nil, err
	}
	return s.FS.Create(name, c)
}

func (s *scarceFS) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	if err := s.refuse("open", name); err != nil {
		return nil, err
	}
	return s.FS.Open(name, o...)
}

func (s *scarceFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	if err := s.refuse("create", name); err != nil {
		return nil, err
	}
	return s.FS.OpenReadWrite(name, c, o...)
}

func (s *scarceFS) OpenDir(name string) (vfs.File, error) {
	if err := s.refuse("open", name); err != nil {
		return nil, err
	}
	return s.FS.OpenDir(name)
}

func (s *scarceFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if !s.scarce.Load() {
		return s.FS.ReuseForWrite(old, name, c)
	}
	if err := s.Rename(old, name); err != nil {
		return nil, err
	}
	return nil, s.refuse("create", name)
}

// TestOutOfDescriptors takes all descriptors away under load, several times. The log doesn't fail: appends do, by their
// deadlines, until there are descriptors again, and then everything goes on.
func TestOutOfDescriptors(t *testing.T) {
	checkLeaks(t)
	mem := newCrashFS()
	scarce := &scarceFS{FS: mem}
	l := mustOpen(t, "store", small(scarce))
	g := newWitness()
	next := 0
	for round := range 2 {
		appendMany(t, l, g, next, next+2000) // so that there are logs to reuse, and tables to merge
		next += 2000
		scarce.scarce.Store(true)
		late := untilLate(t, l, g, &next)
		if late == 0 || scarce.created.Load() == 0 {
			t.Fatalf("round %d: %d appends were late, and %d opens refused, %d of them of new files", round, late, scarce.refused.Load(), scarce.created.Load())
		}
		if err := l.Err(); err != nil {
			t.Fatalf("round %d: the log failed: %v", round, err)
		}
		scarce.scarce.Store(false)
	}
	appendMany(t, l, g, next, next+1000)
	g.check(t, l)
	if got, want := readAll(t, l), int(l.Bounds().Head); got != want {
		t.Errorf("%d events can be read of %d", got, want)
	}
	mustClose(t, l)
	l = mustOpen(t, "store", small(mem.cut(0, nil)))
	g.check(t, l)
	mustClose(t, l)
}

// untilLate appends until some appends have passed their deadlines.
func untilLate(t *testing.T, l *Log, g *witness, next *int) (late int) {
	t.Helper()
	give := time.Now().Add(30 * time.Second)
	for late == 0 && time.Now().Before(give) {
		var wg sync.WaitGroup
		var failed atomic.Int64
		for n := *next; n < *next+500; n++ {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 250*time.Millisecond)
				defer cancel()
				err := g.append(ctx, l, n)
				switch {
				case errors.Is(err, context.DeadlineExceeded):
					failed.Add(1)
				case err != nil && !errors.Is(err, event.ErrOverloaded):
					t.Errorf("append: %v", err)
				}
			})
		}
		wg.Wait()
		*next += 500
		late = int(failed.Load())
	}
	return late
}

// TestOutOfDescriptorsForGood: opening and closing don't wait forever.
func TestOutOfDescriptorsForGood(t *testing.T) {
	scarce := &scarceFS{FS: vfs.NewMem()}
	o := small(scarce)
	o.patience = 50 * time.Millisecond
	l := mustOpen(t, "store", o)
	appendMany(t, l, newWitness(), 0, 100)
	scarce.scarce.Store(true)
	closed := make(chan error, 1)
	go func() { closed <- l.Close() }()
	select {
	case err := <-closed: // everything that was acknowledged is in the write-ahead log, whether there is an error or not
		t.Logf("closing: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("closing waits for descriptors that don't come")
	}
	dir := t.TempDir()
	mustClose(t, mustOpen(t, dir, Options{Logger: quiet}))
	var few, was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	few = was
	few.Cur = uint64(lowestFree(t))
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, Options{Logger: quiet, patience: 50 * time.Millisecond})
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err == nil || !strings.Contains(err.Error(), "too many open files") {
		t.Errorf("opening without descriptors: %v", err)
	}
}

// lowestFree is the number that the next descriptor gets.
func lowestFree(t *testing.T) int {
	t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return int(f.Fd())
}
