//go:build linux

package pebblestore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/straw-gateway/straw/server/internal/event"
)

// TestDisplaced takes the folder of an open log away and puts another store in its place: no byte of that may change, whatever
// the log does until it is closed, and the log must fail.
func TestDisplaced(t *testing.T) {
	for name, displace := range map[string]func(t *testing.T, dir, other string) (now string){
		"moved away, another put there": func(t *testing.T, dir, other string) string {
			must(t, os.Rename(dir, dir+".old"), os.Rename(other, dir))
			return dir
		},
		"moved away": func(t *testing.T, dir, other string) string {
			must(t, os.Rename(dir, dir+".old"))
			return other
		},
		"removed": func(t *testing.T, dir, other string) string {
			must(t, os.RemoveAll(dir))
			return other
		},
		"removed, a copy put there": func(t *testing.T, dir, other string) string {
			must(t, os.RemoveAll(dir))
			copyDir(t, other, dir)
			return dir
		},
		"parent's link switched": func(t *testing.T, dir, other string) string {
			must(t, os.Rename(filepath.Dir(dir), filepath.Dir(dir)+".old"), os.Mkdir(filepath.Dir(dir), 0o700), os.Symlink(other, dir))
			return other
		},
	} {
		for _, soon := range []string{"looks before it writes", "writes before it looks"} {
			t.Run(name+", "+soon, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "a", "store")
				other, _ := newOriginal(t)
				o := onDisk()
				o.patience = time.Second
				l := mustOpen(t, dir, o)
				g := newWitness()
				appendMany(t, l, g, 0, 500)
				other = displace(t, dir, other)
				before := filesOnDisk(t, other)

				if soon == "looks before it writes" {
					l.checkDisk()
				} else {
					_ = l.flush() // which makes a log and a table, and removes a log
				}
				select {
				case <-l.Failed():
				case <-time.After(30 * time.Second):
					t.Fatal("the log goes on")
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if err := g.append(ctx, l, 1000); !errors.Is(err, event.ErrUnavailable) {
					t.Errorf("an append: %v", err)
				}
				_ = l.flush()
				err := l.Close()
				if err == nil || !errors.Is(err, errDisplaced) || !strings.Contains(err.Error(), dir) {
					t.Errorf("closing it: %v", err)
				}
				mustBeSame(t, before, filesOnDisk(t, other))
			})
		}
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// TestLinkSwitched switches the link by which a log was opened: the log goes on in the folder that it opened, and leaves the
// other one alone.
func TestLinkSwitched(t *testing.T) {
	checkLeaks(t)
	dir, g := newOriginal(t)
	other, _ := newOriginal(t)
	link := dir + "-link"
	must(t, os.Symlink(dir, link))
	l := mustOpen(t, link, onDisk())
	before := filesOnDisk(t, other)
	must(t, os.Remove(link), os.Symlink(other, link))
	appendMany(t, l, g, 1000, 1500)
	must(t, l.flush())
	l.checkDisk()
	mustClose(t, l)
	mustBeSame(t, before, filesOnDisk(t, other))
	l = mustOpen(t, dir, onDisk())
	defer mustClose(t, l)
	g.check(t, l)
}

// TestRealPath names folders that aren't there yet by the links that are.
func TestRealPath(t *testing.T) {
	dir := realPath(onDisk().withDefaults().FS, t.TempDir())
	must(t, os.Mkdir(filepath.Join(dir, "a"), 0o700), os.Symlink("a", filepath.Join(dir, "link")))
	if got, want := realPath(onDisk().withDefaults().FS, filepath.Join(dir, "link", "b", "c")), filepath.Join(dir, "a", "b", "c"); got != want {
		t.Errorf("%s, not %s", got, want)
	}
}
