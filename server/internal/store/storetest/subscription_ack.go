package storetest

import (
	"context"
	"slices"
	"strings"
	"time"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

func testAckResults(s *shop) {
	s.create()
	s.append(10)
	if _, err := s.subs.Create(context.Background(), define("other"), 0); err != nil {
		s.Fatalf("create: %v", err)
	}
	got := s.consume(0).take(10)
	c, err := s.subs.Consume(context.Background(), "other", 0)
	if err != nil {
		s.Fatalf("consume: %v", err)
	}
	foreign := (&taking{s, c}).take(10)
	flip := func(id string, at int) string {
		b := []byte(id)
		if b[at] != 'A' {
			b[at] = 'A'
		} else {
			b[at] = 'B'
		}
		return string(b)
	}
	ids := []string{
		got[1].AckID, got[0].AckID, got[1].AckID, foreign[2].AckID, "", "garbage", strings.Repeat("A", len(got[0].AckID)),
		flip(got[2].AckID, 0), flip(got[2].AckID, len(got[2].AckID)-1), flip(got[2].AckID, len(got[2].AckID)/2), got[2].AckID + "A", got[2].AckID,
	}
	want := []strawv1.AckResult_Status{acked, acked, already, invalid, invalid, invalid, invalid, invalid, invalid, invalid, invalid, acked}
	s.statuses(want, ids...)
	s.statuses([]strawv1.AckResult_Status{})
	if v := s.get(); v.InFlight != 7 || v.Acked != 3 {
		s.Fatalf("after three acks: %+v", v)
	}
	for _, status := range s.all(got[0].AckID, foreign[0].AckID, "x") {
		diff(s.T, "nack and extend", []strawv1.AckResult_Status{already, invalid, invalid}, status)
	}
}

// all nacks and extends ack ids, and returns the statuses of both.
func (s *shop) all(ids ...string) [][]strawv1.AckResult_Status {
	s.Helper()
	nacked, err := s.subs.Nack(context.Background(), theID, ids, store.Nack{})
	if err != nil {
		s.Fatalf("nack: %v", err)
	}
	extended, err := s.subs.ExtendDeadline(context.Background(), theID, ids)
	if err != nil {
		s.Fatalf("extend: %v", err)
	}
	return [][]strawv1.AckResult_Status{nacked, extended}
}

func testLateAck(s *shop) {
	s.create()
	s.append(2)
	k := s.consume(0)
	first := k.expect(1, 1, 2)
	s.h.Advance(theDeadline)
	s.ack(first[0]) // after its deadline, before the next attempt
	s.h.Advance(minBackoff)
	second := k.expect(2, 2)
	s.ack(first[1]) // by the older attempt
	s.statuses([]strawv1.AckResult_Status{already}, second[0].AckID)
	k.nothing()
	if v := s.get(); v.Acked != 3 || v.Backlog != 0 {
		s.Fatalf("at the end: %+v", v)
	}
}

func testAckAcross(s *shop) {
	s.create()
	s.append(6)
	got := s.consume(0).take(6)
	s.ack(got[0], got[3])
	s.crash()
	s.statuses([]strawv1.AckResult_Status{already, acked, already}, got[0].AckID, got[1].AckID, got[3].AckID)
	s.reopen()
	s.statuses([]strawv1.AckResult_Status{already, already, already, acked}, got[0].AckID, got[1].AckID, got[3].AckID, got[4].AckID)
	s.extend(acked, got[5]) // sent before the restart, and not since
	k := s.consume(0)
	k.ack(k.expect(1, 3)...)
	k.nothing()
	s.h.Advance(theDeadline + minBackoff)
	k.ack(k.expect(2, 6)...)
	k.nothing()
}

func testNackBackoff(s *shop) {
	s.create(func(d *strawv1.Subscription) { d.MaxAttempts = new(int32) })
	s.append(1)
	k := s.consume(0)
	got := k.expect(1, 1)
	for attempt, seconds := range []int{1, 2, 4, 8, 8, 8} {
		s.nack(store.Nack{}, acked, got...)
		s.nack(store.Nack{}, acked, got...) // counts once
		s.h.Advance(time.Duration(seconds)*time.Second - 1)
		k.nothing()
		s.h.Advance(1)
		got = k.expect(int32(attempt+2), 1)
	}
}

func testNackVariants(s *shop) {
	s.create()
	s.append(3)
	k := s.consume(0)
	got := k.expect(1, 1, 2, 3)
	delay := 20 * time.Second
	s.nack(store.Nack{Delay: &delay}, acked, got[0])
	s.nack(store.Nack{Release: true}, acked, got[1])
	s.nack(store.Nack{DeadLetter: true, Reason: "no such customer"}, acked, got[2])
	released := k.expect(2, 2)
	for attempt := int32(3); attempt < 8; attempt++ { // more often than it may fail
		s.nack(store.Nack{Release: true}, acked, released...)
		released = k.expect(attempt, 2)
	}
	s.ack(released...)
	letters := s.letters()
	if len(letters) != 1 || letters[0].Event.Seq != 3 || letters[0].Attempts != 1 || letters[0].Reason != "no such customer" || letters[0].Time.IsZero() {
		s.Fatalf("dead letters: %+v", letters)
	}
	s.h.Advance(delay - 1)
	k.nothing()
	s.h.Advance(1)
	k.ack(k.expect(2, 1)...)
	k.nothing()
}

func testStale(s *shop) {
	s.create()
	s.append(1)
	k := s.consume(0)
	first := k.expect(1, 1)
	s.nack(store.Nack{}, acked, first...)
	s.h.Advance(minBackoff)
	second := k.expect(2, 1)
	for _, how := range []store.Nack{{}, {Release: true}, {DeadLetter: true}} {
		s.nack(how, stale, first...)
	}
	s.extend(stale, first...)
	s.extend(acked, second...)
	if v := s.get(); v.DeadLetters != 0 || v.InFlight != 1 {
		s.Fatalf("after stale nacks: %+v", v)
	}
	s.seek(0)
	s.nack(store.Nack{}, stale, second...)
	s.extend(stale, second...)
	s.statuses([]strawv1.AckResult_Status{stale, stale}, first[0].AckID, second[0].AckID)
	k.ack(k.expect(1, 1)...)
}

func testDeadline(s *shop) {
	s.create()
	s.append(2)
	k := s.consume(0)
	k.expect(1, 1, 2)
	s.h.Advance(theDeadline - 1)
	k.nothing()
	s.h.Advance(1)
	s.await("both wait", func() bool { return s.get().InFlight == 2 })
	s.h.Advance(minBackoff)
	k.expect(2, 1, 2)
	s.h.Advance(theDeadline)
	s.h.Advance(2 * minBackoff)
	s.await("they come again", func() bool { return len(k.try()) > 0 || s.get().Redelivered == 4 })
}

func testExtend(s *shop) {
	s.create()
	s.append(2)
	k := s.consume(0)
	got := k.expect(1, 1, 2)
	for range 5 {
		s.h.Advance(theDeadline - 1)
		s.extend(acked, got...)
	}
	s.h.Advance(theDeadline - 1)
	k.nothing()
	s.extend(acked, got[1])
	s.h.Advance(1 + minBackoff)
	again := k.expect(2, 1)
	s.extend(stale, got[0])
	s.nack(store.Nack{}, acked, again...)
	s.extend(acked, again...) // it isn't sent again meanwhile
	s.h.Advance(theDeadline - minBackoff - 2)
	k.nothing()
	s.ack(again[0], got[1])
}

func testBackoffAcross(s *shop) {
	s.create()
	s.append(2)
	k := s.consume(0)
	got := k.expect(1, 1, 2)
	s.nack(store.Nack{}, acked, got[0])
	hour := time.Hour
	s.nack(store.Nack{Delay: &hour}, acked, got[1])
	for range 2 {
		s.crash()
		if v := s.get(); v.InFlight != 2 {
			s.Fatalf("after a crash: %+v", v)
		}
	}
	k = s.consume(0)
	s.h.Advance(minBackoff)
	again := k.expect(2, 1) // failures are remembered, so the next backoff is the second
	s.nack(store.Nack{}, acked, again...)
	s.h.Advance(2*minBackoff - 1)
	k.nothing()
	s.h.Advance(1)
	k.ack(k.expect(3, 1)...)
	s.h.Advance(hour)
	k.ack(k.expect(2, 2)...)
}

func testCrash(s *shop) {
	s.create(func(d *strawv1.Subscription) { d.MaxInFlight, d.MaxAttempts = 5000, new(int32) })
	s.append(9000) // over three blocks of acknowledgements
	owed := map[event.Sequence]bool{}
	for seq := event.Sequence(1); seq <= 9000; seq++ {
		owed[seq] = true
	}
	for round := event.Sequence(2); len(owed) > 0; round++ {
		k := s.consume(0)
		got := k.take(min(len(owed), 5000))
		var settle []store.Delivery
		for i, d := range got {
			if !owed[d.Entry.Seq] {
				s.Fatalf("event %d came again after it was acknowledged", d.Entry.Seq)
			}
			if event.Sequence(i)%round != 0 || round > 8 {
				settle = append(settle, d)
				delete(owed, d.Entry.Seq)
			}
		}
		slices.Reverse(settle)
		s.ack(settle...)
		s.crash()
		if v := s.get(); v.Backlog < int64(len(owed)) {
			s.Fatalf("%d are owed: %+v", len(owed), v)
		}
	}
	s.consume(0).nothing()
}
