package ingest

import (
	"sync"
	"time"
)

// logEvery is how often a failure that anybody may provoke is logged at most.
const logEvery = 10 * time.Second

// A throttle lets one log line through per logEvery and counts the others.
type throttle struct {
	mu   sync.Mutex
	next time.Time
	held int
}

// allow reports whether to log now, and how many lines it has held back since the last.
func (t *throttle) allow(now time.Time) (held int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Before(t.next) {
		t.held++
		return 0, false
	}
	held, t.held, t.next = t.held, 0, now.Add(logEvery)
	return held, true
}
