package fileblob_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/blob/fileblob"
	"github.com/straw-gateway/straw/server/internal/event"
)

// childDir names the directory in which a child of the test writes until it is killed.
const childDir = "STRAW_FILEBLOB_TEST_DIR"

const crashSize = 40 << 20

var crashName = blob.Name(sha256.Sum256([]byte("killed")))

func crashContent() []byte {
	b := make([]byte, crashSize)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b) // never fails
	return b
}

// writeForever is the child: it continues the blob, saying how far it is, and commits it, again and again until it is killed.
func writeForever(dir string) {
	err := func() error {
		blobs, err := fileblob.Open(dir, noReserve)
		if err != nil {
			return err
		}
		for content := crashContent(); ; {
			w, err := blobs.Create(context.Background(), crashName)
			if err != nil {
				return err
			}
			fmt.Fprintln(os.Stdout, w.Size())
			for at := int(w.Size()); at < len(content); {
				n, err := w.Write(content[at:min(at+100_000, len(content))])
				if err != nil {
					return err
				}
				at += n
				fmt.Fprintln(os.Stdout, at)
			}
			if _, err := w.Commit(); err != nil {
				return err
			}
			fmt.Fprintln(os.Stdout, "stored")
			if err := blobs.Delete(context.Background(), crashName); err != nil {
				return err
			}
		}
	}()
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1) //nolint:forbidigo // it is the child's main
}

// TestKilled kills a writing process at many places: what was committed is whole, what wasn't can be continued, and no kill
// costs more than a checkpoint.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	content := crashContent()
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 12 {
		said := killAt(t, dir, random.IntN(crashSize))
		blobs := open(t, dir)
		if entries := files(t, dir); slices.ContainsFunc(entries, func(name string) bool { return strings.HasSuffix(name, ".tmp") }) {
			t.Errorf("round %d: opening left %v", round, entries)
		}
		w, err := blobs.Create(t.Context(), crashName)
		if errors.Is(err, blob.ErrExists) {
			checkWhole(t, blobs, crashName, content)
			if err := blobs.Delete(t.Context(), crashName); err != nil {
				t.Fatal(err)
			}
			w, err = blobs.Create(t.Context(), crashName)
		} else if err == nil && w.Size() < said-8<<20 {
			t.Errorf("round %d: of %d bytes %d are left", round, said, w.Size())
		}
		if err != nil {
			t.Fatal(err)
		}
		if round%2 == 0 { // the others go on in the next child
			if _, err := w.Write(content[w.Size():]); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Commit(); err != nil {
				t.Fatal(err)
			}
			checkWhole(t, blobs, crashName, content)
			if err := blobs.Delete(t.Context(), crashName); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(w.Close(), blobs.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// killAt lets a child write until it has said that it passed so many bytes, kills it, and returns what it said last.
func killAt(t *testing.T, dir string, bytes int) (said int64) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	passed := 0
	for last := int64(0); passed < bytes && lines.Scan(); {
		said, err = strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil { // "stored"
			said, last = 0, 0
			continue
		}
		passed += int(said - last)
		last = said
	}
	if passed < bytes {
		t.Error("the child ended by itself")
	}
	if err := child.Process.Kill(); err != nil {
		t.Error(err)
	}
	for lines.Scan() { // what it said before it died; the pipe ends with it
		if said, err = strconv.ParseInt(lines.Text(), 10, 64); err != nil {
			said = 0
		}
	}
	_ = child.Wait() // killed
	return said
}

func checkWhole(t *testing.T, blobs *fileblob.Blobs, name blob.Name, want []byte) {
	t.Helper()
	r, err := blobs.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		t.Fatal(err)
	}
	if got := [32]byte(sum.Sum(nil)); got != sha256.Sum256(want) || r.Info().SHA256 != got {
		t.Errorf("read SHA-256 %x, info says %x, want %x", got, r.Info().SHA256, sha256.Sum256(want))
	}
}

// TestPowerCut: bytes after the last checkpoint may be anything after a power cut, for they were never synced.
func TestPowerCut(t *testing.T) {
	for what, change := range map[string]func([]byte) []byte{
		"zeros":    func(b []byte) []byte { clear(b[8<<20:]); return b },
		"garbage":  func(b []byte) []byte { return append(b, 1, 2, 3) },
		"missing":  func(b []byte) []byte { return b[:8<<20] },
		"too many": func(b []byte) []byte { return append(b, make([]byte, 1<<20)...) },
	} {
		t.Run(what, func(t *testing.T) {
			dir, content := t.TempDir(), crashContent()
			blobs := open(t, dir)
			w, err := blobs.Create(t.Context(), crashName)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(content[:9<<20]); err != nil {
				t.Fatal(err)
			}
			blobs.Close() // with an open writer: as a crash
			w.Close()
			damage(t, filepath.Join(dir, crashName.String()+".data"), change)

			blobs = open(t, dir)
			defer blobs.Close()
			w, err = blobs.Create(t.Context(), crashName)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			if w.Size() != 8<<20 {
				t.Errorf("%d bytes are left, want what was synced", w.Size())
			}
			if _, err := w.Write(content[w.Size():]); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Commit(); err != nil {
				t.Fatal(err)
			}
			checkWhole(t, blobs, crashName, content)
		})
	}
}

// TestUnusablePartial: a partial that is damaged, or that speaks for bytes that are gone, is as good as none.
func TestUnusablePartial(t *testing.T) {
	for what, suffix := range map[string]string{"its bytes are gone": ".data", "it is damaged": ".partial"} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			blobs := open(t, dir)
			defer blobs.Close()
			w, err := blobs.Create(t.Context(), crashName)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(make([]byte, 9<<20)); err != nil {
				t.Fatal(err)
			}
			w.Close()
			damage(t, filepath.Join(dir, crashName.String()+suffix), func(b []byte) []byte { return b[:len(b)/2] })
			if w, err = blobs.Create(t.Context(), crashName); err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			if w.Size() != 0 || w.Origin() != (blob.Origin{}) {
				t.Errorf("%d bytes of %v are left", w.Size(), w.Origin())
			}
			if _, err := w.Write([]byte("new")); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Commit(); err != nil {
				t.Fatal(err)
			}
			checkWhole(t, blobs, crashName, []byte("new"))
		})
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	blobs := open(t, dir)
	defer blobs.Close()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	said, err := child.CombinedOutput()
	if err == nil || !strings.Contains(string(said), dir) || !strings.Contains(string(said), "another process") {
		t.Errorf("a second process said %q and ended with %v", said, err)
	}
}

// TestStrangersLock: a lock file that holds something is another program's, and isn't emptied.
func TestStrangersLock(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	lock := filepath.Join(dir, "LOCK")
	for what, place := range map[string]func() error{
		"a file": func() error { return os.WriteFile(lock, []byte("stranger"), 0o600) },
		"a link": func() error {
			return errors.Join(os.WriteFile(outside, []byte("stranger"), 0o600), os.Symlink(outside, lock))
		},
	} {
		if err := place(); err != nil {
			t.Fatal(err)
		}
		if blobs, err := fileblob.Open(dir, noReserve); err == nil {
			blobs.Close()
			t.Errorf("%s: the directory is taken", what)
		}
		if b, err := os.ReadFile(lock); err != nil || string(b) != "stranger" {
			t.Errorf("%s: the lock is now %q, %v", what, b, err)
		}
		if err := os.Remove(lock); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLeavesRoom(t *testing.T) {
	dir := t.TempDir()
	blobs, err := fileblob.Open(dir, fileblob.Options{Reserve: 1 << 60})
	if err != nil {
		t.Fatal(err)
	}
	defer blobs.Close()
	if _, err := blobs.Create(t.Context(), crashName); !errors.Is(err, event.ErrFull) || !strings.Contains(err.Error(), dir) {
		t.Errorf("create on a full disk: %v", err)
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

// TestStrangersStay: files of other names are nobody's to remove, and no link leads out of the directory.
func TestStrangersStay(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	linked := blob.Name{1}
	for _, err := range []error{
		os.WriteFile(filepath.Join(dir, "README.tmp"), nil, 0o600),
		os.WriteFile(filepath.Join(dir, crashName.String()+".manifest.tmp"), nil, 0o600),
		os.Symlink(outside, filepath.Join(dir, linked.String()+".data")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	blobs := open(t, dir)
	defer blobs.Close()
	if _, err := blobs.Create(t.Context(), linked); err == nil {
		t.Error("a link out of the directory was written through")
	}
	if err := blobs.Sweep(t.Context(), -1); err != nil {
		t.Fatal(err)
	}
	if left := files(t, dir); !slices.Equal(left, []string{"README.tmp"}) {
		t.Errorf("%v are left", left)
	}
	if b, err := os.ReadFile(outside); err != nil || string(b) != "secret" {
		t.Errorf("the file outside is now %q (%v)", b, err)
	}
}
