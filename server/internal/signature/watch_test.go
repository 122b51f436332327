package signature

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A lockedBuffer is a log that a test reads while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ; !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func (s *Set) accepts(secret string) bool {
	_, err := s.Verify([]string{Sign([]byte(secret), []byte("body"))}, []byte("body"))
	return err == nil
}

// replace writes a file as editors do: no reader ever sees half of it.
func replace(t *testing.T, path, content string) {
	t.Helper()
	write(t, path+"~", content)
	if err := os.Rename(path+"~", path); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// watched opens and watches a set until the test ends.
func watched(t *testing.T, static []string, path string) (*Set, *lockedBuffer) {
	t.Helper()
	s, err := Open(static, path, 0)
	if err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	run(t, func(ctx context.Context) {
		if err := s.Watch(ctx, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
			t.Error(err)
		}
	})
	return s, &log
}

func run(t *testing.T, f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	write(t, path, "\ufeff# rotated in May\r\n\r\n  new secret\t\r\nold\nstatic\n")
	s, err := Open([]string{"static"}, path, 0)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, text := range []string{"static", "new secret", "old"} {
		want = append(want, newSecret(text).fingerprint)
	}
	if got := s.fingerprints(); !slices.Equal(got, want) {
		t.Errorf("secrets %v, want %v", got, want)
	}
}

func TestFileRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	if _, err := Open([]string{"static"}, path, 0); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a file that isn't there: %v", err)
	}
	if _, err := Open(nil, t.TempDir(), 0); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: %v", err)
	}
	for name, c := range map[string]struct{ content, want string }{
		"empty":         {"", "it holds no secret"},
		"only comments": {"# none\n\n", "it holds no secret"},
		"binary":        {"fine\nzo\x01rro\n", "the secret in line 2 has a control character"},
		"huge":          {strings.Repeat("x", maxFile+1), "more than 65536 bytes"},
		"too many":      {strings.Join(strings.Split("abcdefghijklmnopq", ""), "\n"), "there are 17 webhook secrets; at most 16"},
	} {
		write(t, path, c.content)
		_, err := Open(nil, path, 0)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want it to say %q and name the file", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "rro") {
			t.Errorf("%s: the error quotes the secret: %v", name, err)
		}
	}
}

// Rewritten in place, replaced by a rename as editors do, and swapped by a link as Kubernetes does.
func TestWatchSeesEveryKindOfChange(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, path, content string){
		"rewritten": write,
		"renamed":   replace,
		"removed and created": func(t *testing.T, path, content string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			write(t, path, content)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secrets")
			write(t, path, "first\n")
			s, _ := watched(t, []string{"static"}, path)
			for i := range 3 {
				secret := fmt.Sprint("secret-", i)
				change(t, path, secret+"\n")
				eventually(t, "the new secret counts", func() bool { return s.accepts(secret) })
			}
			if s.accepts("first") || s.accepts("secret-1") {
				t.Error("a removed secret still counts")
			}
			if !s.accepts("static") {
				t.Error("the static secret was lost")
			}
		})
	}
}

func TestWatchSeesKubernetesSwap(t *testing.T) {
	dir := t.TempDir()
	publish := func(version, content string) {
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, version, "secrets"), content)
		if err := os.Symlink(version, filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	publish("..2026_01", "old\n")
	path := filepath.Join(dir, "secrets")
	if err := os.Symlink(filepath.Join("..data", "secrets"), path); err != nil {
		t.Fatal(err)
	}
	s, _ := watched(t, nil, path)
	publish("..2026_02", "new\nold\n")
	eventually(t, "the new secret counts", func() bool { return s.accepts("new") })
	if !s.accepts("old") {
		t.Error("the old secret was lost")
	}
}

func TestBrokenFileKeepsTheSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	write(t, path, "good\n")
	s, log := watched(t, nil, path)
	for _, c := range []struct{ content, logged string }{
		{"", "holds no secret"},
		{"hidden\x00half\n", "line 1 has a control character"},
	} {
		write(t, path, c.content)
		eventually(t, "the log says "+c.logged, func() bool { return strings.Contains(log.String(), c.logged) })
		if !s.accepts("good") {
			t.Errorf("%q in the file took the secrets away", c.content)
		}
	}
	write(t, path, "good\nbetter\n")
	eventually(t, "the repaired file counts", func() bool { return s.accepts("better") })
	if text := log.String(); strings.Contains(text, "better") || strings.Contains(text, "hidden") {
		t.Errorf("the log shows a secret:\n%s", text)
	}
	if !strings.Contains(log.String(), newSecret("better").fingerprint) {
		t.Errorf("the log doesn't name the new secret by its fingerprint:\n%s", log)
	}
}

func TestLastUseSurvivesAReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	write(t, path, "stays\n")
	s, _ := watched(t, nil, path)
	if !s.accepts("stays") {
		t.Fatal("not accepted")
	}
	used := s.Status()[0].LastUsed
	write(t, path, "new\nstays\n")
	eventually(t, "both secrets are there", func() bool { return len(s.Status()) == 2 })
	if got := s.Status()[1].LastUsed; used.IsZero() || !got.Equal(used) {
		t.Errorf("last used %v, want %v", got, used)
	}
}

// Where the file system announces nothing, polling sees the change; the same failure is logged once.
func TestPolling(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	write(t, path, "old\n")
	s, err := Open(nil, path, 0)
	if err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	poll := make(chan time.Time)
	run(t, func(ctx context.Context) {
		s.follow(ctx, slog.New(slog.NewTextHandler(&log, nil)), &fsnotify.Watcher{}, filepath.Dir(path), poll)
	})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		poll <- time.Time{}
	}
	replace(t, path, "old\n")
	poll <- time.Time{}
	poll <- time.Time{} // once this is taken, the one before is done
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
		t.Errorf("%d errors logged for one failure:\n%s", n, log.String())
	}
	if n := strings.Count(log.String(), "were read again"); n != 1 {
		t.Errorf("%d recoveries logged:\n%s", n, log.String())
	}
	replace(t, path, "new\n")
	poll <- time.Time{}
	poll <- time.Time{}
	if !s.accepts("new") || s.accepts("old") {
		t.Error("polling didn't see the change")
	}
}

// A file that others can read or change is refused as at the start, with what it holds by then; the failure is logged once.
func TestFileThatIsNoLongerPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	for _, mode := range []os.FileMode{0o644, 0o602, 0o620, 0o601} {
		write(t, path, "old\n")
		s, err := Open(nil, path, 0)
		if err != nil {
			t.Fatal(err)
		}
		var log lockedBuffer
		r := reader{set: s, log: slog.New(slog.NewTextHandler(&log, nil))}
		write(t, path, "forged\n")
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		r.read()
		r.read()
		if _, err := Open(nil, path, 0); err == nil || s.accepts("forged") || !s.accepts("old") {
			t.Errorf("mode %04o: the file counts", mode)
		}
		if n := strings.Count(log.String(), fmt.Sprintf("mode %04o", mode)); n != 1 {
			t.Errorf("mode %04o: it is told %d times:\n%s", mode, n, log.String())
		}
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
		if r.read(); !s.accepts("forged") || s.accepts("old") {
			t.Errorf("mode %04o: what is private again doesn't count", mode)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWatchWithoutAFile(t *testing.T) {
	s, err := NewSet([]string{"only"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Watch(context.Background(), slog.New(slog.DiscardHandler)); err != nil || !s.accepts("only") {
		t.Errorf("the secret was lost: %v", err)
	}
}

// While secrets come and go, the one that stays is never refused.
func TestVerifyWhileReloading(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	write(t, path, "stays\n")
	s, err := Open(nil, path, 0)
	if err != nil {
		t.Fatal(err)
	}
	run(t, func(ctx context.Context) {
		for i := 0; ctx.Err() == nil; i++ {
			if err := s.use([]string{fmt.Sprint("passing-", i%7), "stays"}); err != nil {
				panic(err)
			}
		}
	})
	for range 5000 {
		if !s.accepts("stays") {
			t.Fatal("refused during a reload")
		}
		_ = s.Status()
	}
}

// Neither a match nor a header that can't match saves the work for any secret.
func TestVerifyTriesEverySecret(t *testing.T) {
	body := []byte("body")
	for name, header := range map[string][]string{
		"the first matches": {Sign([]byte("one"), body)},
		"none matches":      {Sign([]byte("other"), body)},
		"malformed":         {"x"},
		"repeated":          {"x", "y"},
		"missing":           nil,
	} {
		s, err := NewSet([]string{"one", "two", "three"})
		if err != nil {
			t.Fatal(err)
		}
		tried := map[string]bool{}
		for _, k := range *s.secrets.Load() {
			fresh := k.macs.New
			k.macs.New = func() any { tried[k.fingerprint] = true; return fresh() }
		}
		_, _ = s.Verify(header, body)
		if len(tried) != 3 {
			t.Errorf("%s: %d of 3 secrets were tried", name, len(tried))
		}
	}
}

// A file that is changed to hold a secret that is too short changes nothing; one that is short is said to be.
func TestRereadWeakSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	write(t, path, "a secret of good length\n")
	if _, err := Open([]string{"short"}, path, MinLength); err == nil || !strings.Contains(err.Error(), "webhook secret 1 has 5 characters") {
		t.Fatalf("a short secret beside the file: %v", err)
	}
	s, err := Open(nil, path, MinLength)
	if err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	poll := make(chan time.Time)
	run(t, func(ctx context.Context) {
		s.follow(ctx, slog.New(slog.NewTextHandler(&log, nil)), &fsnotify.Watcher{}, filepath.Dir(path), poll)
	})
	reread := func(content string) {
		replace(t, path, content)
		poll <- time.Time{}
		poll <- time.Time{} // once this is taken, the one before is done
	}
	reread("another of good length\nzorro\n")
	if !s.accepts("a secret of good length") || s.accepts("another of good length") || s.accepts("zorro") {
		t.Error("a file with too short a secret was put in force")
	}
	if text := log.String(); !strings.Contains(text, "the secrets read before stay in force") || !strings.Contains(text, "line 2 has 5 characters") || strings.Contains(text, "zorro") {
		t.Errorf("the log says\n%s", text)
	}
	reread("another of good length\neight ch\n")
	if !s.accepts("eight ch") || strings.Count(log.String(), "so short that they may be found out by trying") != 1 {
		t.Errorf("the log says\n%s", log.String())
	}
}
