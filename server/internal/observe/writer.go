package observe

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
	"time"
)

// How much of the log waits to be written: whoever reads it may be slow for as long as this lasts.
const (
	maxLogLines = 8192
	maxLogBytes = 4 << 20
)

// A LogWriter takes the lines of a log and writes them behind their writers' backs, in order. It never makes anyone wait, and
// reports no error: whoever takes webhooks must not stand still, nor end, because the log's reader does. Lines for which there is
// no room, and lines that can't be written, are lost and counted; the log says how many once it can.
type LogWriter struct {
	to     io.Writer
	notice func(lost int64) []byte

	mu       sync.Mutex
	lines    [][]byte
	bytes    int
	lost     int64 // ever
	told     int64 // of the lost
	failing  bool  // the last write has failed
	closed   bool
	ready    chan struct{} // has a token when there may be lines, or closed was set
	finished chan struct{}
}

// NewLogWriter returns a writer of a log in a format, as NewLogger takes it. Close it.
func NewLogWriter(to io.Writer, format string) *LogWriter {
	w := &LogWriter{to: to, notice: noticeIn(format), ready: make(chan struct{}, 1), finished: make(chan struct{})}
	go w.run()
	return w
}

// noticeIn returns what says that lines were lost.
func noticeIn(format string) func(lost int64) []byte {
	return func(lost int64) []byte {
		var b bytes.Buffer
		NewLogger(&b, slog.LevelInfo, format).Warn("lines of this log were lost, for its reader didn't take them", "lines", lost)
		return b.Bytes()
	}
}

// Write takes a line. It never blocks and never fails.
func (w *LogWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.lines) >= maxLogLines || w.bytes+len(line) > maxLogBytes {
		w.lost++
		return len(line), nil
	}
	w.lines = append(w.lines, bytes.Clone(line))
	w.bytes += len(line)
	w.wake()
	return len(line), nil
}

func (w *LogWriter) wake() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// Lost is how many lines were lost so far.
func (w *LogWriter) Lost() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// run writes what there is, all that has come in at once, until the writer is closed.
func (w *LogWriter) run() {
	defer close(w.finished)
	for range w.ready {
		for {
			lines, lost, closed := w.take()
			if len(lines) == 0 && lost == 0 {
				if closed {
					return
				}
				break
			}
			w.write(lines, lost)
		}
	}
}

// take removes what there is to be written. While nothing can be written, lost lines alone are not worth another attempt.
func (w *LogWriter) take() (lines [][]byte, lost int64, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines, w.lines, w.bytes = w.lines, nil, 0
	if len(lines) > 0 || !w.failing {
		lost = w.lost - w.told
	}
	return lines, lost, w.closed
}

// write writes lines and then, since those were the older ones, how many were lost.
func (w *LogWriter) write(lines [][]byte, lost int64) {
	text := bytes.Join(lines, nil)
	if lost > 0 {
		text = append(text, w.notice(lost)...)
	}
	_, err := w.to.Write(text)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failing = err != nil; w.failing {
		w.lost += int64(len(lines))
	} else {
		w.told += lost
	}
}

// closePatience bounds how long the last lines may take.
const closePatience = 2 * time.Second

// Close writes what is left, within two seconds. What comes later is lost.
func (w *LogWriter) Close() error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		w.wake()
	}
	w.mu.Unlock()
	select {
	case <-w.finished:
	case <-time.After(closePatience):
	}
	return nil
}
