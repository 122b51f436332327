package pebblestore

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/fanout"
	"github.com/straw-gateway/straw/server/internal/store"
	"github.com/straw-gateway/straw/server/internal/store/storetest"
)

func TestSubscriptions(t *testing.T) {
	storetest.RunSubscriptions(t, func(t *testing.T) storetest.SubscriptionHarness {
		running := goleak.IgnoreCurrent()
		t.Cleanup(func() { goleak.VerifyNone(t, running) })
		return newSubscribing().harness()
	}, nil)
}

// subscribing is a store on a disk that can lose what isn't synced, with a clock that is moved by hand.
type subscribing struct {
	fs      *vfs.MemFS
	stall   *stallFS // of fs, as it was opened
	clock   *manualClock
	calls   atomic.Int64 // of wall, so that no two are at the same time
	log     *Log
	subs    *Subscriptions
	stopHub func()
}

func newSubscribing() *subscribing {
	return &subscribing{fs: vfs.NewCrashableMem(), clock: &manualClock{}}
}

func (s *subscribing) harness() storetest.SubscriptionHarness {
	return storetest.SubscriptionHarness{
		Open:       s.open,
		Close:      s.close,
		Crash:      s.crash,
		Advance:    s.clock.advance,
		HoldSync:   func() (<-chan struct{}, func()) { return s.stall.stall() },
		RetainStep: markEvery,
		Retain: func(t storetest.TB, through event.Sequence) event.Sequence {
			t.Helper()
			if err := s.log.raiseFloor(context.Background(), through/markEvery*markEvery); err != nil {
				t.Fatalf("retain: %v", err)
			}
			return s.log.Bounds().Floor
		},
		RetainSoft: func(t storetest.TB) event.Sequence {
			t.Helper()
			hold := (*s.log.hold.Load())()
			if err := s.log.raiseFloor(context.Background(), hold/markEvery*markEvery); err != nil {
				t.Fatalf("retain: %v", err)
			}
			return s.log.Bounds().Floor
		},
		MaxDeadLetters: 4,
	}
}

func (s *subscribing) open(t storetest.TB) (store.Log, store.Subscriptions) {
	t.Helper()
	hub := fanout.New(0)
	s.stall = &stallFS{FS: s.fs}
	o := small(s.stall)
	o.Tail = hub
	o.Now = s.wall
	var err error
	if s.log, err = Open("store", o); err != nil {
		t.Fatalf("open: %v", err)
	}
	hub.Open(s.log.Identity(), s.log.Types(), s.log.Bounds().Head)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = hub.Run(ctx)
	}()
	s.stopHub = func() { cancel(); <-done }
	if s.subs, err = OpenSubscriptions(s.log, SubscriptionOptions{Hub: hub, Clock: s.clock, MaxDeadLetters: 4}); err != nil {
		t.Fatalf("open subscriptions: %v", err)
	}
	return s.log, s.subs
}

// wall is the wall clock, which goes as the clock of deadlines does.
func (s *subscribing) wall() time.Time {
	return time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC).Add(s.clock.Now() + time.Duration(s.calls.Add(1)))
}

func (s *subscribing) close(t storetest.TB) {
	t.Helper()
	if err := s.subs.Close(); err != nil {
		t.Errorf("close subscriptions: %v", err)
	}
	if err := s.log.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	s.stopHub()
}

// crash goes on from what is synced at this moment; what the old store does afterwards is lost.
func (s *subscribing) crash(t storetest.TB) {
	t.Helper()
	survived := s.fs.CrashClone(vfs.CrashCloneCfg{})
	s.close(t)
	s.fs = survived
}

// A manualClock stands still until it is advanced.
type manualClock struct {
	mu      sync.Mutex
	now     time.Duration
	waiting []alarm
}

type alarm struct {
	at time.Duration
	c  chan time.Time
}

func (m *manualClock) Now() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

func (m *manualClock) After(d time.Duration) <-chan time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := make(chan time.Time, 1)
	m.waiting = append(m.waiting, alarm{m.now + d, c})
	m.ring()
	return c
}

func (m *manualClock) advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now += d
	m.ring()
}

func (m *manualClock) ring() {
	var later []alarm
	for _, a := range m.waiting {
		if a.at <= m.now {
			a.c <- time.Time{}
		} else {
			later = append(later, a)
		}
	}
	m.waiting = later
}

// TestWallClockMovesNoDeadline sets the wall clock ahead: deadlines run on another one, which nobody sets.
func TestWallClockMovesNoDeadline(t *testing.T) {
	if began := (monotonic{time.Now()}).began.String(); !strings.Contains(began, " m=+") {
		t.Fatalf("deadlines count from %s, which has no monotonic reading", began)
	}
	var ahead atomic.Int64
	s := newSubscribing()
	hub := fanout.New(0)
	o := small(s.fs)
	o.Tail, o.Now = hub, func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	l := mustOpen(t, "store", o)
	hub.Open(l.Identity(), l.Types(), 0)
	subs, err := OpenSubscriptions(l, SubscriptionOptions{Hub: hub})
	if err != nil {
		t.Fatal(err)
	}
	before := subs.Clock.Now()
	ahead.Store(int64(100 * 24 * time.Hour))
	if after := subs.Clock.Now(); after < before || after-before > time.Hour {
		t.Errorf("the clock of deadlines went from %v to %v", before, after)
	}
	ahead.Store(-int64(100 * 24 * time.Hour))
	if after := subs.Clock.Now(); after < before {
		t.Errorf("the clock of deadlines went back from %v to %v", before, after)
	}
	if err := subs.Close(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
}
