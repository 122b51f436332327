package pebblestore

import (
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// Limits on what is written at once. A batch of more than half a memtable would take Pebble's slow path for large batches.
const (
	groupCalls = 256
	groupBytes = 4 << 20
)

// A group is what is committed at once: the calls that came in while its predecessors were on their way. Whoever waits for
// one of them waits for done, and then reads the result from calls.
type group struct {
	calls []call
	bytes int
	// queued is when its first call came.
	queued time.Time
	// pause, if set, is run instead, while nothing is being committed.
	pause func()
	done  chan struct{}
	err   error // why the log refused all of it

	// What the appender leaves to the publisher.
	batch   *pebble.Batch // nil if there was nothing to write
	commit  uint64
	last    event.Sequence
	events  []event.Stored // the new ones
	types   []string       // those that were seen for the first time
	applied time.Duration  // when, since the log was opened
}

// A call asks for one event to be appended or, if write is set, for another writer's mutations to be committed.
type call struct {
	draft   *event.Draft
	write   func(*pebble.Batch)
	receipt store.Receipt
}

// A queue holds the groups that wait for the appender. Events join the newest group as long as it has room, so that a group
// is as large as what came in while the appender was busy, and a lone event goes straight through.
type queue struct {
	maxCalls int
	maxBytes int64

	mu     sync.Mutex
	groups []*group
	calls  int
	bytes  int64
	closed bool
	// ready has a token when groups may have become non-empty, or closed was set.
	ready chan struct{}
}

func newQueue(maxCalls int, maxBytes int64) *queue {
	return &queue{maxCalls: maxCalls, maxBytes: maxBytes, ready: make(chan struct{}, 1)}
}

// add enqueues a call of a size in bytes. It returns the call's group and its index there. It fails with
// event.ErrOverloaded or event.ErrUnavailable.
func (q *queue) add(c call, size int) (*group, int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, 0, errClosed
	}
	if q.calls >= q.maxCalls || q.bytes > 0 && q.bytes+int64(size) > q.maxBytes {
		return nil, 0, fmt.Errorf("%w: %d events of %d bytes", event.ErrOverloaded, q.calls, q.bytes)
	}
	g := q.newest(size)
	g.calls = append(g.calls, c)
	g.bytes += size
	q.calls++
	q.bytes += int64(size)
	return g, len(g.calls) - 1, nil
}

// newest returns the last group if it has room for so many bytes, or else a new one.
func (q *queue) newest(size int) *group {
	if n := len(q.groups); n > 0 {
		if g := q.groups[n-1]; g.pause == nil && len(g.calls) < groupCalls && g.bytes+size <= groupBytes {
			return g
		}
	}
	g := &group{queued: time.Now(), done: make(chan struct{})}
	q.push(g)
	return g
}

// push enqueues a group. The caller holds mu.
func (q *queue) push(g *group) {
	q.groups = append(q.groups, g)
	q.wake()
}

func (q *queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// addPause enqueues a function to be run while nothing is being committed.
func (q *queue) addPause(f func()) (*group, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, errClosed
	}
	g := &group{pause: f, done: make(chan struct{})}
	q.push(g)
	return g, nil
}

// take waits for a group and removes it. It returns nil once the queue is closed and empty. Between the two it calls pause.
func (q *queue) take(pause func()) *group {
	for q.idle() {
		<-q.ready
	}
	pause()
	return q.first()
}

// idle reports whether there is nothing to take yet.
func (q *queue) idle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.groups) == 0 && !q.closed
}

// first removes the oldest group; nil if there is none.
func (q *queue) first() *group {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.groups) == 0 {
		return nil
	}
	g := q.groups[0]
	q.groups[0] = nil
	q.groups = q.groups[1:]
	q.calls -= len(g.calls)
	q.bytes -= int64(g.bytes)
	return g
}

// close refuses what comes later; what waits is still taken.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wake()
}
