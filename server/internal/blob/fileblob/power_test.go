package fileblob_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/blob/fileblob"
)

// A disk knows which of a directory's files would be there after a power cut: only what was synced is certain. Of each name
// that changed since the directory was synced, either what it was or what it is now may be there, and of each file that
// changed since it was synced, either what was synced or all.
type disk struct {
	dir string

	mu      sync.Mutex
	names   map[string]uint64 // inodes by name, when the directory was last synced
	content map[uint64][]byte // when the file was last synced
	before  func()            // is called before a sync, if it is set
}

func newDisk(t *testing.T) *disk {
	return &disk{dir: filepath.Join(t.TempDir(), "exports"), names: map[string]uint64{}, content: map[uint64][]byte{}}
}

func (d *disk) open(t *testing.T) *fileblob.Blobs {
	t.Helper()
	blobs, err := fileblob.Open(d.dir, noReserve.WithSync(d.sync))
	if err != nil {
		t.Fatal(err)
	}
	return blobs
}

// sync stands in for a file's Sync. What it takes for synced is what the file has now.
func (d *disk) sync(f *os.File) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.before != nil {
		d.before()
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		if d.names, err = d.inodes(); errors.Is(err, fs.ErrNotExist) { // it is the one above, where dir is made
			return nil
		}
		return err
	}
	content := make([]byte, info.Size())
	if _, err := f.ReadAt(content, 0); err != nil && !errors.Is(err, io.EOF) {
		if content, err = os.ReadFile(filepath.Join(d.dir, filepath.Base(f.Name()))); err != nil { // it was opened for writing alone
			return err
		}
	}
	d.content[inode(info)] = content
	return nil
}

func inode(info fs.FileInfo) uint64 { return info.Sys().(*syscall.Stat_t).Ino }

// inodes lists the directory as it is now.
func (d *disk) inodes() (map[string]uint64, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, err
	}
	names := map[string]uint64{}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && entry.Name() != "LOCK" { // or it has just gone
			names[entry.Name()] = inode(info)
		}
	}
	return names, nil
}

// cuts calls check with every directory that a power cut could leave now. The caller holds mu.
func (d *disk) cuts(t *testing.T, check func(dir string)) {
	t.Helper()
	now, err := d.inodes()
	if err != nil {
		t.Error(err)
		return
	}
	written := map[uint64][]byte{} // as it is now, of what still has a name
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(union(now, d.names))) {
		if now[name] != d.names[name] {
			changed = append(changed, name)
		}
		if b, err := os.ReadFile(filepath.Join(d.dir, name)); err == nil {
			written[now[name]] = b
		}
	}
	for choice := range 1 << len(changed) {
		names := maps.Clone(d.names)
		for i, name := range changed {
			switch n, ok := now[name]; {
			case choice>>i&1 == 0: // as it was
			case ok:
				names[name] = n
			default:
				delete(names, name)
			}
		}
		for _, whole := range []bool{false, true} {
			dir := t.TempDir()
			for name, n := range names {
				b := d.content[n] // empty if it was never synced
				if w, ok := written[n]; ok && whole {
					b = w
				}
				if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
					t.Error(err)
				}
			}
			check(dir)
		}
	}
}

func union(a, b map[string]uint64) map[string]uint64 {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return both
}

// after cuts the power now.
func (d *disk) after(t *testing.T, check func(dir string)) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cuts(t, check)
}

// TestPowerCutKeepsWhatWasPromised cuts the power before every sync and after every step of a blob's life, and looks at each
// directory that could be left: what was committed is there and whole, what wasn't is whole or isn't there, and it can be
// written again.
func TestPowerCutKeepsWhatWasPromised(t *testing.T) {
	d, content := newDisk(t), crashContent()[:100_000]
	committed, deleting := false, false
	cuts := 0
	check := func(dir string) {
		cuts++
		blobs := open(t, dir)
		defer blobs.Close()
		r, err := blobs.Open(t.Context(), crashName)
		switch {
		case errors.Is(err, blob.ErrNotFound) && (!committed || deleting):
		case err != nil:
			t.Errorf("cut %d: %v; the directory has %v", cuts, err, files(t, dir))
			return
		default:
			r.Close()
			checkWhole(t, blobs, crashName, content)
			if err := blobs.Delete(t.Context(), crashName); err != nil {
				t.Error(err)
			}
		}
		w, err := blobs.Create(t.Context(), crashName)
		if err != nil {
			t.Errorf("cut %d: it can't be written again: %v", cuts, err)
			return
		}
		defer w.Close()
		if _, err := w.Write(content[w.Size():]); err != nil {
			t.Error(err)
		}
		if _, err := w.Commit(); err != nil {
			t.Error(err)
		}
		checkWhole(t, blobs, crashName, content)
	}
	d.before = func() { d.cuts(t, check) }
	step := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		d.after(t, check)
	}

	d.before = nil // the directory isn't there yet
	blobs := d.open(t)
	defer blobs.Close()
	d.before = func() { d.cuts(t, check) }
	w, err := blobs.Create(t.Context(), crashName)
	step("create", err)
	_, err = w.Write(content)
	step("write", err)
	_, err = w.Commit()
	committed = err == nil
	step("commit", err)
	deleting = true
	step("delete", blobs.Delete(t.Context(), crashName))
	if cuts < 20 {
		t.Errorf("only %d cuts were made", cuts)
	}
}

// TestPowerCutCostsACheckpoint: what a partial speaks for is there after a power cut.
func TestPowerCutCostsACheckpoint(t *testing.T) {
	d, content := newDisk(t), crashContent()[:9<<20]
	blobs := d.open(t)
	defer blobs.Close()
	w, err := blobs.Create(t.Context(), crashName)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	d.after(t, func(dir string) {
		blobs := open(t, dir)
		defer blobs.Close()
		w, err := blobs.Create(t.Context(), crashName)
		if err != nil {
			t.Error(err)
			return
		}
		defer w.Close()
		if w.Size() != 8<<20 {
			t.Errorf("%d bytes are left, want those of the checkpoint; the directory has %v", w.Size(), files(t, dir))
		}
		if _, err := w.Write(content[w.Size():]); err != nil {
			t.Error(err)
		}
		if _, err := w.Commit(); err != nil {
			t.Error(err)
		}
		checkWhole(t, blobs, crashName, content)
	})
}

// TestDirectoriesAreDurable: each directory that is made is synced into the one above it.
func TestDirectoriesAreDurable(t *testing.T) {
	top := t.TempDir()
	var synced []string
	blobs, err := fileblob.Open(filepath.Join(top, "a", "b", "exports"), noReserve.WithSync(func(f *os.File) error {
		entries, err := os.ReadDir(f.Name())
		synced = append(synced, fmt.Sprint(f.Name(), entries))
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer blobs.Close()
	want := []string{top + "[d a/]", filepath.Join(top, "a") + "[d b/]", filepath.Join(top, "a", "b") + "[d exports/]"}
	if !slices.Equal(synced, want) {
		t.Errorf("synced were %q, want %q", synced, want)
	}
}

// TestSyncIsReal: without a test in between, a sync reaches the file.
func TestSyncIsReal(t *testing.T) {
	blobs := open(t, t.TempDir())
	defer blobs.Close()
	f, err := os.Create(filepath.Join(t.TempDir(), "closed"))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := blobs.Sync(f); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("the sync of a closed file: %v", err)
	}
}
