package pebblestore

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/straw-gateway/straw/server/internal/store"
)

// figures are what Stats tells.
type figures struct {
	mu    sync.Mutex
	stats store.Stats
	bytes uint64 // encoded events and raw bodies ever appended
}

// problem says why events aren't taken now, or not in time; empty if they are.
func (l *Log) problem() string {
	for _, p := range []*string{l.disk.problem.Load(), l.disk.exhausted.Load()} {
		if p != nil {
			return *p
		}
	}
	if waits := max(l.writing.lasts(), l.settling.lasts()); waits >= l.opts.stalled {
		return fmt.Sprintf("the disk of %s stalls: what is being written has waited for %s", l.dir, waits.Round(time.Second))
	}
	if waited := time.Duration(l.late.Load()); waited > 0 {
		return fmt.Sprintf("the disk of %s is too slow: what was to be stored had waited for %s in vain, and nothing was stored in time since",
			l.dir, waited.Round(time.Second))
	}
	return ""
}

// Stats returns the log's figures.
func (l *Log) Stats() store.Stats {
	f := &l.figures
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.ByType = slices.Clone(s.ByType)
	s.Problem = l.problem()
	if w := l.disk.warning.Load(); w != nil {
		s.Warning = *w
	}
	return s
}

func (f *figures) restore(t *totals) {
	f.stats.Unrecognized, f.bytes = int64(t.unrecognized), t.bytes
	for n, count := range t.byType {
		f.count(n, int64(count))
	}
}

func (f *figures) count(n int, by int64) {
	for n >= len(f.stats.ByType) {
		f.stats.ByType = append(f.stats.ByType, 0)
	}
	f.stats.ByType[n] += by
}

// add counts a group that has become durable.
func (f *figures) add(g *group) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range g.events {
		f.count(int(g.events[i].Type), 1)
	}
	for i := range g.calls {
		f.call(&g.calls[i])
	}
}

func (f *figures) call(c *call) {
	switch {
	case c.draft == nil:
	case c.receipt.Duplicate:
		f.stats.Duplicates++
		if c.receipt.Conflict {
			f.stats.Conflicts++
		}
	default:
		f.bytes += uint64(len(c.draft.Encoded) + len(c.draft.Raw))
		if c.draft.Unrecognized {
			f.stats.Unrecognized++
		}
	}
}

// sized tells what the store takes on disk.
func (f *figures) sized(bytes uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.SizeBytes = int64(bytes)
}

func (f *figures) storedBytes() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bytes
}
