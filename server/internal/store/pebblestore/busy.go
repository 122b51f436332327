package pebblestore

import (
	"sync/atomic"
	"time"
)

// A busy tells for how long one goroutine has been at one piece of work.
type busy struct{ since atomic.Int64 } // since busyFrom; 0 is idle

var busyFrom = time.Now()

func (b *busy) begin() { b.since.Store(int64(time.Since(busyFrom))) }
func (b *busy) end()   { b.since.Store(0) }

// lasts is how long the present piece has taken so far; zero if there is none.
func (b *busy) lasts() time.Duration {
	since := b.since.Load()
	if since == 0 {
		return 0
	}
	return time.Since(busyFrom) - time.Duration(since)
}
