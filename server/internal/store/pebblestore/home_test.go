package pebblestore

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/straw-gateway/straw/server/internal/event"
)

// onDisk is small on a disk.
func onDisk() Options { return small(nil) }

// newOriginal makes a store of a hundred events and closes it.
func newOriginal(t *testing.T) (dir string, g *witness) {
	t.Helper()
	dir, g = filepath.Join(t.TempDir(), "store"), newWitness()
	l := mustOpen(t, dir, onDisk())
	appendMany(t, l, g, 0, 100)
	mustClose(t, l)
	return dir, g
}

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func filesOnDisk(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(b)
	}
	return all
}

// mustTellCopies skips where the file system under the tests doesn't tell folders apart for good.
func mustTellCopies(t *testing.T, dir string) {
	t.Helper()
	if h, err := homeOf(dir); err != nil || h == (home{}) {
		t.Skipf("the file system of %s doesn't tell copies (%v)", dir, err)
	}
}

// TestCopy copies a store. The copy is refused and stays as it is, until it is adopted; then the original's cursors are good in
// it as far as both held the same, and the original knows nothing of the copy's.
func TestCopy(t *testing.T) {
	checkLeaks(t)
	dir, g := newOriginal(t)
	mustTellCopies(t, dir)
	twin := dir + "-copy"
	copyDir(t, dir, twin)
	original := mustOpen(t, dir, onDisk())
	defer mustClose(t, original)
	appendMany(t, original, newWitness(), 1000, 1050)

	before := filesOnDisk(t, twin)
	l, err := Open(twin, onDisk())
	if err == nil {
		mustClose(t, l)
		t.Fatal("the copy opens")
	}
	for _, text := range []string{twin, "copy", "straw store adopt"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("it says %v; it should say %q", err, text)
		}
	}
	mustBeSame(t, before, filesOnDisk(t, twin))

	a, err := Adopt(twin, onDisk())
	if err != nil {
		t.Fatal(err)
	}
	if a.Head != 100 || a.Before.IncarnationID() != original.Identity().IncarnationID() || a.Before.Store != a.After.Store {
		t.Fatalf("adopted %+v of %+v", a, original.Identity())
	}
	l = mustOpen(t, twin, onDisk())
	defer mustClose(t, l)
	g.check(t, l)
	appendMany(t, l, newWitness(), 2000, 2100)
	if l.Identity().IncarnationID() != a.After.IncarnationID() {
		t.Fatalf("the copy is %+v and was adopted as %+v", l.Identity(), a.After)
	}
	checkLineage(t, original, l, 100)
	if _, err := original.Identity().Position(l.Identity().Cursor(101), original.Bounds().Head); !errors.Is(err, event.ErrForeignCursor) {
		t.Fatalf("a copy's cursor in the original: %v", err)
	}
}

// TestCopyOverItself restores a copy to where the original was, which is gone: that is another folder, too.
func TestCopyOverItself(t *testing.T) {
	dir, g := newOriginal(t)
	mustTellCopies(t, dir)
	kept := dir + "-kept"
	copyDir(t, dir, kept)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	copyDir(t, kept, dir)
	if l, err := Open(dir, onDisk()); err == nil {
		mustClose(t, l)
		t.Fatal("it opens")
	}
	if _, err := Adopt(dir, onDisk()); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, dir, onDisk())
	defer mustClose(t, l)
	g.check(t, l)
}

// TestNoCopy does to a store's folder what makes no copy of it.
func TestNoCopy(t *testing.T) {
	for name, move := range map[string]func(t *testing.T, dir string) (now string){
		"left alone": func(_ *testing.T, dir string) string { return dir },
		"renamed": func(t *testing.T, dir string) string {
			if err := os.Rename(dir, dir+"-renamed"); err != nil {
				t.Fatal(err)
			}
			return dir + "-renamed"
		},
		"linked": func(t *testing.T, dir string) string {
			if err := os.Symlink(dir, dir+"-link"); err != nil {
				t.Fatal(err)
			}
			return dir + "-link"
		},
		"mounted elsewhere": bindMount,
	} {
		t.Run(name, func(t *testing.T) {
			dir, g := newOriginal(t)
			now := move(t, dir)
			l := mustOpen(t, now, onDisk())
			defer mustClose(t, l)
			g.check(t, l)
			if len(l.Identity().Lineage) != 1 {
				t.Errorf("it is %+v", l.Identity())
			}
		})
	}
}

func bindMount(t *testing.T, dir string) string {
	to := dir + "-mount"
	if err := os.Mkdir(to, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "mount", "--bind", dir, to).CombinedOutput(); err != nil {
		t.Skipf("nothing can be mounted here: %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", to).CombinedOutput(); err != nil {
			t.Errorf("umount %s: %v %s", to, err, out)
		}
	})
	return to
}

// TestVolume takes a store at the top of a volume from one mount to another, and copies it to another volume: the tops of both
// have one inode.
func TestVolume(t *testing.T) {
	folder := t.TempDir()
	mount := func(image, at string) (unmount func()) {
		for _, dir := range []string{at} {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := exec.CommandContext(t.Context(), "mount", "-o", "loop", image, at).CombinedOutput(); err != nil {
			t.Skipf("no volume can be mounted here: %v %s", err, out)
		}
		return func() {
			if out, err := exec.Command("umount", at).CombinedOutput(); err != nil {
				t.Errorf("umount %s: %v %s", at, err, out)
			}
		}
	}
	image := func(name string) string {
		name = filepath.Join(folder, name)
		if out, err := exec.CommandContext(t.Context(), "mkfs.ext4", "-q", "-F", name, "48M").CombinedOutput(); err != nil {
			t.Skipf("no volume can be made here: %v %s", err, out)
		}
		return name
	}
	one, other := image("one"), image("other")
	unmount := mount(one, filepath.Join(folder, "a"))
	l := mustOpen(t, filepath.Join(folder, "a"), onDisk()) // which has a lost+found
	mustClose(t, l)
	unmount()
	defer mount(one, filepath.Join(folder, "b"))()
	mustClose(t, mustOpen(t, filepath.Join(folder, "b"), onDisk()))

	defer mount(other, filepath.Join(folder, "c"))()
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", "cp -a "+folder+"/b/* "+folder+"/c/").CombinedOutput(); err != nil {
		t.Fatalf("cp: %v %s", err, out)
	}
	l, err := Open(filepath.Join(folder, "c"), onDisk())
	if err == nil {
		mustClose(t, l)
		t.Fatal("the copy on the other volume opens")
	}
	if !strings.Contains(err.Error(), "copy") {
		t.Fatal(err)
	}
}

// TestHomelessStore opens a store that was made before stores knew their folder: it is taken for the original, once.
func TestHomelessStore(t *testing.T) {
	dir, g := newOriginal(t)
	mustTellCopies(t, dir)
	l := mustOpen(t, dir, onDisk())
	if err := errors.Join(l.db.Delete([]byte{keyHome}, pebble.Sync), l.flush()); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	first, second := dir+"-first", dir+"-second"
	copyDir(t, dir, first)
	l = mustOpen(t, first, onDisk())
	g.check(t, l)
	mustClose(t, l)
	mustClose(t, mustOpen(t, first, onDisk()))
	copyDir(t, first, second)
	if l, err := Open(second, onDisk()); err == nil {
		mustClose(t, l)
		t.Fatal("a copy of it opens")
	}
}

func TestSameHome(t *testing.T) {
	for _, row := range []struct {
		what string
		a, b home
		same bool
	}{
		{"itself", home{12, 34, 0}, home{12, 34, 0}, true},
		{"another folder", home{12, 34, 0}, home{13, 35, 0}, false},
		{"the top of another volume", home{2, 34, 0}, home{2, 35, 0}, false},
		{"numbered anew", home{12, 34, 0}, home{13, 34, 0}, true},
		{"births are told no more", home{12, 34, 0}, home{12, 0, 0}, true},
		{"another, births aren't told", home{12, 0, 0}, home{13, 0, 0}, false},
		{"the top of another volume, made at one time", home{2, 34, 5}, home{2, 34, 6}, false},
		{"the volume isn't told", home{2, 34, 5}, home{2, 34, 0}, true},
		{"nothing is known", home{}, home{13, 35, 0}, true},
		{"nothing is known any more", home{12, 34, 0}, home{}, true},
	} {
		if got := row.a.is(row.b); got != row.same {
			t.Errorf("%s: %v", row.what, got)
		}
	}
}

// TestLockRemoved removes the lock file of a store that is open: a second process must be kept out all the same.
func TestLockRemoved(t *testing.T) {
	dir, _ := newOriginal(t)
	l := mustOpen(t, dir, onDisk())
	defer mustClose(t, l)
	mustAppendOne(t, l)
	if err := os.Remove(filepath.Join(dir, lockFile)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestOpenElsewhere$")
	cmd.Env = append(os.Environ(), "STRAW_TEST_OPEN="+dir)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "another process has it open") {
		t.Fatalf("a second process: %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, lockFile)); err == nil {
		t.Error("it has made another lock")
	}
}

// TestOpenElsewhere is the second process.
func TestOpenElsewhere(t *testing.T) {
	if dir := os.Getenv("STRAW_TEST_OPEN"); dir != "" {
		mustClose(t, mustOpen(t, dir, onDisk()))
	}
}
