package share_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/straw-gateway/straw/server/internal/share"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A crowd works in turns on a fake clock.
type crowd struct {
	share   *share.Share
	ctx     context.Context
	workers sync.WaitGroup
	running atomic.Int64
	most    atomic.Int64 // that ran at once
}

// join adds a reader that works until the crowd's context ends, in pieces of so long each. It returns how long it has worked.
func (c *crowd) join(caller string, piece time.Duration) *atomic.Int64 {
	var worked atomic.Int64
	c.workers.Go(func() {
		turn := c.share.Turn(caller)
		defer turn.Give()
		for turn.Take(c.ctx) == nil {
			n := c.running.Add(1)
			for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
			}
			<-time.After(piece) // the work
			c.running.Add(-1)
			worked.Add(int64(piece))
		}
	})
	return &worked
}

// gather runs a crowd for so long.
func gather(t *testing.T, turns int, while time.Duration, join func(*crowd)) *crowd {
	ctx, cancel := context.WithTimeout(t.Context(), while)
	defer cancel()
	c := &crowd{share: share.New(turns), ctx: ctx}
	join(c)
	c.workers.Wait()
	return c
}

func TestFewRunAtOnce(t *testing.T) {
	for _, turns := range []int{0, 1, 3} {
		synctest.Test(t, func(t *testing.T) {
			c := gather(t, turns, time.Second, func(c *crowd) {
				for i := range 50 {
					c.join(fmt.Sprint(i), 100*time.Microsecond)
				}
			})
			if got := int(c.most.Load()); got != max(1, turns) {
				t.Errorf("%d ran at once, of %d", got, turns)
			}
		})
	}
}

// TestCallersGetAlike has one caller with many readers, whose pieces are long, and another with one, whose pieces are short.
func TestCallersGetAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var many []*atomic.Int64
		var one *atomic.Int64
		gather(t, 1, 10*time.Second, func(c *crowd) {
			for range 600 {
				many = append(many, c.join("many", 3*time.Millisecond))
			}
			one = c.join("one", 100*time.Microsecond)
		})
		total := time.Duration(0)
		for _, m := range many {
			if m.Load() == 0 {
				t.Fatal("a reader never had a turn")
			}
			total += time.Duration(m.Load())
		}
		if got := time.Duration(one.Load()); got < 4*time.Second || total < 4*time.Second {
			t.Errorf("in 10 s the one had %v, the many together %v", got, total)
		}
	})
}

// TestNobodyGainsByComingAnew has a caller come and go, each time as a new reader, beside one that stays.
func TestNobodyGainsByComingAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stayed *atomic.Int64
		gather(t, 1, 10*time.Second, func(c *crowd) {
			stayed = c.join("stays", share.Slice)
			for range 20 {
				c.workers.Go(func() {
					for c.ctx.Err() == nil {
						turn := c.share.Turn("comes anew")
						if turn.Take(c.ctx) == nil {
							<-time.After(share.Slice)
						}
						turn.Give()
					}
				})
			}
		})
		if got := time.Duration(stayed.Load()); got < 4*time.Second {
			t.Errorf("in 10 s the one that stayed had %v", got)
		}
	})
}

// TestWebhooksComeFirst lets webhooks come in for a second, and then no more.
func TestWebhooksComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var during, worked time.Duration
		gather(t, 2, 2*time.Second, func(c *crowd) {
			var readers []*atomic.Int64
			for i := range 8 {
				readers = append(readers, c.join(fmt.Sprint(i), 400*time.Microsecond))
			}
			c.share.Ingest()
			for range 100 {
				<-time.After(10 * time.Millisecond)
				c.share.Ingest()
			}
			for _, r := range readers {
				during += time.Duration(r.Load())
			}
			<-c.ctx.Done()
			for _, r := range readers {
				worked += time.Duration(r.Load())
			}
		})
		if during < 900*time.Millisecond || during > 1100*time.Millisecond {
			t.Errorf("while webhooks came in, two turns had %v of a second", during)
		}
		if after := worked - during; after < 1800*time.Millisecond {
			t.Errorf("when none came in any more, two turns had %v of a second", after)
		}
	})
}

func TestWhoGivesUpWaitingHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := share.New(1)
		holder, waiter, next := s.Turn("a"), s.Turn("b"), s.Turn("c")
		if err := holder.Take(t.Context()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		waiter.Patience(start.Add(time.Second))
		if err := waiter.Take(t.Context()); !errors.Is(err, share.ErrLater) || time.Since(start) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		ended, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		waiter.Patience(time.Time{})
		if err := waiter.Take(ended); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if err := waiter.Take(ended); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one that has ended got %v", err)
		}
		holder.Give()
		if err := next.Take(t.Context()); err != nil {
			t.Error(err)
		}
		next.Give()
		next.Give() // changes nothing
		if err := next.Take(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestNoShare takes turns of nothing: then nobody waits, and a context that has ended is told all the same.
func TestNoShare(t *testing.T) {
	var s *share.Share
	s.Ingest()
	turn := s.Turn("a")
	if err := turn.Take(t.Context()); err != nil {
		t.Error(err)
	}
	turn.Give()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (*share.Turn)(nil).Take(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkTake(b *testing.B) {
	turn := share.New(1).Turn("a")
	b.ReportAllocs()
	for b.Loop() {
		if err := turn.Take(b.Context()); err != nil {
			b.Fatal(err)
		}
		turn.Give()
	}
}
