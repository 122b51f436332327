package pebblestore

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
	"github.com/straw-gateway/straw/server/internal/store/storetest"
)

var quiet = slog.New(slog.DiscardHandler)

// small makes memtables rotate, and tables be merged, within a test.
func small(fs vfs.FS) Options {
	return Options{FS: fs, Logger: quiet, CacheBytes: 1 << 20, MemtableBytes: 256 << 10}
}

func TestLog(t *testing.T) {
	checkLeaks(t)
	storetest.Run(t, func(t *testing.T) storetest.Harness { return harness(vfs.NewMem(), "store") }, nil)
}

func TestLogOnDisk(t *testing.T) {
	checkLeaks(t)
	storetest.Run(t, func(t *testing.T) storetest.Harness { return harness(vfs.Default, t.TempDir()) }, map[string]string{
		"a log agrees with its model": "a hundred logs with real syncs take a minute, and TestLog runs it",
	})
}

// checkLeaks fails the test if it leaves goroutines behind. Those of tests that made a log fail stay for good, as they
// should, and don't count.
func checkLeaks(t *testing.T) {
	running := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, running) })
}

// harness runs the suite on a file system.
func harness(fs vfs.FS, dir string) storetest.Harness {
	stalling := &stallFS{FS: fs}
	return storetest.Harness{
		RetainStep: markEvery,
		HoldSync:   stalling.stall,
		Open: func(t storetest.TB, s storetest.Setup) store.Log {
			t.Helper()
			o := small(stalling)
			o.Tail, o.Observer = s.Tail, s.Observer
			l, err := Open(dir, o)
			if err != nil {
				t.Fatalf("open: %v", err)
			}
			return l
		},
		Retain: func(t storetest.TB, l store.Log, through event.Sequence) event.Sequence {
			t.Helper()
			if err := l.(*Log).raiseFloor(context.Background(), through/markEvery*markEvery); err != nil {
				t.Fatalf("retain: %v", err)
			}
			return l.Bounds().Floor
		},
	}
}

// A stallFS can hold the syncs of write-ahead logs.
type stallFS struct {
	vfs.FS
	delay atomic.Int64 // of each sync, in ns
	mu    sync.Mutex
	gate  *gate
}

type gate struct {
	held, open chan struct{}
	once       sync.Once
}

// stall holds syncs until release is called. held is closed when the first is.
func (s *stallFS) stall() (held <-chan struct{}, release func()) {
	g := &gate{held: make(chan struct{}), open: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = g
	return g.held, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.gate = nil
		close(g.open)
	}
}

func (s *stallFS) wait() {
	s.mu.Lock()
	g := s.gate
	s.mu.Unlock()
	if d := time.Duration(s.delay.Load()); d > 0 {
		<-time.After(d)
	}
	if g != nil {
		g.once.Do(func() { close(g.held) })
		<-g.open
	}
}

func (s *stallFS) Unwrap() vfs.FS { return s.FS }

func (s *stallFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := s.FS.Create(name, c)
	return s.wrap(name, f, err)
}

func (s *stallFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := s.FS.ReuseForWrite(old, name, c)
	return s.wrap(name, f, err)
}

func (s *stallFS) wrap(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return stallFile{f, s}, nil
}

type stallFile struct {
	vfs.File
	fs *stallFS
}

func (f stallFile) Sync() error     { f.fs.wait(); return f.File.Sync() }
func (f stallFile) SyncData() error { f.fs.wait(); return f.File.SyncData() }
func (f stallFile) SyncTo(n int64) (bool, error) {
	f.fs.wait()
	return f.File.SyncTo(n)
}
