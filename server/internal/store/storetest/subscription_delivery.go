package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// message unpacks a delivered event.
func (s *shop) message(d store.Delivery) *strawv1.Event {
	s.Helper()
	e := new(strawv1.Event)
	if err := proto.Unmarshal(d.Segment.Bytes(d.Entry.Body, d.Entry.End), e); err != nil {
		s.Fatalf("event %d: %v", d.Entry.Seq, err)
	}
	return e
}

func (s *shop) receiveTime(seq event.Sequence) time.Time {
	s.Helper()
	seg, err := s.log.Read(context.Background(), seq-1, nil)
	if err != nil {
		s.Fatalf("read %d: %v", seq, err)
	}
	e, err := seg.Decode(0)
	if err != nil {
		s.Fatalf("read %d: %v", seq, err)
	}
	return e.GetReceiveTime().AsTime()
}

func testDeliveryOrder(s *shop) {
	s.append(700)
	if _, err := s.subs.Create(context.Background(), define(theID), 300); err != nil {
		s.Fatalf("create: %v", err)
	}
	k := s.consume(0)
	got := k.expect(1, span(301, 700)...)
	for _, d := range got {
		e := s.message(d)
		if e.GetCursor() != s.log.Identity().Cursor(d.Entry.Seq) {
			s.Fatalf("event %d came as %v", d.Entry.Seq, e)
		}
		if stored, err := s.log.Get(context.Background(), e.GetSource(), e.GetId()); err != nil || stored.Seq != d.Entry.Seq {
			s.Fatalf("event %d is %s, which is %d: %v", d.Entry.Seq, e.GetId(), stored.Seq, err)
		}
	}
	s.ack(got...)
	s.append(300) // live
	k.ack(k.expect(1, span(701, 1000)...)...)
}

func testDeliverLarge(s *shop) {
	s.create()
	var sizes []int
	for i, n := range []int{100, event.SegmentSize - 200, 5 * event.SegmentSize, 300, 3*event.SegmentSize - 7} {
		id := fmt.Sprint("large_", i)
		mustAppend(s.T, s.log, unrecognized(id, event.TypeSearchAlert, epoch, make([]byte, n)))
		sizes = append(sizes, n)
	}
	for attempt := int32(1); attempt <= 2; attempt++ { // as first sendings, and as redeliveries
		k := s.consume(0)
		for i, d := range k.expect(attempt, 1, 2, 3, 4, 5) {
			if n := len(s.message(d).GetRaw()); n != sizes[i] {
				s.Fatalf("event %d has a body of %d bytes, want %d", i+1, n, sizes[i])
			}
		}
		k.Close(true)
	}
}

func testDeliverySelection(s *shop) {
	s.create(func(d *strawv1.Subscription) {
		d.Types, d.Filter = []string{"search.*", "rare.one"}, "event.id.endsWith('7') || event.type == 'rare.one'"
	})
	k := s.consume(0)
	s.append(3000)
	mustAppend(s.T, s.log, makeDraft("r", "rare.one", epoch, []byte("r")))
	mustAppend(s.T, s.log, makeDraft("f", "rare.two", epoch, []byte("f")))
	got := k.take(301)
	for _, d := range got[:300] {
		if id := s.message(d).GetId(); id[len(id)-1] != '7' {
			s.Fatalf("%s came", id)
		}
	}
	if v := s.get(); v.InFlight != 301 {
		s.Fatalf("in flight: %+v", v)
	}
	s.ack(got...)
	s.await("the skipped ones count nowhere", func() bool {
		v := s.get()
		return v.Backlog == 0 && v.InFlight == 0 && v.Scanned == 3002 && v.OldestUnacked.IsZero()
	})
	s.reopen()
	if v := s.get(); v.Backlog != 0 || v.Scanned != 3002 {
		s.Fatalf("after reopening: %+v", v)
	}
	if floor := s.h.RetainSoft(s.T); floor < 3002-event.Sequence(s.h.RetainStep) {
		s.Fatalf("retention stays at %d for what nobody wants", floor)
	}
}

func testDeliveryRaw(s *shop) {
	s.create()
	s.append(1)
	mustAppend(s.T, s.log, unrecognized("u", "some.type", epoch, []byte("carried")))
	k := s.consume(0)
	k.expect(1, 1, 2)
	if raw, err := k.Raw(context.Background(), 1); err != nil || string(raw) != `{"n":0}` {
		s.Fatalf("the body of 1 is %q, %v", raw, err)
	}
	if raw, err := k.Raw(context.Background(), 2); err != nil || raw != nil {
		s.Fatalf("the body of 2 is %q, %v", raw, err)
	}
}

func testSharing(s *shop) {
	s.create()
	consumers := []*taking{s.consume(0), s.consume(0), s.consume(0), s.consume(0)}
	for _, k := range consumers {
		k.try() // now it waits
	}
	counts, got, next := make([]int, len(consumers)), 0, event.Sequence(0)
	for range 50 {
		s.append(8)
		got += 8
		s.await("all of it has come", func() bool {
			for i, k := range consumers {
				d := k.try()
				counts[i] += len(d)
				got -= len(d)
				for _, seq := range seqs(d) {
					next = max(next, seq)
				}
				s.ack(d...)
			}
			return got == 0
		})
	}
	if next != 400 {
		s.Fatalf("the last event is %d", next)
	}
	for i, n := range counts {
		if n < 60 || n > 140 {
			s.Fatalf("of 400 events consumer %d got %d: %v", i, n, counts)
		}
	}
}

func testLostConsumer(s *shop) {
	s.create(func(d *strawv1.Subscription) { d.MaxInFlight = 2000 })
	s.append(2000)
	dying := s.consume(1000)
	lost := dying.expect(1, span(1, 1000)...)
	living := s.consume(0)
	kept := living.expect(1, span(1001, 2000)...)
	dying.Close(true)
	dying.Close(true)
	again := living.expect(2, span(1, 1000)...)
	s.ack(kept...)
	s.ack(again...)
	s.statuses(slices.Repeat([]strawv1.AckResult_Status{already}, 1000), ackIDs(lost)...)
	living.nothing()
}

func testLeftConsumer(s *shop) {
	s.create(func(d *strawv1.Subscription) { d.MaxAttempts = proto.Int32(2) })
	s.append(2)
	for attempt := int32(1); attempt <= 5; attempt++ {
		k := s.consume(0)
		got := k.expect(attempt, 1, 2)
		k.Close(false)
		if attempt == 3 {
			s.extend(acked, got...) // whoever has them may go on
		}
		s.h.Advance(theDeadline)
	}
	k := s.consume(0)
	got := k.expect(6, 1, 2)
	k.Close(false)
	s.ack(got...)
	if v := s.get(); v.InFlight != 0 || v.DeadLetters != 0 {
		s.Fatalf("at the end: %+v", v)
	}
}

func testMaxInFlight(s *shop) {
	s.create(func(d *strawv1.Subscription) { d.MaxInFlight = 10 })
	s.append(100)
	a, b := s.consume(0), s.consume(0)
	got := a.expect(1, span(1, 10)...)
	s.nack(store.Nack{}, acked, got[0]) // still in flight while it waits
	if d := append(a.try(), b.try()...); len(d) > 0 {
		s.Fatalf("%v came although ten are in flight", seqs(d))
	}
	s.ack(got[1])
	var next []store.Delivery
	s.await("the next comes", func() bool { next = append(next, append(a.try(), b.try()...)...); return len(next) > 0 })
	diff(s.T, "after one ack", []event.Sequence{11}, seqs(next))
	s.update(func(d *strawv1.Subscription) { d.MaxInFlight = 12 })
	next = nil
	s.await("two more come", func() bool { next = append(next, append(a.try(), b.try()...)...); return len(next) >= 2 })
	diff(s.T, "after the limit was raised", []event.Sequence{12, 13}, slices.Sorted(slices.Values(seqs(next))))
}

func testOutstanding(s *shop) {
	s.create()
	s.append(100)
	k := s.consume(5)
	got := k.expect(1, 1, 2, 3, 4, 5)
	s.ack(got[:2]...)
	k.expect(1, 6, 7)
	other := s.consume(0)
	other.expect(1, span(8, 100)...)
	s.h.Advance(theDeadline + maxBackoff) // what is overdue isn't outstanding any more
	k.take(5)
}

func testStrictOrder(s *shop) {
	s.create(func(d *strawv1.Subscription) { d.MaxInFlight, d.MaxAttempts = 1, proto.Int32(0) })
	s.append(20)
	a, b := s.consume(0), s.consume(0)
	for seq := event.Sequence(1); seq <= 20; seq++ {
		for attempt := int32(1); attempt <= 1+int32(seq%3); attempt++ {
			var got []store.Delivery
			s.await("an event comes", func() bool { got = append(a.try(), b.try()...); return len(got) > 0 })
			if len(got) != 1 || got[0].Entry.Seq != seq || got[0].Attempt != attempt {
				s.Fatalf("%v came, want attempt %d of %d", got, attempt, seq)
			}
			if attempt <= int32(seq%3) {
				s.nack(store.Nack{}, acked, got...)
				s.h.Advance(maxBackoff)
			} else {
				s.ack(got...)
			}
		}
	}
}

// testStrictOrderAcross: were the next event sent before the acknowledgement is durable, a crash in between would send the one
// before it once more, behind it.
func testStrictOrderAcross(s *shop) {
	s.create(func(d *strawv1.Subscription) { d.MaxInFlight = 1 })
	s.append(2)
	k := s.consume(0)
	first := k.expect(1, 1)
	held, release := s.h.HoldSync()
	release = sync.OnceFunc(release)
	defer release()
	var acking sync.WaitGroup
	acking.Go(func() { s.ack(first...) })
	receive(s.T, "the held sync", held)
	s.await("the acknowledgement is taken", func() bool { return s.get().Acked == 1 })
	early := k.try()
	release()
	acking.Wait()
	if len(early) > 0 {
		s.Fatalf("%v came before the acknowledgement was durable", seqs(early))
	}
	k.expect(1, 2)
}

func testPause(s *shop) {
	s.create()
	s.append(4)
	k := s.consume(2)
	got := k.expect(1, 1, 2)
	s.update(func(d *strawv1.Subscription) { d.Paused = true })
	s.ack(got[0])
	s.h.Advance(theDeadline + minBackoff)
	s.await("the deadline passes", func() bool { return len(k.try()) == 0 && s.get().InFlight == 1 })
	s.crash()
	k = s.consume(0)
	if d := k.try(); len(d) > 0 {
		s.Fatalf("%v came from a paused subscription", seqs(d))
	}
	s.update(func(d *strawv1.Subscription) { d.Paused = false })
	diff(s.T, "deliveries", []event.Sequence{2, 3, 4}, slices.Sorted(slices.Values(seqs(k.take(3)))))
}

// testMany has consumers come and go, fail and acknowledge, while events are appended, all at once.
func testMany(s *shop) {
	const events, workers = 3000, 8
	s.create(func(d *strawv1.Subscription) { d.MaxInFlight, d.MaxAttempts = 200, proto.Int32(0) })
	var mu sync.Mutex
	settled := map[event.Sequence]int{}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { s.work(w, done, &mu, settled) })
	}
	for range events / 100 {
		s.append(100)
	}
	s.await("all is settled", func() bool {
		s.h.Advance(minBackoff)
		v := s.get()
		return v.Backlog == 0
	})
	close(done)
	wg.Wait()
	for seq := event.Sequence(1); seq <= events; seq++ {
		if settled[seq] != 1 {
			s.Errorf("event %d was settled %d times", seq, settled[seq])
		}
	}
}

// work is one of many consumers; the number w says how it behaves.
func (s *shop) work(w int, done chan struct{}, mu *sync.Mutex, settled map[event.Sequence]int) {
	ctx := context.Background()
	for n := 0; ; n++ {
		c, err := s.subs.Consume(ctx, theID, 20+w)
		if err != nil {
			s.Errorf("consume: %v", err)
			return
		}
		for range 20 {
			b, err := c.Take(ctx, 1+w*7)
			if err != nil {
				s.Errorf("take: %v", err)
				return
			}
			s.workOn(b.Deliveries, n+w, mu, settled)
			if len(b.Deliveries) > 0 {
				continue
			}
			select {
			case <-c.Ready():
			case <-done:
				c.Close(false)
				return
			}
		}
		c.Close(w%2 == 0)
	}
}

func (s *shop) workOn(got []store.Delivery, n int, mu *sync.Mutex, settled map[event.Sequence]int) {
	ctx := context.Background()
	for i, d := range got {
		var err error
		switch (i + n) % 10 {
		case 0:
			_, err = s.subs.Nack(ctx, theID, []string{d.AckID}, store.Nack{})
		case 1:
			_, err = s.subs.Nack(ctx, theID, []string{d.AckID}, store.Nack{Release: true})
		case 2: // lost with its consumer
			_, err = s.subs.ExtendDeadline(ctx, theID, []string{d.AckID})
		default:
			var statuses []strawv1.AckResult_Status
			statuses, err = s.subs.Acknowledge(ctx, theID, []string{d.AckID})
			if err == nil && statuses[0] == acked {
				mu.Lock()
				settled[d.Entry.Seq]++
				mu.Unlock()
			}
		}
		if err != nil && !errors.Is(err, event.ErrUnavailable) {
			s.Errorf("settle: %v", err)
		}
	}
}
