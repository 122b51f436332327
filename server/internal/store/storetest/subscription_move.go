package storetest

import (
	"context"
	"slices"

	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

func testSeekBack(s *shop) {
	s.create(func(d *strawv1.Subscription) { d.MaxAttempts = proto.Int32(2) })
	s.append(6)
	k := s.consume(0)
	got := k.expect(1, 1, 2, 3, 4, 5, 6)
	s.ack(got[:3]...)
	s.kill(got[3])
	s.nack(store.Nack{}, acked, got[4])
	s.seek(1)
	again := k.expect(1, 2, 3, 4, 5, 6) // at once, whatever the backoff
	s.statuses(slices.Repeat([]strawv1.AckResult_Status{stale}, 6), ackIDs(got)...)
	s.wantLetters(4)
	s.nack(store.Nack{}, acked, again[3]) // the first failure again
	s.h.Advance(minBackoff)
	fifth := k.expect(2, 5)
	s.nack(store.Nack{Reason: "again"}, acked, again[2])
	s.h.Advance(minBackoff)
	fourth := k.expect(2, 4)
	s.nack(store.Nack{Reason: "again"}, acked, fourth...)
	if letters := s.wantLetters(4); letters[0].Reason != "again" || letters[0].Attempts != 2 {
		s.Fatalf("the record wasn't updated: %+v", letters[0])
	}
	s.ack(fifth...)
	s.crash()
	s.statuses([]strawv1.AckResult_Status{stale, already}, got[1].AckID, fifth[0].AckID)
	k = s.consume(0)
	last := k.expect(1, 2, 3, 6)
	s.ack(last...)
	k.nothing()
}

func testSeekAhead(s *shop) {
	s.create()
	s.append(10)
	k := s.consume(4)
	got := k.expect(1, 1, 2, 3, 4)
	s.kill(got[0])
	s.seek(8)
	k.ack(k.expect(1, 9, 10)...)
	s.statuses([]strawv1.AckResult_Status{stale}, got[1].AckID)
	if v := s.get(); v.Backlog != 0 || v.InFlight != 0 || v.DeadLetters != 1 {
		s.Fatalf("after the seek: %+v", v)
	}
	s.choose(s.subs.Redeliver, store.Choice{All: true}, 1)
	k.expect(2, 1)
	s.seek(10) // all before is settled, the redelivered one too
	s.crash()
	s.consume(0).nothing()
}

func testRefilter(s *shop) {
	odd := "event.id.endsWith('0') || event.id.endsWith('2') || event.id.endsWith('4') || event.id.endsWith('6') || event.id.endsWith('8')"
	s.append(20) // evt_0 is event 1, or nearly so: appended at once
	ordered := s.named(span(1, 20)...)
	even := func(seq event.Sequence) bool { id := ordered[seq-1]; return (id[len(id)-1]-'0')%2 == 0 }
	s.create(func(d *strawv1.Subscription) { d.MaxInFlight = 4 })
	k := s.consume(0)
	got := k.expect(1, 1, 2, 3, 4)
	s.update(func(d *strawv1.Subscription) { d.Filter, d.MaxInFlight = odd, 100 })
	want := []event.Sequence{}
	for seq := event.Sequence(5); seq <= 20; seq++ {
		if even(seq) {
			want = append(want, seq)
		}
	}
	k.expect(1, want...)
	s.update(func(d *strawv1.Subscription) { d.Filter = "" }) // what was passed over stays so
	k.Close(true)
	k = s.consume(0)
	k.expect(2, append(seqs(got), want...)...)
	k.nothing()
}

func testRefilterAcross(s *shop) {
	s.append(50)
	s.create(func(d *strawv1.Subscription) { d.MaxInFlight = 30 })
	k := s.consume(0)
	first := k.take(30)
	s.ack(first[:5]...) // so that what was sent is known
	k.take(5)
	s.ack(first[5])
	s.crash()
	s.update(func(d *strawv1.Subscription) { d.Types, d.MaxInFlight = []string{"dataset.updated"}, 100 })
	s.crash()
	k = s.consume(0)
	var want []event.Sequence
	for _, d := range first[6:] {
		want = append(want, d.Entry.Seq)
	}
	want = append(want, span(31, 36)...) // the last was picked when there was room
	got := k.take(len(want))
	diff(s.T, "what was sent before", want, slices.Sorted(slices.Values(seqs(got))))
	mustAppend(s.T, s.log, makeDraft("d", "dataset.updated", epoch, []byte("d")))
	s.ack(got...)
	k.ack(k.expect(1, 51)...) // not those between
}

func testRefilterOften(s *shop) {
	s.create()
	s.append(3)
	s.consume(0).expect(1, 1, 2, 3)
	for _, types := range [][]string{{"dataset.updated"}, nil, {"dataset.updated", "some.type"}, {"dataset.updated"}} {
		s.reopen()
		s.update(func(d *strawv1.Subscription) { d.Types = types })
		s.consume(0).expect(1, 1, 2, 3)
		s.update(func(d *strawv1.Subscription) { d.MaxInFlight++ })
	}
	s.reopen()
	if v := s.get(); v.InFlight != 3 || v.Backlog != 3 {
		s.Fatalf("they are in flight: %+v", v)
	}
	k := s.consume(0)
	s.ack(k.expect(1, 1, 2, 3)...)
	s.reopen()
	if v := s.get(); v.Backlog != 0 {
		s.Fatalf("all is settled: %+v", v)
	}
}

func testPassedOver(s *shop) {
	s.create(func(d *strawv1.Subscription) { d.Types = []string{"dataset.updated"} })
	updated := func(id string) {
		s.Helper()
		mustAppend(s.T, s.log, makeDraft(id, "dataset.updated", epoch, []byte(id)))
	}
	updated("first")
	s.append(5000) // more than fit in one block of the settled
	updated("last")
	got := s.consume(0).expect(1, 1, 5002)
	for range 2 {
		s.reopen()
		s.update(func(d *strawv1.Subscription) { d.Types = nil })
		k := s.consume(0)
		got = k.expect(1, 1, 5002)
		k.nothing()
	}
	s.ack(got...)
	s.crash()
	s.consume(0).nothing()
}

func testRetainOwed(s *shop) {
	s.create()
	s.append(5 * s.h.RetainStep)
	if floor := s.h.RetainSoft(s.T); floor != 0 {
		s.Fatalf("the floor rose to %d although all is owed", floor)
	}
	k := s.consume(2)
	got := k.expect(1, 1, 2)
	k.Close(false)
	s.ack(got[1])
	s.seek(event.Sequence(3 * s.h.RetainStep))
	floor := s.h.RetainSoft(s.T)
	if floor > event.Sequence(3*s.h.RetainStep) || floor < event.Sequence(2*s.h.RetainStep) {
		s.Fatalf("the floor is %d", floor)
	}
	s.wantError("a seek behind the floor", s.subs.Seek(context.Background(), theID, floor-1), event.ErrPassed)
	_, err := s.subs.Create(context.Background(), define("late"), floor-1)
	s.wantError("a start behind the floor", err, event.ErrPassed)
	s.seek(floor)
	s.consume(0).expect(1, span(floor+1, floor+1000)...)
	if v := s.get(); v.Expired != 0 {
		s.Fatalf("%+v", v)
	}
}

func testGap(s *shop) {
	step := event.Sequence(s.h.RetainStep)
	s.create()
	s.append(4 * s.h.RetainStep)
	k := s.consume(10)
	got := k.expect(1, span(1, 10)...)
	s.ack(got[3])
	floor := s.h.Retain(s.T, 2*step)
	if floor == 0 {
		s.Fatalf("nothing was removed")
	}
	k.wantGap(floor)
	// What comes after the gap may be meant for the consumer already.
	if v := s.get(); v.Expired != int64(floor)-1 || v.InFlight > 10 || v.Scanned != floor+event.Sequence(v.InFlight) {
		s.Fatalf("after the gap at %d: %+v", floor, v)
	}
	s.statuses([]strawv1.AckResult_Status{already, already}, got[0].AckID, got[3].AckID)
	next := k.expect(1, span(floor+1, floor+10)...)
	s.ack(next...)
	k.Close(false)
	second := s.h.Retain(s.T, 3*step+step/2)
	if second <= floor {
		s.Fatalf("nothing more was removed")
	}
	expired := s.get().Expired
	s.crash()
	if v := s.get(); v.Expired != expired || v.Scanned < second {
		s.Fatalf("after a crash: %+v, want %d expired", v, expired)
	}
	last := s.consume(0)
	last.wantGap(second) // for nobody was there when it happened
	last.take(min(1000, int(4*step-second)))
}

// wantGap waits until the consumer is told of a gap.
func (k *taking) wantGap(oldest event.Sequence) {
	k.Helper()
	k.await("the gap is told", func() bool {
		b, err := k.Take(context.Background(), 10)
		if err != nil || len(b.Deliveries) > 0 || b.Gap && b.Oldest != oldest {
			k.Fatalf("take: %+v, %v", b, err)
		}
		return b.Gap
	})
}
