package pebblestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// What may be done to a file of a store.
const (
	removed = "removed"
	emptied = "truncated to nothing"
	older   = "replaced by an older copy"
	halved  = "cut in half"
)

// What opening the store must do then.
const (
	// refused: it fails, and names the file; no byte of the others has changed, and with the file back all of the store is there.
	refused = "refused"
	// whole: the file isn't needed; all that was acknowledged is there.
	whole = "whole"
	// tornTail: what nothing proves to have been acknowledged may be gone, one event at most here, and the log says so.
	tornTail = "torn tail"
)

// damages is the promise, file by file.
var damages = []struct {
	file string // as in damaged.of
	how  string
	want string
	says string // in the error, or in the log; empty for the file's name
}{
	{"marker.manifest", removed, refused, "marker.manifest.* is missing"},
	{"marker.manifest", emptied, whole, ""}, // it is empty: its name is what counts
	{"marker.manifest", older, refused, "marker.manifest.* is an older copy"},
	{"marker.format-version", removed, refused, "marker.format-version.* is missing"},
	{"marker.format-version", emptied, whole, ""},
	{"marker.format-version", older, whole, ""}, // the format of each file is known without it; it rises again
	{"MANIFEST", removed, refused, ""},
	{"MANIFEST", emptied, refused, ""},
	{"MANIFEST", older, refused, ""},
	{"MANIFEST of before", removed, whole, ""},
	{"MANIFEST of before", emptied, whole, ""},
	{"table", removed, refused, ""},
	{"table", emptied, refused, ""},
	{"table", older, refused, ""}, // a table never changes: with what another one holds
	{"write-ahead log", removed, refused, "the write-ahead log before"},
	{"write-ahead log", emptied, refused, "the write-ahead log before"},
	{"write-ahead log", older, refused, "the write-ahead log before"},
	{"newest write-ahead log", removed, refused, "the newest write-ahead log"},
	{"newest write-ahead log", emptied, refused, "the newest write-ahead log"},
	{"newest write-ahead log", older, refused, "the newest write-ahead log"},
	{"newest write-ahead log, without " + waterlineFile, "cut within its last batch", tornTail, "torn batch"},
	{"all write-ahead logs, without " + waterlineFile, removed, refused, "the write-ahead log is missing"},
	{waterlineFile, removed, whole, waterlineFile}, // the log tells
	{waterlineFile, emptied, whole, waterlineFile},
	{waterlineFile, older, whole, ""},
	{"OPTIONS", removed, whole, ""},
	{"OPTIONS", emptied, whole, ""},
	{"OPTIONS", older, whole, ""},
	{"OPTIONS", halved, whole, ""},
	{"MANIFEST", halved, refused, ""},
	{"table", halved, refused, ""},
	{"write-ahead log", halved, refused, "the write-ahead log before"},
	{waterlineFile, halved, whole, waterlineFile},
	{"LOCK", removed, whole, ""},
	{"LOCK", emptied, whole, ""},
	{creatingFile, "put back", whole, ""},
	{creatingFile + ", without marker.manifest", "put back", refused, "marker.manifest.* is missing"},
}

// TestDamagedFiles does each of it to a store whose process was killed.
func TestDamagedFiles(t *testing.T) {
	d := newDamaged(t)
	for _, row := range damages {
		for i, files := range d.of(t, row.file) {
			t.Run(fmt.Sprintf("%s %s %d", row.file, row.how, i), func(t *testing.T) {
				says := row.says
				if says == "" && row.want == refused {
					says = path.Base(files[0])
				}
				fs := copyFS(t, d.fs)
				d.damage(t, fs, files, row.how)
				d.check(t, fs, row.want, says)
			})
		}
	}
}

// A damaged is a store that was killed, and what it was before.
type damaged struct {
	fs, before, early *crashFS
	witness           *witness
}

// newDamaged lets a store live: two processes, tables that were merged, and at the end several logs that aren't in tables yet.
func newDamaged(t *testing.T) *damaged {
	t.Helper()
	fs, g := newCrashFS(), newWitness()
	var holding atomic.Bool
	release := make(chan struct{})
	o := small(errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") && holding.Load() {
			<-release
		}
		return nil
	})))
	d := &damaged{witness: g}
	l := mustOpen(t, "store", o)
	appendMany(t, l, g, 0, 2000)
	d.early = fs.cut(100, nil)
	mustClose(t, l)
	l = mustOpen(t, "store", o)
	appendMany(t, l, g, 2000, 4000)
	d.before = fs.cut(100, nil)
	appendMany(t, l, g, 4000, 6000)
	if err := l.db.Compact(context.Background(), []byte{0}, []byte{0xff}, false); err != nil {
		t.Fatal(err)
	}
	holding.Store(true)
	logs := files(t, fs, ".log")
	newer := func() int {
		return len(slices.DeleteFunc(files(t, fs, ".log"), func(name string) bool { return name <= logs[len(logs)-1] }))
	}
	for n := 6000; newer() < 2; n++ {
		if err := g.append(context.Background(), l, n); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 50 {
		if err := g.append(context.Background(), l, 50_000+n); err != nil {
			t.Fatal(err)
		}
	}
	d.fs = fs.cut(100, nil)
	close(release)
	mustClose(t, l)
	d.check(t, copyFS(t, d.fs), whole, "")
	return d
}

// of returns the files of a kind, each with those that are damaged beside it.
func (d *damaged) of(t *testing.T, kind string) (all [][]string) {
	t.Helper()
	f, err := readFolder(d.fs, "store")
	if err != nil {
		t.Fatal(err)
	}
	one := func(names ...string) {
		for i := range names {
			names[i] = path.Join("store", names[i])
		}
		all = append(all, names)
	}
	logs := f.ending(".log")
	newest := logs[len(logs)-1]
	beginning := func(prefix string) (names []string) {
		for _, name := range f.names {
			if strings.HasPrefix(name, prefix) {
				names = append(names, name)
			}
		}
		return names
	}
	switch kind {
	case "marker.manifest", "marker.format-version", "OPTIONS", "LOCK":
		names := beginning(kind)
		one(names[len(names)-1])
	case "MANIFEST":
		one(f.marked(manifestMarker))
	case "MANIFEST of before":
		for _, name := range beginning("MANIFEST-") {
			if name != f.marked(manifestMarker) {
				one(name)
			}
		}
	case "table":
		g, err := (&Log{opts: small(d.fs).withDefaults(), dir: "store", lock: &lock{}, fs: d.fs}).peek(f, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Sorted(maps.Keys(g.files)) {
			one(name)
		}
	case "write-ahead log":
		one(logs[len(logs)-2])
	case "newest write-ahead log":
		one(newest)
	case "newest write-ahead log, without " + waterlineFile:
		one(newest, waterlineFile)
	case "all write-ahead logs, without " + waterlineFile:
		one(append(logs, waterlineFile)...)
	case waterlineFile, creatingFile:
		one(kind)
	case creatingFile + ", without marker.manifest":
		one(creatingFile, beginning(manifestMarker)[0])
	}
	if len(all) == 0 {
		t.Fatalf("the store has no %s: %v", kind, f.names)
	}
	return all
}

func (d *damaged) damage(t *testing.T, fs *crashFS, names []string, how string) {
	t.Helper()
	name := names[0]
	switch how {
	case removed:
		for _, name := range names {
			remove(t, fs, name)
		}
	case emptied:
		write(t, fs, name, nil)
	case halved:
		data := contents(t, fs, name)
		write(t, fs, name, data[:len(data)/2])
	case older:
		d.older(t, fs, name)
	case "cut within its last batch":
		data := contents(t, fs, name)
		log := walFile{data: data, num: number(t, name)}
		_, _, end, _ := log.prefix()
		write(t, fs, name, data[:end-10])
		remove(t, fs, names[1])
	case "put back":
		write(t, fs, name, nil)
		for _, name := range names[1:] {
			remove(t, fs, name)
		}
	default:
		t.Fatalf("nobody knows how: %s", how)
	}
}

// older replaces a file by what it was before.
func (d *damaged) older(t *testing.T, fs *crashFS, name string) {
	t.Helper()
	was := contents(t, fs, name)
	switch base := path.Base(name); {
	case strings.HasPrefix(base, manifestMarker):
		remove(t, fs, name)
		f, err := readFolder(d.early, "store")
		if err != nil {
			t.Fatal(err)
		}
		write(t, fs, "store/"+manifestMarker+"000001."+f.marked(manifestMarker), nil)
		return
	case strings.HasPrefix(base, formatMarker):
		remove(t, fs, name)
		write(t, fs, "store/"+formatMarker+"000001.013", nil)
		return
	case strings.HasSuffix(base, ".sst"):
		for _, other := range files(t, fs, ".sst") {
			if data := contents(t, fs, other); len(data) != len(was) {
				write(t, fs, name, data)
				break
			}
		}
	case strings.HasSuffix(base, ".log"):
		log := walFile{data: was, num: number(t, name)}
		_, _, end, _ := log.prefix()
		write(t, fs, name, was[:end/2])
	case strings.HasPrefix(base, "OPTIONS-"):
		for _, name := range files(t, d.early, "") {
			if strings.HasPrefix(path.Base(name), "OPTIONS-") {
				was = nil // for it may be the same
				write(t, fs, name, contents(t, d.early, name))
			}
		}
	default:
		write(t, fs, name, contents(t, d.before, name))
	}
	if was != nil && bytes.Equal(contents(t, fs, name), was) {
		t.Fatalf("%s was the same before", name)
	}
}

// number is the number in the name of a log.
func number(t *testing.T, name string) (n uint32) {
	t.Helper()
	if _, err := fmt.Sscanf(path.Base(name), "%d.log", &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func (d *damaged) check(t *testing.T, fs *crashFS, want, says string) {
	t.Helper()
	var log bytes.Buffer
	o := small(fs)
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	before := everyFile(t, fs)
	l, err := Open("store", o)
	if want == refused {
		if err == nil {
			head := l.Bounds().Head
			mustClose(t, l)
			t.Fatalf("the store opens, with %d events", head)
		}
		if !errors.Is(err, event.ErrCorrupt) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "restore a backup") {
			t.Fatalf("it says %v; it should say %q, and what to do", err, says)
		}
		mustBeSame(t, before, everyFile(t, fs))
		d.putBack(t, fs)
		d.check(t, fs, whole, "")
		return
	}
	if err != nil {
		t.Fatalf("the store doesn't open: %v", err)
	}
	defer mustClose(t, l)
	if !strings.Contains(log.String(), says) {
		t.Errorf("the log doesn't speak of %q:\n%s", says, log.String())
	}
	if want == tornTail {
		if head := int(l.Bounds().Head); head != len(d.witness.acked)-1 {
			t.Fatalf("%d events are left of %d", head, len(d.witness.acked))
		}
		return
	}
	if head := int(l.Bounds().Head); head != len(d.witness.acked) {
		t.Fatalf("%d events are left of %d", head, len(d.witness.acked))
	}
	d.witness.check(t, l)
}

// putBack undoes what was done to a store that didn't open.
func (d *damaged) putBack(t *testing.T, fs *crashFS) {
	t.Helper()
	want := everyFile(t, d.fs)
	for name, data := range everyFile(t, fs) {
		if was, there := want[name]; !there {
			remove(t, fs, "store/"+name)
		} else if data == was {
			delete(want, name)
		}
	}
	for name, data := range want {
		write(t, fs, "store/"+name, []byte(data))
	}
}

func remove(t *testing.T, fs vfs.FS, name string) {
	t.Helper()
	if err := fs.Remove(name); err != nil {
		t.Fatal(err)
	}
}

// everyFile returns what is in the store's folder.
func everyFile(t *testing.T, fs vfs.FS) map[string]string {
	t.Helper()
	names, err := fs.List("store")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, name := range names {
		all[name] = string(contents(t, fs, "store/"+name))
	}
	return all
}

func mustBeSame(t *testing.T, before, after map[string]string) {
	t.Helper()
	for name, data := range before {
		if now, there := after[name]; !there {
			t.Errorf("%s is gone", name)
		} else if now != data {
			t.Errorf("%s has changed", name)
		}
	}
	for name := range after {
		if _, there := before[name]; !there {
			t.Errorf("%s is new", name)
		}
	}
}

// TestOlderManifest takes the manifest of a store back, a bit at a time, while all tables are still there. Pebble would take
// the newer ones for rubbish: the store must be refused, and stay as it is, or all of it must be there.
func TestOlderManifest(t *testing.T) {
	fs, g := newCrashFS(), newWitness()
	o := small(fs)
	o.still = true
	l := mustOpen(t, "store", o)
	for i := range 4 {
		appendMany(t, l, g, i*100, i*100+100)
		if err := l.flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.checkTables(); err != nil { // as happens each second
		t.Fatal(err)
	}
	appendMany(t, l, g, 400, 410)
	d := &damaged{fs: fs.cut(100, nil), witness: g}
	mustClose(t, l)
	f, err := readFolder(d.fs, "store")
	if err != nil {
		t.Fatal(err)
	}
	manifest := f.path(f.marked(manifestMarker))
	data := contents(t, d.fs, manifest)
	refusals := 0
	for end := len(data) - 1; end > 0; end -= 1 + len(data)/60 {
		fs := copyFS(t, d.fs)
		write(t, fs, manifest, data[:end])
		before := everyFile(t, fs)
		l, err := Open("store", small(fs))
		if err == nil {
			g.check(t, l)
			if head := int(l.Bounds().Head); head != len(g.acked) {
				t.Fatalf("with %d of %d bytes, %d events are left of %d", end, len(data), head, len(g.acked))
			}
			mustClose(t, l)
			continue
		}
		refusals++
		if !errors.Is(err, event.ErrCorrupt) {
			t.Fatalf("with %d of %d bytes: %v", end, len(data), err)
		}
		mustBeSame(t, before, everyFile(t, fs))
		d.putBack(t, fs)
		d.check(t, fs, whole, "")
	}
	if refusals < 20 {
		t.Fatalf("only %d were refused", refusals)
	}
}
