package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// contents returns the bytes of a file.
func contents(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	b, err := readFile(fs, name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, fs vfs.FS, name string, b []byte) {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	// Write may change what it is given.
	if _, err := f.Write(slices.Clone(b)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// files returns the store's files that end in a suffix, and aren't empty. Markers are: TestDamagedFiles has them.
func files(t *testing.T, fs vfs.FS, suffix string) (names []string) {
	t.Helper()
	all, err := fs.List("store")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	for _, name := range all {
		if name := path.Join("store", name); strings.HasSuffix(name, suffix) && len(contents(t, fs, name)) > 0 {
			names = append(names, name)
		}
	}
	return names
}

// killed returns what a store of n events leaves when its process is killed: everything that was written, synced or not.
func killed(t *testing.T, n int) (*crashFS, *witness) {
	t.Helper()
	fs, g := newCrashFS(), newWitness()
	l := mustOpen(t, "store", small(fs))
	// One after the other, so that there are many batches.
	for i := range n {
		if err := g.append(context.Background(), l, i); err != nil {
			t.Fatal(err)
		}
	}
	left := fs.cut(100, nil)
	mustClose(t, l)
	return left, g
}

// copyFS copies a store.
func copyFS(t *testing.T, from *crashFS) *crashFS {
	t.Helper()
	return from.cut(100, nil)
}

// mustRefuse opens a damaged store, twice, for the first time may not destroy what proves the damage.
func mustRefuse(t *testing.T, fs vfs.FS, what, name string) {
	t.Helper()
	for range 2 {
		l, err := Open("store", small(fs))
		if err == nil {
			head := l.Bounds().Head
			mustClose(t, l)
			t.Fatalf("%s: the store opens, with %d events", what, head)
		}
		if !errors.Is(err, event.ErrCorrupt) || !strings.Contains(err.Error(), path.Base(name)) {
			t.Fatalf("%s: %v; it should name %s", what, err, name)
		}
	}
}

// TestFlippedLog flips a bit at places all over the write-ahead log. Wherever an acknowledged event would be lost, the store
// refuses to open, the very last record included: the waterline knows of it.
func TestFlippedLog(t *testing.T) {
	left, g := killed(t, 120)
	logs := files(t, left, ".log")
	last := logs[len(logs)-1]
	data := contents(t, left, last)
	end := len(data)
	for at := 0; at < end; at += 1 + at%131 {
		fs := copyFS(t, left)
		flipped := slices.Clone(data)
		flipped[at] ^= 1 << (at % 8)
		write(t, fs, last, flipped)
		mustRefuse(t, fs, fmt.Sprintf("a bit flipped at %d of %d", at, end), last)
	}
	l := mustOpen(t, "store", small(copyFS(t, left)))
	g.check(t, l)
	mustClose(t, l)
}

// TestFlippedLogAfterPowerCut is the same without a waterline. Only what nothing later vouches for can then pass for a torn
// tail: the last record.
func TestFlippedLogAfterPowerCut(t *testing.T) {
	left, _ := killed(t, 120)
	write(t, left, "store/"+waterlineFile, nil)
	logs := files(t, left, ".log")
	last := logs[len(logs)-1]
	data := contents(t, left, last)
	opened := 0
	for at := 0; at < len(data); at += 1 + at%211 {
		fs := copyFS(t, left)
		flipped := slices.Clone(data)
		flipped[at] ^= 1 << (at % 8)
		write(t, fs, last, flipped)
		l, err := Open("store", small(fs))
		if err != nil {
			if !errors.Is(err, event.ErrCorrupt) || !strings.Contains(err.Error(), path.Base(last)) {
				t.Fatalf("a bit flipped at %d: %v", at, err)
			}
			continue
		}
		opened++
		if head := l.Bounds().Head; head != 119 {
			t.Fatalf("a bit flipped at %d of %d: the store opens with %d events", at, len(data), head)
		}
		mustClose(t, l)
	}
	if opened > 20 {
		t.Fatalf("%d flips passed for a torn tail", opened)
	}
}

// TestFlippedOldLog flips bits in a log that isn't the newest, while its contents are in no table yet.
func TestFlippedOldLog(t *testing.T) {
	fs, g := newCrashFS(), newWitness()
	var holding atomic.Bool
	release := make(chan struct{})
	o := small(errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") && holding.Load() {
			<-release
		}
		return nil
	})))
	o.MemtableBytes = 8 << 20 // the first ones are smaller, and several may wait to be flushed
	l := mustOpen(t, "store", o)
	holding.Store(true)
	for i := range 1500 {
		if err := g.append(context.Background(), l, i); err != nil {
			t.Fatal(err)
		}
	}
	left := fs.cut(100, nil)
	close(release)
	mustClose(t, l)
	logs := files(t, left, ".log")
	if len(logs) < 2 {
		t.Fatalf("there is only one log: %v", logs)
	}
	old := logs[len(logs)-2]
	data := contents(t, left, old)
	for at := 0; at < len(data); at += 1 + len(data)/30 {
		fs := copyFS(t, left)
		flipped := slices.Clone(data)
		flipped[at] ^= 1 << (at % 8)
		write(t, fs, old, flipped)
		mustRefuse(t, fs, fmt.Sprintf("a bit flipped at %d of %d", at, len(data)), old)
	}
}

// TestTornLog cuts the newest log short, as a crash does. Everything that was acknowledged before is there; where more was
// acknowledged than is left, the store doesn't open.
func TestTornLog(t *testing.T) {
	fs, g := newCrashFS(), newWitness()
	l := mustOpen(t, "store", small(fs))
	type state struct {
		fs    *crashFS
		acked *witness
	}
	var states []state
	for i := range 15 {
		if err := g.append(context.Background(), l, i); err != nil {
			t.Fatal(err)
		}
		states = append(states, state{fs.cut(100, nil), g.copy()})
	}
	mustClose(t, l)
	for i := range states[:len(states)-1] {
		// The log as it was after the next event, cut off anywhere within that event, beside what was told of this one.
		logs := files(t, states[i].fs, ".log")
		name := logs[len(logs)-1]
		before, after := contents(t, states[i].fs, name), contents(t, states[i+1].fs, name)
		for cutAt := len(before); cutAt < len(after); cutAt += 23 {
			fs := copyFS(t, states[i].fs)
			write(t, fs, name, append(slices.Clone(after[:cutAt]), make([]byte, (cutAt%2)*512)...))
			l := mustOpen(t, "store", small(fs))
			states[i].acked.check(t, l)
			mustClose(t, l)
		}
		fs := copyFS(t, states[i+1].fs)
		write(t, fs, name, before)
		mustRefuse(t, fs, "the log lacks its last record", "store")
	}
}

// TestMissingFiles removes each file of a store, empty ones included, and cuts each short. Where that isn't refused, nothing may
// be missing.
func TestMissingFiles(t *testing.T) {
	left, g := killed(t, 3000)
	needed := 0
	for base, data := range everyFile(t, left) {
		name := "store/" + base
		missing, short := copyFS(t, left), copyFS(t, left)
		remove(t, missing, name)
		write(t, short, name, []byte(data[:len(data)-min(len(data), 1+len(data)/3)]))
		for _, fs := range []*crashFS{missing, short} {
			before := everyFile(t, fs)
			l, err := Open("store", small(fs))
			if err == nil {
				g.check(t, l)
				mustClose(t, l)
				continue
			}
			needed++
			kind, _, _ := strings.Cut(base, ".0") // of a marker, which has its number after that
			if !errors.Is(err, event.ErrCorrupt) || !strings.Contains(err.Error(), kind) && !strings.HasSuffix(name, ".log") {
				t.Fatalf("without (all of) %s: %v", name, err)
			}
			mustBeSame(t, before, everyFile(t, fs))
		}
	}
	if needed < 8 {
		t.Fatalf("only %d times something seems to be needed", needed)
	}
	manifest := files(t, left, "")
	for _, name := range manifest {
		if !strings.HasPrefix(path.Base(name), "MANIFEST-") {
			continue
		}
		fs := copyFS(t, left)
		data := contents(t, fs, name)
		data[len(data)/2] ^= 4
		write(t, fs, name, data)
		if l, err := Open("store", small(fs)); err == nil {
			g.check(t, l) // an old one
			mustClose(t, l)
		} else if !errors.Is(err, event.ErrCorrupt) {
			t.Fatalf("a flipped %s: %v", name, err)
		}
	}
}

// TestFlippedTable flips bits in tables. They are found by whoever reads them, who gets an error and never an answer that is
// empty or wrong, and the log fails.
func TestFlippedTable(t *testing.T) {
	mem := newCrashFS()
	l := mustOpen(t, "store", small(mem))
	g := newWitness()
	appendMany(t, l, g, 0, 2000)
	if err := l.flush(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	found := 0
	for _, name := range files(t, mem, ".sst") {
		data := contents(t, mem, name)
		for at := 10; at < len(data); at += 1 + len(data)/5 {
			fs := copyFS(t, mem)
			flipped := slices.Clone(data)
			flipped[at] ^= 1 << (at % 8)
			write(t, fs, name, flipped)
			if readDamaged(t, fs, g, name) {
				found++
			}
		}
	}
	if found < 10 {
		t.Fatalf("only %d flips were found by reading", found)
	}
}

// readDamaged reads everything from a store with a damaged table, and reports whether it was found.
func readDamaged(t *testing.T, fs *crashFS, g *witness, name string) (found bool) {
	t.Helper()
	o := small(fs)
	o.still = true
	l, err := Open("store", o)
	if err != nil {
		if !errors.Is(err, event.ErrCorrupt) {
			t.Fatalf("%s: %v", name, err)
		}
		return true
	}
	defer func() {
		if err := l.Close(); (err != nil) != found {
			t.Fatalf("close: %v", err)
		}
	}()
	err = readEverything(l, g)
	if err == nil {
		return false // in a filter, say, or padding
	}
	if !errors.Is(err, event.ErrCorrupt) || !strings.Contains(err.Error(), path.Base(name)) {
		t.Fatalf("%s: %v", name, err)
	}
	<-l.Failed()
	if err := l.Err(); !errors.Is(err, event.ErrCorrupt) || !strings.Contains(err.Error(), path.Base(name)) {
		t.Fatalf("%s: the log failed with %v", name, err)
	}
	if _, err := l.Append(context.Background(), draft(1_000_000)); !errors.Is(err, event.ErrCorrupt) {
		t.Fatalf("append to a corrupt store: %v", err)
	}
	if _, err := l.Read(context.Background(), 0, nil); !errors.Is(err, event.ErrCorrupt) {
		t.Fatalf("read of a corrupt store: %v", err)
	}
	return true
}

// readEverything reads every event in every way. It returns the first error, and one of its own if anything is wrong or
// missing without an error.
func readEverything(l *Log, g *witness) error {
	ctx := context.Background()
	for at := event.Sequence(0); at < l.Bounds().Head; {
		seg, err := l.Read(ctx, at, nil)
		if err != nil {
			return err
		}
		if len(seg.View()) != int(seg.Through()-at) {
			return fmt.Errorf("%d events after %d, through %d", len(seg.View()), at, seg.Through())
		}
		at = seg.Through()
	}
	for n, seq := range g.acked {
		s, err := l.Get(ctx, event.SourceJuicebox, draft(n).ID)
		if err != nil {
			return err
		}
		raw, err := l.Raw(ctx, seq)
		if err != nil {
			return err
		}
		if s.Seq != seq || string(raw) != string(draft(n).Raw) {
			return fmt.Errorf("event %d is %d, with the body %q", n, s.Seq, raw)
		}
	}
	return nil
}

// TestHole deletes single records behind the log's back: an event, a body, a mark.
func TestHole(t *testing.T) {
	for _, prefix := range []byte{keyEvent, keyRaw, keyMark} {
		t.Run(string(prefix), func(t *testing.T) {
			l := mustOpen(t, "store", small(vfs.NewMem()))
			defer l.Close()
			g := newWitness()
			appendMany(t, l, g, 0, 3000)
			key := makeSequenceKey(prefix, markEvery)
			if err := l.db.Delete(key[:], pebble.Sync); err != nil {
				t.Fatal(err)
			}
			err := readEverything(l, g)
			if prefix == keyMark {
				_, err = l.Before(context.Background(), epoch.Add(2000e9))
			}
			if !errors.Is(err, event.ErrCorrupt) || !strings.Contains(err.Error(), fmt.Sprint(markEvery)) {
				t.Fatalf("without a record of event %d: %v", markEvery, err)
			}
			<-l.Failed()
		})
	}
}

func TestSecondOpen(t *testing.T) {
	for _, fs := range []vfs.FS{vfs.NewMem(), nil} {
		dir := path.Join(t.TempDir(), "store")
		l := mustOpen(t, dir, Options{FS: fs, Logger: quiet, MemtableBytes: 1 << 20})
		_, err := Open(dir, Options{FS: fs, Logger: quiet})
		if !errors.Is(err, event.ErrUnavailable) || !strings.Contains(err.Error(), "another process") || !strings.Contains(err.Error(), dir) {
			t.Fatalf("the second to open says %v", err)
		}
		mustAppendOne(t, l)
		mustClose(t, l)
		mustClose(t, mustOpen(t, dir, Options{FS: fs, Logger: quiet}))
	}
}

func mustAppendOne(t *testing.T, l *Log) {
	t.Helper()
	if _, err := l.Append(context.Background(), draft(0)); err != nil {
		t.Fatal(err)
	}
}

func TestNewerFormat(t *testing.T) {
	fs := vfs.NewMem()
	l := mustOpen(t, "store", small(fs))
	if err := l.db.Set([]byte{keyVersion}, binary.AppendUvarint(nil, layoutVersion+41), pebble.Sync); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	if _, err := Open("store", small(fs)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("layout is %d", layoutVersion+41)) || !strings.Contains(err.Error(), "newer") {
		t.Fatalf("a newer layout: %v", err)
	}
}

// TestNewerPebble opens a store that a newer Pebble has written, by the marker that tells.
func TestNewerPebble(t *testing.T) {
	fs := vfs.NewMem()
	mustClose(t, mustOpen(t, "store", small(fs)))
	names, err := fs.List("store")
	if err != nil {
		t.Fatal(err)
	}
	renamed := 0
	for _, name := range names {
		if strings.HasPrefix(name, "marker.format-version.") {
			renamed++
			if err := fs.Rename("store/"+name, "store/"+name[:len(name)-3]+"999"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if renamed != 1 {
		t.Fatalf("%d markers in %v", renamed, names)
	}
	if _, err := Open("store", small(fs)); err == nil || !strings.Contains(err.Error(), "newer gateway") {
		t.Fatalf("a newer Pebble: %v", err)
	}
}

// TestForeignDatabase opens a directory with a Pebble database of something else.
func TestForeignDatabase(t *testing.T) {
	fs := vfs.NewMem()
	db, err := pebble.Open("store", &pebble.Options{FS: fs, Logger: logger{&Log{opts: Options{Logger: quiet}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Set([]byte("k"), []byte("v"), pebble.Sync), db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open("store", small(fs)); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Fatalf("another program's database: %v", err)
	}
}
