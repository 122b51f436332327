package observe

import (
	"bytes"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A reader of a log that can stall, and go away.
type logReader struct {
	mu      sync.Mutex // held to stall
	gone    bool
	written bytes.Buffer
}

func (r *logReader) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return 0, syscall.EPIPE
	}
	return r.written.Write(b)
}

func (r *logReader) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.written.String()
}

// TestLogNeverWaits has the log's reader stall. Whoever logs goes on, memory stays bounded, and once it reads again it is told
// how much it has missed.
func TestLogNeverWaits(t *testing.T) {
	r := &logReader{}
	w := NewLogWriter(r, "json")
	log := NewLogger(w, slog.LevelInfo, "json")
	log.Info("before")
	r.mu.Lock()
	const lines = 50_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var writers sync.WaitGroup
	for n := range 10 {
		writers.Go(func() {
			for i := range lines / 10 {
				log.Info("stalled", "writer", n, "line", i, "padding", strings.Repeat("x", 1000))
			}
		})
	}
	writers.Wait()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 3*maxLogBytes {
		t.Errorf("%d bytes wait for the reader", grown)
	}
	lost := w.Lost()
	if lost < lines/2 {
		t.Errorf("%d lines of %d were lost", lost, lines)
	}
	r.mu.Unlock()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	log.Info("after the end")
	text := r.String()
	if got := int64(strings.Count(text, `"stalled"`)); got+lost != lines || !strings.HasPrefix(text, "{") || strings.Contains(text, "after the end") {
		t.Errorf("%d lines were written and %d lost, of %d", got, lost, lines)
	}
	if want := fmt.Sprintf(`"msg":"lines of this log were lost, for its reader didn't take them","lines":%d}`, lost); !strings.HasSuffix(text, want+"\n") {
		t.Errorf("the log ends with %s, want %s", text[max(0, len(text)-200):], want)
	}
}

// TestLogReaderIsGone has the log's reader go away: lines are lost and counted, and nothing else happens.
func TestLogReaderIsGone(t *testing.T) {
	r := &logReader{gone: true}
	w := NewLogWriter(r, "text")
	log := NewLogger(w, slog.LevelInfo, "text")
	for range 100 {
		log.Info("unheard")
	}
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ; w.Lost() < 100; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%d lines count as lost", w.Lost())
		}
	}
	r.mu.Lock()
	r.gone = false
	r.mu.Unlock()
	log.Info("heard")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if text := r.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "msg=heard") || !strings.Contains(text, "lines=100") {
		t.Errorf("the log says\n%s", text)
	}
}

// TestLogEndsInTime has the reader stall for good: the end doesn't wait for it.
func TestLogEndsInTime(t *testing.T) {
	r := &logReader{}
	r.mu.Lock()
	defer r.mu.Unlock()
	w := NewLogWriter(r, "text")
	NewLogger(w, slog.LevelInfo, "text").Info("never read")
	began := time.Now()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < closePatience || took > 5*closePatience {
		t.Errorf("the end took %v", took)
	}
}
