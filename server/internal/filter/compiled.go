package filter

import (
	"runtime"
	"sync"
	"weak"
)

// programs are the compiled filters that somebody holds, by their text: a thousand readers with one filter have it compiled
// once, and share it. The last of them takes it along, for the table itself doesn't keep it.
var programs = table{held: map[string]weak.Pointer[Program]{}}

type table struct {
	mu   sync.Mutex
	held map[string]weak.Pointer[Program]
}

// get returns a program that somebody holds; nil if nobody does.
func (t *table) get(source string) *Program {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.held[source].Value()
}

// put enters a program, and returns the one to use: another caller may have been faster.
func (t *table) put(p *Program) *Program {
	t.mu.Lock()
	defer t.mu.Unlock()
	if other := t.held[p.source].Value(); other != nil {
		return other
	}
	t.held[p.source] = weak.Make(p)
	runtime.AddCleanup(p, t.drop, p.source)
	return p
}

// drop removes a program that nobody holds any more, unless it was compiled again meanwhile.
func (t *table) drop(source string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held[source].Value() == nil {
		delete(t.held, source)
	}
}
