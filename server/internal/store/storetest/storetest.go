// Package storetest is the suite that every log engine passes: what the comments of package store promise, as tests.
//
// It knows no engine. An engine's own tests call Run with a Harness, and leave a case out only with a reason beside it.
package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// TB is what the suite needs of a test; testing.T and rapid.T both have it.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// A Harness is one empty store of the engine under test.
type Harness struct {
	// Fresh returns a harness of another empty store. Run sets it.
	Fresh func(t *testing.T) Harness
	// Open opens the store, and opens it again once the log has been closed. It ends the test if it can't.
	Open func(t TB, s Setup) store.Log
	// Retain makes the open log remove its oldest events, at most those up to through, and returns the new floor. An
	// engine that removes in larger steps may remove less, but something once it holds twice RetainStep.
	Retain func(t TB, l store.Log, through event.Sequence) (floor event.Sequence)
	// RetainStep is the most events that Retain may leave between through and the floor.
	RetainStep int
	// HoldSync keeps what is appended from now on from becoming durable until release is called. held is closed once
	// something has been written and waits.
	HoldSync func() (held <-chan struct{}, release func())
}

// Setup says how a log is opened.
type Setup struct {
	Tail     store.Tail
	Observer store.Observer
}

type logCase struct {
	name string
	run  func(t *testing.T, h Harness)
}

// cases are the suite.
var cases = []logCase{
	{"append gives dense sequences in order", testDense},
	{"concurrent appends are dense and readable", testConcurrent},
	{"a duplicate gets the original's sequence", testDuplicate},
	{"another body under the same id is a conflict", testConflict},
	{"ids are told apart by source and in every form", testIdentities},
	{"100 concurrent appends of one id store it once", testOneOfMany},
	{"appends of one caller keep their order", testCallerOrder},
	{"an event of the largest size is stored", testLargest},
	{"nothing is seen before it is durable", testDurability},
	{"a duplicate waits for the original's sync", testDuplicateWaits},
	{"a context that ends ends the wait", testContext},
	{"read returns what was appended", testRead},
	{"read of a position at the head is empty", testReadAtHead},
	{"read leaves out what isn't wanted", testReadWanted},
	{"read of a rare type moves on and returns soon", testReadRare},
	{"an event larger than a segment travels alone", testReadLarge},
	{"raw bodies are kept byte for byte", testRaw},
	{"get finds an event by source and id", testGet},
	{"before finds the first event received at a time", testBefore},
	{"before is exact when the clock jumps", testBeforeClock},
	{"cursors name positions and survive reopening", testCursors},
	{"types are numbered for good", testTypes},
	{"types beyond the limit share number zero", testManyTypes},
	{"stats count what is durable", testStats},
	{"the tail is told in order before append returns", testTail},
	{"the observer is told of each sync", testObserver},
	{"everything survives reopening", testReopen},
	{"retention removes the oldest and says so", testRetention},
	{"duplicates are known beyond retention", testRetentionDedup},
	{"retention survives reopening", testRetentionReopen},
	{"readers and retention at once see no hole", testRetentionRace},
	{"a closed log refuses", testClosed},
	{"close waits for what is in flight", testCloseDrains},
	{"a log agrees with its model", testModel},
}

// Run runs the suite. fresh returns a new, empty store. excluded has the reason for each case that the engine leaves out, by
// the case's name.
func Run(t *testing.T, fresh func(t *testing.T) Harness, excluded map[string]string) {
	for _, c := range cases {
		if reason, ok := excluded[c.name]; ok {
			t.Logf("left out: %s: %s", c.name, reason)
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			h := fresh(t)
			h.Fresh = fresh
			c.run(t, h)
		})
	}
	for name, reason := range excluded {
		if reason == "" || !slices.ContainsFunc(cases, func(c logCase) bool { return c.name == name }) {
			t.Errorf("case %q is left out for the reason %q: there is no such case, or no reason", name, reason)
		}
	}
}

// patience bounds how long the suite waits for what should happen at once.
const patience = 30 * time.Second

// open opens the store and closes it when the test ends.
func open(t *testing.T, h Harness, s Setup) store.Log {
	t.Helper()
	l := h.Open(t, s)
	t.Cleanup(func() { closeLog(t, l) })
	return l
}

func closeLog(t TB, l store.Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}
