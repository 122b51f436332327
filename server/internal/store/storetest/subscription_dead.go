package storetest

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/google/go-cmp/cmp"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// kill dead-letters deliveries.
func (s *shop) kill(deliveries ...store.Delivery) {
	s.Helper()
	s.nack(store.Nack{DeadLetter: true}, acked, deliveries...)
}

func (s *shop) wantLetters(want ...event.Sequence) []store.DeadLetter {
	s.Helper()
	letters := s.letters()
	var got []event.Sequence
	for _, l := range letters {
		got = append(got, l.Event.Seq)
	}
	diff(s.T, "dead letters", want, got)
	if v := s.get(); v.DeadLetters != int64(len(want)) {
		s.Fatalf("%d dead letters are counted, want %d", v.DeadLetters, len(want))
	}
	return letters
}

func testPoison(s *shop) {
	s.create()
	s.append(5)
	k := s.consume(0)
	got := k.expect(1, 1, 2, 3, 4, 5)
	s.ack(got[3], got[4])
	s.nack(store.Nack{Reason: "first"}, acked, got[0]) // by nack, nack and nack
	s.h.Advance(minBackoff)
	again := k.expect(2, 1)
	s.nack(store.Nack{Reason: "second"}, acked, again...)
	s.h.Advance(2 * minBackoff)
	again = k.expect(3, 1)
	s.nack(store.Nack{Reason: "third"}, acked, again...)
	letters := s.wantLetters(1)
	if letters[0].Attempts != 3 || letters[0].Reason != "third" {
		s.Fatalf("the dead letter is %+v", letters[0])
	}
	k.Close(true) // 2 and 3: by loss, loss and deadline
	k = s.consume(0)
	k.expect(2, 2, 3)
	k.Close(true)
	k = s.consume(0)
	last := k.expect(3, 2, 3)
	s.h.Advance(theDeadline)
	s.await("the deadline dead-letters", func() bool { return s.get().DeadLetters == 3 })
	for range 2 {
		for _, l := range s.wantLetters(1, 2, 3)[1:] {
			if l.Attempts != 3 || l.Reason == "" {
				s.Fatalf("the dead letter is %+v", l)
			}
		}
		s.statuses([]strawv1.AckResult_Status{already, already}, ackIDs(last)...)
		if v := s.get(); v.InFlight != 0 {
			s.Fatalf("dead ones are in flight: %+v", v)
		}
		s.crash()
	}
	s.consume(0).nothing()
}

func testDeadLetterPages(s *shop) {
	s.create()
	s.append(4)
	k := s.consume(0)
	got := k.expect(1, 1, 2, 3, 4)
	for _, i := range []int{3, 0, 2, 1} {
		s.kill(got[i])
	}
	letters := s.wantLetters(1, 2, 3, 4)
	for i, l := range letters {
		e, err := l.Event.Decode(s.log.Identity())
		if err != nil {
			s.Fatalf("dead letter %d: %v", i, err)
		}
		if d := cmp.Diff(s.message(got[i]), e, protocmp.Transform()); d != "" {
			s.Fatalf("dead letter %d (-delivered +kept):\n%s", i, d)
		}
	}
	page, more, err := s.subs.DeadLetters(context.Background(), theID, 0, 10, 1)
	if err != nil || !more || len(page) != 1 {
		s.Fatalf("a page of one byte is %+v, %v, %v", page, more, err)
	}
}

// named returns the ids of the events of sequences, which must be drafts in order.
func (s *shop) named(all ...event.Sequence) []string {
	s.Helper()
	var ids []string
	for _, seq := range all {
		seg, err := s.log.Read(context.Background(), seq-1, nil)
		if err != nil {
			s.Fatalf("read: %v", err)
		}
		e, err := seg.Decode(0)
		if err != nil {
			s.Fatalf("read: %v", err)
		}
		ids = append(ids, e.GetId())
	}
	return ids
}

type change func(context.Context, string, store.Choice, bool) (int64, error)

// choose runs Redeliver or Purge, first without doing it.
func (s *shop) choose(do change, which store.Choice, want int64) {
	s.Helper()
	before := len(s.letters())
	for _, dry := range []bool{true, false} {
		n, err := do(context.Background(), theID, which, dry)
		if err != nil || n != want {
			s.Fatalf("%+v: %d, %v, want %d", which, n, err, want)
		}
		left := before - int(want)
		if dry {
			left = before
		}
		if got := len(s.letters()); got != left {
			s.Fatalf("%d dead letters are left, want %d", got, left)
		}
	}
}

func testRedeliver(s *shop) {
	s.create()
	s.append(4)
	k := s.consume(0)
	got := k.expect(1, 1, 2, 3, 4)
	s.kill(got...)
	s.choose(s.subs.Redeliver, store.Choice{EventIDs: append(s.named(3, 3, 1), "unknown", "evt_00009999")}, 2)
	again := k.take(2)
	diff(s.T, "redelivered", []event.Sequence{1, 3}, seqs(again))
	if again[0].Attempt != 2 {
		s.Fatalf("it comes with attempt %d", again[0].Attempt)
	}
	s.ack(got[2]) // by the attempt of before
	s.statuses([]strawv1.AckResult_Status{already}, again[1].AckID)
	for attempt := int32(2); attempt <= 3; attempt++ { // failures count from zero
		s.nack(store.Nack{}, acked, again[0])
		s.h.Advance(maxBackoff)
		again = k.expect(attempt+1, 1)
	}
	s.nack(store.Nack{}, acked, again...)
	if l := s.wantLetters(1, 2, 4)[0]; l.Attempts != 4 {
		s.Fatalf("the dead letter is %+v", l)
	}
	k.Close(false)
	s.choose(s.subs.Redeliver, store.Choice{All: true}, 3)
	if v := s.get(); v.Backlog != 3 || v.InFlight != 0 || v.OldestUnacked.IsZero() {
		s.Fatalf("owed again: %+v", v)
	}
	s.crash()
	k = s.consume(0)
	last := k.take(3)
	diff(s.T, "redelivered after a crash", []event.Sequence{1, 2, 4}, seqs(last))
	s.ack(last...)
	s.crash()
	s.consume(0).nothing()
}

func testPurge(s *shop) {
	s.create()
	s.append(4)
	k := s.consume(0)
	got := k.expect(1, 1, 2, 3, 4)
	s.kill(got...)
	s.choose(s.subs.Purge, store.Choice{EventIDs: s.named(2, 4)}, 2)
	s.wantLetters(1, 3)
	s.choose(s.subs.Purge, store.Choice{EventIDs: s.named(2)}, 0)
	s.choose(s.subs.Purge, store.Choice{All: true}, 2)
	s.choose(s.subs.Purge, store.Choice{All: true}, 0)
	s.choose(s.subs.Redeliver, store.Choice{All: true}, 0)
	purged := slices.Repeat([]strawv1.AckResult_Status{already}, 4)
	s.statuses(purged, ackIDs(got)...)
	s.crash()
	s.statuses(purged, ackIDs(got)...)
	s.wantLetters()
	s.consume(0).nothing()
}

func testDeadLetterOutlives(s *shop) {
	s.create()
	n := 4 * s.h.RetainStep
	s.append(n)
	k := s.consume(1)
	got := k.expect(1, 1)
	before := s.message(got[0])
	s.kill(got...)
	k.Close(false)
	s.seek(s.log.Bounds().Head)
	if floor := s.h.RetainSoft(s.T); floor < 1 {
		s.Fatalf("nothing was removed: the floor is %d", floor)
	}
	if v := s.get(); v.Expired != 0 {
		s.Fatalf("settled events expired: %+v", v)
	}
	s.crash()
	s.wantLetters(1)
	s.choose(s.subs.Redeliver, store.Choice{EventIDs: []string{before.GetId()}}, 1)
	s.crash()
	k = s.consume(0)
	again := k.expect(2, 1)
	if d := cmp.Diff(before, s.message(again[0]), protocmp.Transform()); d != "" {
		s.Fatalf("the redelivered event (-before +after):\n%s", d)
	}
	if raw, err := k.Raw(context.Background(), 1); err != nil || string(raw) != fmt.Sprintf(`{"n":%d}`, s.drafted(before)) {
		s.Fatalf("its body is %q, %v", raw, err)
	}
	if v := s.get(); v.OldestUnacked.IsZero() {
		s.Fatalf("its time is forgotten: %+v", v)
	}
	s.kill(again...)
	s.wantLetters(1)
	s.choose(s.subs.Redeliver, store.Choice{All: true}, 1)
	k.ack(k.expect(3, 1)...)
	k.nothing()
}

// drafted is the number of the draft that an event was made from.
func (s *shop) drafted(e *strawv1.Event) (n int) {
	s.Helper()
	if _, err := fmt.Sscanf(e.GetId(), "evt_%d", &n); err != nil {
		s.Fatalf("the id %s: %v", e.GetId(), err)
	}
	return n
}

func testDeadLettersFull(s *shop) {
	full := s.h.MaxDeadLetters
	s.create(func(d *strawv1.Subscription) { d.MaxAttempts = proto.Int32(1) })
	s.append(full + 2)
	k := s.consume(0)
	got := k.take(full + 2)
	s.kill(got[:full]...)
	s.nack(store.Nack{}, acked, got[full]) // there is no room for it
	if v := s.get(); v.InFlight != 2 || v.DeadLetters != int64(full) {
		s.Fatalf("one should wait for room: %+v", v)
	}
	s.append(full)
	for range 2 {
		if d := k.try(); len(d) > 0 {
			s.Fatalf("%v came from a subscription that is full", seqs(d))
		}
		s.reopen()
		k = s.consume(0)
	}
	s.statuses([]strawv1.AckResult_Status{acked}, got[full+1].AckID)
	purged := s.named(1)
	if n, err := s.subs.Purge(context.Background(), theID, store.Choice{EventIDs: purged}, false); err != nil || n != 1 {
		s.Fatalf("purged %d, %v, want 1", n, err)
	}
	s.await("it takes the room", func() bool { // at once, maybe: how many are left in between can't be seen for certain
		letters := s.letters()
		return len(letters) == full && letters[full-1].Event.Seq == event.Sequence(full+1)
	})
	rest := k.take(full)
	if rest[0].Entry.Seq != event.Sequence(full+3) {
		s.Fatalf("then come %v", seqs(rest))
	}
	s.ack(rest...)
	k.nothing()
}
