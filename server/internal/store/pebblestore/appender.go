package pebblestore

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/straw-gateway/straw/server/internal/event"
)

// An appender is what the goroutine knows that writes every batch: the log as it will be once all of them are on the disk.
type appender struct {
	commit uint64 // number of the newest batch
	totals totals
	// numbers has the types of the events that were written, durable or not. They are added to Log.types when they are.
	numbers map[string]event.TypeNumber
	dedup   dedup
	scratch []byte
}

// runAppender commits what waits, one group after the other, until the queue is closed and empty.
func (l *Log) runAppender() {
	defer close(l.applied)
	for {
		// Waiting for a slot before taking a group lets the group grow meanwhile.
		l.takeSlots(1)
		g := l.queue.take(l.yield)
		if g == nil {
			l.freeSlots(1)
			return
		}
		l.takeSlots(g.slots() - 1)
		l.writing.begin()
		l.process(g)
		l.writing.end()
		l.applied <- g
	}
}

// yield lets callers that are about to append do so first, if a sync is under way anyway that this batch must wait for.
func (l *Log) yield() {
	if len(l.slots) > 1 {
		runtime.Gosched()
	}
}

// process writes a group's batch, without waiting for its sync.
func (l *Log) process(g *group) {
	switch {
	case l.refusal() != nil:
	case g.pause != nil:
		l.runPaused(g.pause)
	default:
		if err := l.write(g); err != nil {
			l.fail(err)
		}
	}
}

// runPaused waits for every batch in flight and then runs f, while nothing else is committed.
func (l *Log) runPaused(f func()) {
	l.takeSlots(maxInFlight - 1)
	defer l.freeSlots(maxInFlight - 1)
	f()
}

// slots is how many slots the group takes.
func (g *group) slots() int { return min(1+g.bytes/slotBytes, maxInFlight) }

func (l *Log) takeSlots(slots int) {
	for range slots {
		l.slots <- struct{}{}
	}
}

func (l *Log) freeSlots(slots int) {
	for range slots {
		<-l.slots
	}
}

func (l *Log) write(g *group) error {
	a := &l.appender
	fresh, err := l.resolve(g)
	if err != nil {
		return err
	}
	if len(fresh) == 0 && !g.mutates() {
		return nil
	}
	a.commit++
	b := l.db.NewBatchWithSize(g.bytes + len(g.calls)*256)
	if err := l.fill(b, g, fresh); err != nil {
		return err
	}
	if err := l.db.ApplyNoSyncWait(b, pebble.Sync); err != nil {
		return fmt.Errorf("writing to the write-ahead log: %w", err)
	}
	g.batch, g.commit, g.last = b, a.commit, a.totals.seq
	g.applied = time.Since(l.opened)
	if l.disk.wrote(b.Len()) {
		l.checkDisk()
	}
	return nil
}

// mutates reports whether another writer's mutations are among the calls.
func (g *group) mutates() bool {
	for i := range g.calls {
		if g.calls[i].write != nil {
			return true
		}
	}
	return false
}

// A record is a new event about to be written.
type record struct {
	seq    event.Sequence
	draft  *event.Draft
	header header
}

// resolve gives each event of the group its receipt, and returns the new ones.
func (l *Log) resolve(g *group) ([]record, error) {
	a := &l.appender
	if err := a.dedup.begin(len(g.calls)); err != nil {
		return nil, err
	}
	var fresh []record
	for i := range g.calls {
		c := &g.calls[i]
		if c.draft == nil {
			continue
		}
		r, found, err := a.dedup.find(c.draft)
		if err != nil {
			return nil, errors.Join(err, a.dedup.end())
		}
		if found {
			c.receipt = r
			continue
		}
		if fresh == nil {
			fresh = make([]record, 0, len(g.calls)-i)
		}
		rec := a.number(g, c.draft)
		fresh = append(fresh, rec)
		c.receipt.Seq = rec.seq
		a.dedup.add(c.draft, rec.seq)
	}
	return fresh, a.dedup.end()
}

// number gives a new event its place.
func (a *appender) number(g *group, d *event.Draft) record {
	seq := a.totals.seq + event.Sequence(len(g.events)) + 1
	h := header{typ: a.typeNumber(g, d.Type), unrecognized: d.Unrecognized, order: nanos(d.ReceiveTime)}
	if d.Raw != nil {
		h.raw = uint64(len(d.Raw)) + 1
	}
	g.events = append(g.events, event.Stored{Seq: seq, Type: h.typ, Encoded: d.Encoded})
	return record{seq: seq, draft: d, header: h}
}

func (a *appender) typeNumber(g *group, name string) event.TypeNumber {
	n, ok := a.numbers[name]
	if !ok && len(a.numbers) < event.MaxTypes {
		n = event.TypeNumber(len(a.numbers) + 1)
		a.numbers[name] = n
		g.types = append(g.types, name)
	}
	return n
}

// fill writes a batch. Its first record is the head, so that the write-ahead log can be checked even by the first part of
// a torn batch. Records of one kind stand together, in order, for the memtable takes those fastest.
func (l *Log) fill(b *pebble.Batch, g *group, fresh []record) error {
	a := &l.appender
	at := b.SetDeferred(1, headLen)
	at.Key[0] = keyHead
	headAt := len(b.Repr()) - headLen
	if err := at.Finish(); err != nil {
		return err
	}
	if err := a.writeTypes(b, g.types); err != nil {
		return err
	}
	if err := a.writeEvents(b, fresh); err != nil {
		return err
	}
	for i := range g.calls {
		if write := g.calls[i].write; write != nil {
			write(b)
		}
	}
	h := head{commit: a.commit, durable: l.durableCommit.Load(), totals: a.totals}
	h.append(b.Repr()[headAt:headAt])
	return nil
}

func (a *appender) writeTypes(b *pebble.Batch, names []string) error {
	for _, name := range names {
		key := makeTypeKey(a.numbers[name])
		if err := b.Set(key[:], []byte(name), nil); err != nil {
			return err
		}
	}
	return nil
}

func (a *appender) writeEvents(b *pebble.Batch, fresh []record) error {
	for i := range fresh {
		r := &fresh[i]
		a.scratch = appendIdentityKey(a.scratch[:0], r.draft.Source, r.draft.ID)
		key := len(a.scratch)
		a.scratch = appendDedup(a.scratch, r.seq, &r.draft.BodyHash)
		if err := b.Set(a.scratch[:key], a.scratch[key:], nil); err != nil {
			return err
		}
	}
	for i := range fresh {
		if err := a.writeEvent(b, &fresh[i]); err != nil {
			return err
		}
	}
	for i := range fresh {
		if raw := fresh[i].draft.Raw; raw != nil {
			key := makeSequenceKey(keyRaw, fresh[i].seq)
			if err := b.Set(key[:], raw, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeEvent writes the event itself, and a mark where one is due.
func (a *appender) writeEvent(b *pebble.Batch, r *record) error {
	r.header.order = max(r.header.order, a.totals.order)
	a.totals.add(r.header, len(r.draft.Encoded)+len(r.draft.Raw))
	a.scratch = r.header.append(a.scratch[:0])
	op := b.SetDeferred(len(sequenceKey{}), len(a.scratch)+len(r.draft.Encoded))
	key := makeSequenceKey(keyEvent, r.seq)
	copy(op.Key, key[:])
	copy(op.Value[copy(op.Value, a.scratch):], r.draft.Encoded)
	if err := op.Finish(); err != nil {
		return err
	}
	if r.seq%markEvery != 0 {
		return nil
	}
	key = makeSequenceKey(keyMark, r.seq)
	return b.Set(key[:], a.totals.appendMark(a.scratch[:0]), nil)
}
