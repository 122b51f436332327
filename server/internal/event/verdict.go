package event

import (
	"sync"
	"sync/atomic"
)

// MaxVerdicts is of how many filters a segment remembers the verdicts at once. How many filters there are is for callers to
// choose, so the memory for them must not grow with it: this many take a tenth of what the segment itself does.
const MaxVerdicts = 32

// A FilterKey stands for a filter's text: filters of one key say the same of every event.
type FilterKey [16]byte

// A Verdict is what a filter said of an event.
type Verdict uint32

// The verdicts.
const (
	Unknown Verdict = iota // it wasn't asked yet
	Refused
	Chosen
)

// Verdicts are what one filter said of a segment's events. Safe for concurrent use.
type Verdicts struct {
	key    FilterKey
	wanted bool            // since it was last spared; guarded by verdictSets.mu
	words  []atomic.Uint32 // perWord verdicts each
}

const (
	verdictBits = 2
	perWord     = 32 / verdictBits
)

// Get returns what is known of the i-th event.
func (v *Verdicts) Get(i int) Verdict {
	return Verdict(v.words[i/perWord].Load()>>(i%perWord*verdictBits)) & (1<<verdictBits - 1)
}

// Set remembers a verdict on the i-th event. It must always be the same for an event.
func (v *Verdicts) Set(i int, verdict Verdict) {
	v.words[i/perWord].Or(uint32(verdict) << (i % perWord * verdictBits))
}

// verdictSets are the verdicts of the filters that were asked for last.
type verdictSets struct {
	mu   sync.Mutex
	sets []*Verdicts
	hand int // where to look next for one that nobody has asked for
}

// Verdicts returns what the filter has said of the segment's events, as its readers remember it together; nil for a segment
// that isn't shared. Of more than MaxVerdicts filters those are forgotten that weren't asked for lately.
func (s *Segment) Verdicts(filter FilterKey) *Verdicts {
	if !s.shared {
		return nil
	}
	v := &s.verdicts
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, set := range v.sets {
		if set.key == filter {
			set.wanted = true
			return set
		}
	}
	fresh := &Verdicts{key: filter, words: make([]atomic.Uint32, (len(s.entries)+perWord-1)/perWord)}
	if len(v.sets) < MaxVerdicts {
		v.sets = append(v.sets, fresh)
		return fresh
	}
	for v.sets[v.hand].wanted {
		v.sets[v.hand].wanted = false
		v.hand = (v.hand + 1) % len(v.sets)
	}
	v.sets[v.hand] = fresh
	v.hand = (v.hand + 1) % len(v.sets)
	return fresh
}
