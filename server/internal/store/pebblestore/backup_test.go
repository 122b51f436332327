package pebblestore

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// TestBackup backs the store up under load, several times. Each copy is a prefix of the log that holds all that was
// acknowledged before, opens on its own, and knows the original's cursors for what they are.
func TestBackup(t *testing.T) {
	checkLeaks(t)
	for name, setup := range map[string]func(t *testing.T) (vfs.FS, string){
		"memory": func(*testing.T) (vfs.FS, string) { return vfs.NewMem(), "" },
		"disk":   func(t *testing.T) (vfs.FS, string) { return vfs.Default, t.TempDir() },
	} {
		t.Run(name, func(t *testing.T) {
			fs, dir := setup(t)
			l := mustOpen(t, fs.PathJoin(dir, "store"), small(fs))
			defer mustClose(t, l)
			g := newWitness()
			appendMany(t, l, g, 0, 3000)
			if err := l.raiseFloor(context.Background(), markEvery); err != nil {
				t.Fatal(err)
			}
			stop := load(t, l, g, 10_000)
			for _, to := range []string{"a", "deep/er/b", "c"} {
				checkBackup(t, l, g, fs, fs.PathJoin(dir, to))
			}
			stop()
		})
	}
}

// load appends events from n on until stop is called.
func load(t *testing.T, l *Log, g *witness, n int64) (stop func()) {
	var next atomic.Int64
	var stopped atomic.Bool
	next.Store(n)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for !stopped.Load() {
				if err := g.append(context.Background(), l, int(next.Add(1))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	return func() { stopped.Store(true); wg.Wait() }
}

func checkBackup(t *testing.T, l *Log, g *witness, fs vfs.FS, dir string) {
	t.Helper()
	before := g.copy()
	b, err := l.Backup(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if b.Floor != markEvery || int(b.Head) < len(before.acked) {
		t.Fatalf("the copy has bounds %+v; %d events were acknowledged", b, len(before.acked))
	}
	c := mustOpen(t, dir, small(fs))
	defer mustClose(t, c)
	if got := c.Bounds(); got != b {
		t.Fatalf("the copy has bounds %+v, and was said to have %+v", got, b)
	}
	before.check(t, c)
	checkLineage(t, l, c, b.Head)
	appendMany(t, c, newWitness(), 900_000, 900_050)
	if _, err := l.Identity().Position(c.Identity().Cursor(1), l.Bounds().Head); !errors.Is(err, event.ErrForeignCursor) {
		t.Fatalf("a copy's cursor in the original: %v", err)
	}
	if err := c.Scrub(context.Background(), 0); err != nil {
		t.Fatal(err)
	}
}

// checkLineage gives cursors of the original to the copy.
func checkLineage(t *testing.T, l, c *Log, shared event.Sequence) {
	t.Helper()
	if c.Identity().Store != l.Identity().Store || c.Identity().IncarnationID() == l.Identity().IncarnationID() {
		t.Fatalf("the copy is %+v, the original %+v", c.Identity(), l.Identity())
	}
	head := c.Bounds().Head
	if seq, err := c.Identity().Position(l.Identity().Cursor(shared), head); err != nil || seq != shared {
		t.Fatalf("the last shared cursor: %d, %v", seq, err)
	}
	if _, err := c.Identity().Position(l.Identity().Cursor(shared+1), head+100); !errors.Is(err, event.ErrCursorAhead) {
		t.Fatalf("a cursor from after the backup: %v", err)
	}
	if seq, err := c.Identity().Position(c.Identity().Cursor(head), head); err != nil || seq != head {
		t.Fatalf("the copy's own cursor: %d, %v", seq, err)
	}
}

// TestBackupOfBackup restores a copy, goes on with it, and copies that: cursors of all three are known.
func TestBackupOfBackup(t *testing.T) {
	checkLeaks(t)
	fs := vfs.NewMem()
	first := mustOpen(t, "store", small(fs))
	var cursors []string
	l, dirs := first, []string{"b", "c"}
	for i := range 3 {
		appendMany(t, l, newWitness(), i*100, i*100+100)
		cursors = append(cursors, l.Identity().Cursor(l.Bounds().Head))
		if i == 2 {
			break
		}
		if _, err := l.Backup(context.Background(), dirs[i]); err != nil {
			t.Fatal(err)
		}
		mustClose(t, l)
		l = mustOpen(t, dirs[i], small(fs))
	}
	defer mustClose(t, l)
	for i, cursor := range cursors {
		if seq, err := l.Identity().Position(cursor, l.Bounds().Head); err != nil || seq != event.Sequence(i+1)*100 {
			t.Fatalf("cursor %d is at %d, %v", i, seq, err)
		}
	}
}

// TestBackupRemovesNothingElse finds something in the place where it would work.
func TestBackupRemovesNothingElse(t *testing.T) {
	fs := vfs.NewMem()
	l := mustOpen(t, "store", small(fs))
	defer mustClose(t, l)
	holdFile(t, fs, "backup"+partial+"/photo", "photo")
	if _, err := l.Backup(context.Background(), "backup"); err == nil || !strings.Contains(err.Error(), "photo") {
		t.Fatalf("a backup over something else: %v", err)
	}
	if string(contents(t, fs, "backup"+partial+"/photo")) != "something" {
		t.Fatal("it has changed")
	}
}

// TestBackupFails leaves the store as it was, and nothing that looks like a backup.
func TestBackupFails(t *testing.T) {
	checkLeaks(t)
	mem := vfs.NewMem()
	var failing atomic.Bool
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if failing.Load() && op.Kind == errorfs.OpFileWrite && strings.Contains(op.Path, "backup") {
			return errDisk
		}
		return nil
	}))
	l := mustOpen(t, "store", small(fs))
	defer mustClose(t, l)
	g := newWitness()
	appendMany(t, l, g, 0, 500)
	failing.Store(true)
	if _, err := l.Backup(context.Background(), "backup"); !errors.Is(err, errDisk) {
		t.Fatalf("a backup to a failing disk: %v", err)
	}
	if _, err := mem.Stat("backup"); err == nil {
		t.Fatal("the failed backup is there")
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.Backup(ended, "backup"); !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled backup: %v", err)
	}
	failing.Store(false)
	appendMany(t, l, g, 500, 600)
	if _, err := l.Backup(context.Background(), "backup"); err != nil {
		t.Fatalf("the backup after the failed one: %v", err)
	}
	if _, err := l.Backup(context.Background(), "backup"); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Fatalf("a backup over another: %v", err)
	}
	g.check(t, l)
}
