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

// tasks are what the workers choose from, the first due first. A generation is there once, and isn't given to a second worker
// while one has it.
type tasks struct {
	mu    sync.Mutex
	heap  taskHeap
	known map[store.ExportKey]bool
	// wake has a token when there may be something earlier to do than a worker knows.
	wake chan struct{}
}

func newTasks() *tasks {
	return &tasks{known: map[store.ExportKey]bool{}, wake: make(chan struct{}, 1)}
}

// add adds a generation unless it is there, or with a worker.
func (t *tasks) add(key store.ExportKey, due time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.known[key] {
		t.known[key] = true
		heap.Push(&t.heap, task{key, due})
		t.rouse()
	}
}

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

func (t *tasks) rouse() {
	select {
	case t.wake <- struct{}{}:
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
