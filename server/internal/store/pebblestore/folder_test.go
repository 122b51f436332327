package pebblestore

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// TestFoldersWithoutAStore opens folders in which there is no store. A new one is made only where there is nothing; in all
// others nothing changes.
func TestFoldersWithoutAStore(t *testing.T) {
	const blob = "exports/8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92.data"
	for _, row := range []struct {
		holds   []string // files, with contents unless they end in =; a last slash makes a folder
		refuses string   // part of the error; empty if a store is made
		corrupt bool
	}{
		{nil, "", false},
		{[]string{"exports/"}, "", false},
		{[]string{"exports/LOCK="}, "", false},
		{[]string{"LOCK="}, "", false},
		{[]string{"lost+found/"}, "", false},
		{[]string{creatingFile + "="}, "", false},
		{[]string{"LOCK"}, "LOCK", false},
		{[]string{"README"}, "README", false},
		{[]string{"a", "b", "c", "d", "e", "f", "g"}, "a, b, c, d, e and 2 more", false},
		{[]string{"photos/cat"}, "photos", false},
		{[]string{creatingFile + "=", "README"}, "README", false},
		{[]string{"CURRENT", "LOCK=", "MANIFEST-000002", "000003.log"}, "another program's database", false},
		{[]string{blob}, "exports", true},
		{[]string{blob, "README"}, "exports", true},
		{[]string{waterlineFile}, waterlineFile, true},
		{[]string{"LOCK", "000005.sst"}, "LOCK isn't an empty file", false},
		{[]string{"000005.sst"}, "marker.manifest.* is missing", true},
		{[]string{"000005.log="}, "marker.manifest.* is missing", true},
		{[]string{"OPTIONS-000003"}, "marker.manifest.* is missing", true},
		{[]string{"marker.format-version.000001.021="}, "marker.manifest.* is missing", true},
		{[]string{"marker.manifest.000001.MANIFEST-000001="}, "marker.format-version.* is missing", true},
		{[]string{"marker.manifest.000001.MANIFEST-000001=", "marker.format-version.000001.021="}, "MANIFEST-000001 is missing", true},
	} {
		t.Run(fmt.Sprint(row.holds), func(t *testing.T) {
			fs := vfs.NewMem()
			for _, name := range append(row.holds, "") {
				holdFile(t, fs, path.Join("store", name), name)
			}
			before := everything(t, fs, "store")
			l, err := Open("store", small(fs))
			if row.refuses == "" {
				if err != nil {
					t.Fatal(err)
				}
				mustAppendOne(t, l)
				mustClose(t, l)
				return
			}
			if err == nil {
				mustClose(t, l)
				t.Fatal("a store was made")
			}
			if !strings.Contains(err.Error(), row.refuses) || errors.Is(err, event.ErrCorrupt) != row.corrupt {
				t.Errorf("it says %v; it should say %q", err, row.refuses)
			}
			mustBeSame(t, before, everything(t, fs, "store"))
			if _, err := Adopt("store", small(fs)); err == nil {
				t.Error("it was adopted")
			}
			mustBeSame(t, before, everything(t, fs, "store"))
		})
	}
}

// holdFile makes a file or a folder as a row of the table says.
func holdFile(t *testing.T, fs vfs.FS, name, as string) {
	t.Helper()
	if as == "" || strings.HasSuffix(as, "/") {
		if err := fs.MkdirAll(name, 0o700); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := fs.MkdirAll(path.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	name, empty := strings.CutSuffix(name, "=")
	if empty {
		write(t, fs, name, nil)
		return
	}
	write(t, fs, name, []byte("something"))
}

// everything returns all files below a folder, and the folders.
func everything(t *testing.T, fs vfs.FS, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		name := path.Join(dir, name)
		info, err := fs.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if !info.IsDir() {
			all[name] = string(contents(t, fs, name))
			continue
		}
		all[name] = "a folder"
		maps.Copy(all, everything(t, fs, name))
	}
	return all
}

// TestAdoptNeedsAStore adopts nothing where there is nothing, and makes nothing.
func TestAdoptNeedsAStore(t *testing.T) {
	fs := vfs.NewMem()
	if _, err := Adopt("store", small(fs)); err == nil || !strings.Contains(err.Error(), "no store") {
		t.Fatalf("adopt: %v", err)
	}
	if _, err := fs.Stat("store"); err == nil {
		t.Fatal("it made the folder")
	}
}

// TestPowerCutKeepsTheFolder makes a store some folders down and cuts the power: the folders above it are there as well.
func TestPowerCutKeepsTheFolder(t *testing.T) {
	fs, g := newCrashFS(), newWitness()
	l := mustOpen(t, "a/b/c/store", small(fs))
	appendMany(t, l, g, 0, 10)
	left := fs.cut(0, nil)
	mustClose(t, l)
	l = mustOpen(t, "a/b/c/store", small(left))
	defer mustClose(t, l)
	if head := l.Bounds().Head; head != 10 {
		t.Fatalf("%d events are left", head)
	}
	g.check(t, l)
}

// TestKilledWhileCreating ends the process, or cuts the power, before each operation on the disk of a store's making. What is
// left opens, and takes events.
func TestKilledWhileCreating(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	fs := newCrashFS()
	var mu sync.Mutex
	var cuts []cut
	o := small(errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			mu.Lock()
			defer mu.Unlock()
			for _, percent := range []int{0, 50, 100} {
				cuts = append(cuts, cut{fs.cut(percent, rng), newWitness(), fmt.Sprintf("%v, %d%% kept", op, percent)})
			}
		}
		return nil
	})))
	l := mustOpen(t, "store", o)
	mu.Lock()
	made := cuts
	mu.Unlock()
	mustClose(t, l)
	began := 0
	for i, c := range made {
		if f, err := readFolder(c.fs, "store"); err == nil && f.has(creatingFile) {
			began++
		}
		c.check(t, fmt.Sprintf("step %d of %d, before %s", i, len(made), c.op))
	}
	if began < 30 {
		t.Fatalf("only %d of %d cuts were in the middle of it", began, len(made))
	}
}
