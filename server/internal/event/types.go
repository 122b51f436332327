package event

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// A TypeNumber stands for an event type within one process, so that a reader can tell by an integer whether it wants an
// event. Zero stands for every type beyond MaxTypes: read the name from the event.
type TypeNumber uint32

// MaxTypes bounds how many types get a number. Types are an open set that a sender chooses; counters, metric labels and
// wake lists are by number and so stay bounded.
const MaxTypes = 1000

// Types numbers event types in the order in which they were first seen, from 1. The zero value is empty and ready.
// Numbers are never taken back. Safe for concurrent use; reading takes no lock.
type Types struct {
	mu    sync.Mutex
	table atomic.Pointer[typeTable]
}

type typeTable struct {
	names   []string // names[0] is unused
	numbers map[string]TypeNumber
}

var noTypes = &typeTable{names: []string{""}, numbers: map[string]TypeNumber{}}

func (t *Types) load() *typeTable {
	if table := t.table.Load(); table != nil {
		return table
	}
	return noTypes
}

// Number returns the type's number, and false if it has none.
func (t *Types) Number(name string) (TypeNumber, bool) {
	n, ok := t.load().numbers[name]
	return n, ok
}

// Name returns the type's name; empty for zero and for a number that was never given.
func (t *Types) Name(n TypeNumber) string {
	if names := t.load().names; int(n) < len(names) {
		return names[n]
	}
	return ""
}

// Len is one more than the highest number.
func (t *Types) Len() int { return len(t.load().names) }

// Add returns the type's number and gives it one if it has none and there is one left; added tells whether it did.
func (t *Types) Add(name string) (n TypeNumber, added bool) {
	if n, ok := t.Number(name); ok {
		return n, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.load()
	if n, ok := old.numbers[name]; ok {
		return n, false
	}
	if len(old.names) > MaxTypes {
		return 0, false
	}
	next := &typeTable{names: append(slices.Clip(old.names), name), numbers: make(map[string]TypeNumber, len(old.numbers)+1)}
	maps.Copy(next.numbers, old.numbers)
	n = TypeNumber(len(old.names))
	next.numbers[name] = n
	t.table.Store(next)
	return n, true
}
