package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// A model is what a log should hold: all of it in a slice.
type model struct {
	h      Harness
	log    store.Log
	events []*event.Draft
	byID   map[string]int // index in events
	floor  event.Sequence
	bodies int
}

// testModel makes a log and its model take the same random steps, and compares what they say.
func testModel(t *testing.T, h Harness) {
	rapid.Check(t, func(r *rapid.T) {
		m := &model{h: h.Fresh(t), byID: map[string]int{}}
		m.log = m.h.Open(r, Setup{})
		defer func() { closeLog(r, m.log) }()
		r.Repeat(map[string]func(*rapid.T){
			"append":  m.append,
			"burst":   m.burst,
			"again":   m.again,
			"read":    m.read,
			"look up": m.lookUp,
			"before":  m.before,
			"retain":  m.retain,
			"reopen":  m.reopen,
			"":        m.check,
		})
	})
}

var modelTypes = []string{event.TypeSearchAlert, event.TypeExportReady, event.TypeQuotaWarning, "a", "a.b", event.TypeUnrecognized}

func (m *model) draw(r *rapid.T, id string) *event.Draft {
	m.bodies++
	typ := rapid.SampledFrom(modelTypes).Draw(r, "type")
	at := epoch.Add(time.Duration(rapid.IntRange(-3600, 3600).Draw(r, "time")) * time.Second)
	body := fmt.Appendf(nil, "body %d", m.bodies)
	if rapid.Bool().Draw(r, "unrecognized") {
		return unrecognized(id, typ, at, body)
	}
	return makeDraft(id, typ, at, body)
}

// append appends an event with one of few ids, so that many are duplicates.
func (m *model) append(r *rapid.T) {
	id := fmt.Sprintf("id-%d%s", rapid.IntRange(0, 30).Draw(r, "id"), rapid.SampledFrom([]string{"", string(bytes.Repeat([]byte("x"), 80))}).Draw(r, "suffix"))
	d := m.draw(r, id)
	if i, ok := m.byID[id]; ok {
		checkReceipt(r, m.log, d, store.Receipt{Seq: event.Sequence(i + 1), Duplicate: true, Conflict: true})
		return
	}
	m.stored(mustAppend(r, m.log, d), d)
}

func (m *model) stored(seq event.Sequence, d *event.Draft) {
	m.byID[d.ID] = int(seq - 1)
	m.events = append(m.events, d)
}

// burst appends enough to make retention possible.
func (m *model) burst(r *rapid.T) {
	if len(m.events) > 4*m.h.RetainStep {
		return
	}
	n := rapid.IntRange(1, 2*m.h.RetainStep).Draw(r, "n")
	for _, d := range appendAll(r, m.log, mixed(1_000_000+len(m.events), 1_000_000+len(m.events)+n)) {
		m.stored(event.Sequence(len(m.events)+1), d)
	}
}

func (m *model) again(r *rapid.T) {
	if len(m.events) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.events)-1).Draw(r, "index")
	checkReceipt(r, m.log, m.events[i], store.Receipt{Seq: event.Sequence(i + 1), Duplicate: true})
}

func (m *model) read(r *rapid.T) {
	after := event.Sequence(rapid.IntRange(0, len(m.events)).Draw(r, "after"))
	if after < m.floor {
		if _, err := m.log.Read(context.Background(), after, nil); !errors.Is(err, event.ErrPassed) {
			r.Fatalf("read after %d with the floor at %d: %v", after, m.floor, err)
		}
		return
	}
	wanted := map[string]bool{}
	for _, typ := range rapid.SliceOfN(rapid.SampledFrom(append(modelTypes, "rare.type")), 0, 4).Draw(r, "types") {
		wanted[typ] = true
	}
	want := func(n event.TypeNumber) bool { return wanted[m.log.Types().Name(n)] }
	if len(wanted) == 0 {
		want = nil
	}
	got, at := readThrough(r, m.log, after, min(after+500, event.Sequence(len(m.events))), want)
	var items []item
	for i := int(after); i < int(at); i++ {
		if want == nil || wanted[m.events[i].Type] {
			items = append(items, expected(r, m.log, m.events[i], event.Sequence(i+1)))
		}
	}
	sameItems(r, items, got)
}

func (m *model) lookUp(r *rapid.T) {
	if len(m.events) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.events)-1).Draw(r, "index")
	d, seq := m.events[i], event.Sequence(i+1)
	s, err := m.log.Get(context.Background(), d.Source, d.ID)
	raw, rawErr := m.log.Raw(context.Background(), seq)
	if seq <= m.floor {
		if !errors.Is(err, event.ErrNotFound) || !errors.Is(rawErr, event.ErrPassed) {
			r.Fatalf("event %d with the floor at %d: get %v, raw %v", seq, m.floor, err, rawErr)
		}
		return
	}
	if err != nil || rawErr != nil || !bytes.Equal(raw, d.Raw) {
		r.Fatalf("event %d: get %v, raw %q, %v", seq, err, raw, rawErr)
	}
	checkStored(r, m.log, s, d, seq)
}

func (m *model) before(r *rapid.T) {
	at := epoch.Add(time.Duration(rapid.IntRange(-4000, 1_100_000).Draw(r, "time")) * time.Second)
	checkBefore(r, m.log, at, max(m.floor, firstAt(m.events, at)))
}

func (m *model) retain(r *rapid.T) {
	through := event.Sequence(rapid.IntRange(0, len(m.events)).Draw(r, "through"))
	floor := m.h.Retain(r, m.log, through)
	if floor < m.floor || floor > max(through, m.floor) {
		r.Fatalf("retention through %d moved the floor from %d to %d", through, m.floor, floor)
	}
	m.floor = floor
}

func (m *model) reopen(r *rapid.T) {
	closeLog(r, m.log)
	m.log = m.h.Open(r, Setup{})
}

// check compares what is told at every step.
func (m *model) check(r *rapid.T) {
	if b := m.log.Bounds(); b != (store.Bounds{Floor: m.floor, Head: event.Sequence(len(m.events))}) {
		r.Fatalf("the bounds are %+v, want %d to %d", b, m.floor, len(m.events))
	}
	unrecognized := int64(0)
	for _, d := range m.events {
		if d.Unrecognized {
			unrecognized++
		}
	}
	checkStats(r, m.log, m.events, unrecognized)
}
