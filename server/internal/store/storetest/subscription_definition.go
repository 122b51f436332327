package storetest

import (
	"context"
	"errors"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

func testDefinitions(s *shop) {
	ctx := context.Background()
	ids := []string{"c", "a", "b"}
	for _, id := range ids {
		created, err := s.subs.Create(ctx, define(id), 0)
		if err != nil {
			s.Fatalf("create %s: %v", id, err)
		}
		diff(s.T, "created", define(id), created.Definition)
		if created.ETag == "" || created.CreateTime.IsZero() || !created.UpdateTime.Equal(created.CreateTime) {
			s.Fatalf("created %+v", created)
		}
	}
	for round := range 2 {
		page, more, err := s.subs.List(ctx, "", 2)
		if err != nil || !more || len(page) != 2 || page[0].Definition.GetId() != "a" || page[1].Definition.GetId() != "b" {
			s.Fatalf("round %d: the first page is %+v, %v, %v", round, page, more, err)
		}
		page, more, err = s.subs.List(ctx, "b", 2)
		if err != nil || more || len(page) != 1 || page[0].Definition.GetId() != "c" {
			s.Fatalf("round %d: the second page is %+v, %v, %v", round, page, more, err)
		}
		s.reopen()
	}
	s.checkUpdate(ctx)
	if err := s.subs.Delete(ctx, "b"); err != nil {
		s.Fatalf("delete: %v", err)
	}
	_, getErr := s.subs.Get(ctx, "b")
	_, ackErr := s.subs.Acknowledge(ctx, "b", nil)
	_, consumeErr := s.subs.Consume(ctx, "b", 0)
	for what, err := range map[string]error{
		"get": getErr, "acknowledge": ackErr, "consume": consumeErr, "delete": s.subs.Delete(ctx, "b"), "seek": s.subs.Seek(ctx, "b", 0),
	} {
		s.wantError(what, err, event.ErrSubscriptionNotFound)
	}
	s.crash()
	if page, _, err := s.subs.List(ctx, "", 10); err != nil || len(page) != 2 {
		s.Fatalf("after a crash there are %+v, %v", page, err)
	}
}

func (s *shop) checkUpdate(ctx context.Context) {
	s.Helper()
	was, err := s.subs.Get(ctx, "a")
	if err != nil {
		s.Fatalf("get: %v", err)
	}
	refused := errors.New("refused")
	_, err = s.subs.Update(ctx, "a", func(store.Subscription) (*strawv1.Subscription, error) { return nil, refused })
	s.wantError("an update whose change fails", err, refused)
	want := define("a", func(d *strawv1.Subscription) { d.MaxInFlight, d.Labels = 7, map[string]string{"team": "data"} })
	updated, err := s.subs.Update(ctx, "a", func(current store.Subscription) (*strawv1.Subscription, error) {
		diff(s.T, "the one to change", was.Definition, current.Definition)
		return want, nil
	})
	if err != nil || updated.ETag == was.ETag || !updated.CreateTime.Equal(was.CreateTime) {
		s.Fatalf("updated: %+v, %v", updated, err)
	}
	s.crash()
	again, err := s.subs.Get(ctx, "a")
	if err != nil || again.ETag != updated.ETag || !again.UpdateTime.Equal(updated.UpdateTime) {
		s.Fatalf("after a crash: %+v, %v, want %+v", again, err, updated)
	}
	diff(s.T, "updated", want, again.Definition)
}

func testCreateExisting(s *shop) {
	s.create()
	s.append(1)
	s.consume(0).expect(1, 1)
	got, err := s.subs.Create(context.Background(), define(theID, func(d *strawv1.Subscription) { d.Filter = "true" }), 0)
	s.wantError("create it again", err, event.ErrSubscriptionExists)
	diff(s.T, "the one there is", define(theID), got.Definition)
	if s.get().InFlight != 1 {
		s.Fatalf("it was made anew: %+v", s.get())
	}
}

func testRecreate(s *shop) {
	s.create()
	s.append(4)
	old := s.consume(0)
	got := old.expect(1, 1, 2, 3, 4)
	s.ack(got[0])
	s.nack(store.Nack{DeadLetter: true}, acked, got[1])
	etag := s.get().ETag
	if err := s.subs.Delete(context.Background(), theID); err != nil {
		s.Fatalf("delete: %v", err)
	}
	s.create()
	for range 2 {
		s.statuses([]strawv1.AckResult_Status{invalid, invalid, invalid}, ackIDs(got[:3])...)
		if v := s.get(); v.ETag == etag || v.DeadLetters != 0 || v.InFlight != 0 || v.Backlog != 4 || len(s.letters()) != 0 {
			s.Fatalf("the new one is %+v", v)
		}
		s.crash()
	}
	s.consume(0).expect(1, 1, 2, 3, 4)
}

func testEnd(s *shop) {
	s.create()
	s.append(1)
	deleted := s.consume(0)
	got := deleted.expect(1, 1)
	if err := s.subs.Delete(context.Background(), theID); err != nil {
		s.Fatalf("delete: %v", err)
	}
	deleted.wantEnd(event.ErrSubscriptionNotFound)
	deleted.Close(true)
	s.create()
	closed := s.consume(0)
	closed.expect(1, 1)
	s.reopen()
	closed.wantEnd(event.ErrUnavailable)
	closed.Close(true)
	s.statuses([]strawv1.AckResult_Status{invalid}, ackIDs(got)...)
	s.consume(0).expect(1, 1) // closing is no failure
}

// wantEnd waits for the consumer to end with an error.
func (k *taking) wantEnd(want error) {
	k.Helper()
	k.await("a consumer ends", func() bool {
		select {
		case <-k.Ready():
		default:
		}
		b, err := k.Take(context.Background(), 1)
		if len(b.Deliveries) > 0 {
			k.Fatalf("it goes on with %v", seqs(b.Deliveries))
		}
		if err != nil {
			k.wantError("the end", err, want)
		}
		return err != nil
	})
}

func testSubscriptionFigures(s *shop) {
	s.create()
	if v := s.get(); v.Backlog != 0 || !v.OldestUnacked.IsZero() || v.Consumers != 0 {
		s.Fatalf("of an empty log: %+v", v)
	}
	s.append(10)
	oldest := s.receiveTime(1)
	if v := s.get(); v.Backlog != 10 || v.InFlight != 0 || !v.OldestUnacked.Equal(oldest) || v.Scanned != 0 {
		s.Fatalf("before anything was sent: %+v, want the oldest of %v", v, oldest)
	}
	k := s.consume(4)
	got := k.expect(1, 1, 2, 3, 4)
	if v := s.get(); v.Backlog != 10 || v.InFlight != 4 || v.Consumers != 1 || v.Scanned != 4 || v.Delivered != 4 {
		s.Fatalf("with four in flight: %+v", v)
	}
	s.ack(got[1:]...)
	k.expect(1, 5, 6, 7)
	if v := s.get(); v.Backlog != 7 || v.InFlight != 4 || v.Acked != 3 || !v.OldestUnacked.Equal(oldest) {
		s.Fatalf("with three acknowledged: %+v", v)
	}
	s.nack(store.Nack{DeadLetter: true}, acked, got[0])
	if v := s.get(); v.DeadLetters != 1 || v.DeadLettered != 1 || !v.OldestUnacked.Equal(s.receiveTime(5)) {
		s.Fatalf("with one dead: %+v", v)
	}
	k.Close(true)
	s.consume(0).take(6)
	if v := s.get(); v.Redelivered != 3 || v.Consumers != 1 {
		s.Fatalf("with some redelivered: %+v", v)
	}
	if all := s.subs.Stats(); len(all) != 1 || all[0].Definition.GetId() != theID || all[0].Redelivered != 3 {
		s.Fatalf("stats: %+v", all)
	}
}
