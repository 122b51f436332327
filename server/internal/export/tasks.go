package export

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/straw-gateway/straw/server/internal/store"
)

// A task is a generation that something is to be done about, at a time.
type task struct {
	key store.ExportKey
	due time.Time
}

const (
	// maxTaskBytes bounds the memory of what waits: about 100,000 exports. Others wait in the store.
	maxTaskBytes = 32 << 20
	// taskBytes is what a task takes, besides its export's id.
	taskBytes = 256
)

// tasks are what the workers choose from, the first due first. A generation is there once, and isn't given to a second worker
// while one has it.
type tasks struct {
	mu    sync.Mutex
	heap  taskHeap
	known map[store.ExportKey]bool
	bytes int  // of what is known
	most  int  // bytes
	full  bool // since room was last told of, something was left out
	// wake has a token when there may be something earlier to do than a worker knows.
	wake chan struct{}
	// room has a token when something was left out and half of the room is free again.
	room chan struct{}
}

func newTasks(most int) *tasks {
	return &tasks{most: most, known: map[store.ExportKey]bool{}, wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// add adds a generation unless it is there, or with a worker. If there is no room it is left out, until it is added again.
func (t *tasks) add(key store.ExportKey, due time.Time) (ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known[key] {
		return true
	}
	if size := sizeOf(key); t.bytes > 0 && t.bytes+size > t.most {
		t.full = true
		return false
	}
	t.known[key] = true
	t.bytes += sizeOf(key)
	heap.Push(&t.heap, task{key, due})
	t.rouse()
	return true
}

func sizeOf(key store.ExportKey) int { return taskBytes + len(key.ID) }

// again gives a task back, to be done at another time.
func (t *tasks) again(key store.ExportKey, due time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	heap.Push(&t.heap, task{key, due})
	t.rouse()
}

// done ends a task.
func (t *tasks) done(key store.ExportKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, key)
	t.bytes -= sizeOf(key)
	if t.full && t.bytes <= t.most/2 {
		t.full = false
		token(t.room)
	}
}

// take waits for a task that is due, by the given clock; false if the context ends first.
func (t *tasks) take(ctx context.Context, now func() time.Time) (store.ExportKey, bool) {
	for ctx.Err() == nil {
		key, wait, ok := t.pop(now())
		if ok {
			return key, true
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-t.wake:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return store.ExportKey{}, false
}

// pop removes a task that is due, or says how long to wait for one. Who takes one rouses the next, for a token wakes but one.
func (t *tasks) pop(now time.Time) (key store.ExportKey, wait time.Duration, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.heap) == 0 {
		return key, time.Hour, false
	}
	if wait = t.heap[0].due.Sub(now); wait > 0 {
		return key, wait, false
	}
	key = heap.Pop(&t.heap).(task).key
	t.rouse()
	return key, 0, true
}

func (t *tasks) rouse() { token(t.wake) }

// token puts a token where one is enough.
func token(into chan struct{}) {
	select {
	case into <- struct{}{}:
	default:
	}
}

type taskHeap []task

func (h taskHeap) Len() int           { return len(h) }
func (h taskHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h taskHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *taskHeap) Push(x any)        { *h = append(*h, x.(task)) }
func (h *taskHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
