package pebblestore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/fanout"
	"github.com/straw-gateway/straw/server/internal/filter"
	"github.com/straw-gateway/straw/server/internal/share"
	"github.com/straw-gateway/straw/server/internal/store"
)

// SubscriptionOptions say how subscriptions are opened. Only Hub must be set.
type SubscriptionOptions struct {
	// Hub is what the log publishes to.
	Hub *fanout.Hub
	// Share is what scanning the log for consumers takes its turns of; nil: it needn't wait.
	Share *share.Share
	// Clock is what deadlines run on; nil for the real one.
	Clock Clock
	// MaxSubscriptions bounds how many there are; zero for 10,000.
	MaxSubscriptions int
	// MaxDeadLetters and MaxDeadBytes bound the dead letters of one subscription. When they are reached, the subscription
	// sends nothing until some are redelivered or purged. Zero for 10,000 and 256 MiB.
	MaxDeadLetters int64
	MaxDeadBytes   int64
}

// A Clock tells the time that deadlines run on.
type Clock interface {
	// Now never goes back.
	Now() time.Duration
	// After returns a channel that receives after so long, and is dropped if it isn't needed.
	After(time.Duration) <-chan time.Time
}

type monotonic struct{ began time.Time }

func (m monotonic) Now() time.Duration                     { return time.Since(m.began) }
func (m monotonic) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Defaults of SubscriptionOptions.
const (
	defaultMaxSubscriptions = 10_000
	defaultMaxDeadLetters   = 10_000
	defaultMaxDeadBytes     = 256 << 20
)

// Subscriptions are the store.Subscriptions of a Log.
type Subscriptions struct {
	SubscriptionOptions
	log     *Log
	sealer  *sealer
	journal *journal

	// defining is held while a subscription is created, updated or deleted, and dying while events become dead letters or
	// stop being some: both wait for the disk, and come one at a time.
	defining, dying sync.Mutex

	mu      sync.RWMutex
	byID    map[string]*subscription
	ids     []string      // sorted
	coming  *subscription // is being created
	number  uint32        // the newest subscription's
	closed  bool
	running sync.WaitGroup
	stop    chan struct{}
}

var _ store.Subscriptions = (*Subscriptions)(nil)

// OpenSubscriptions takes up the subscriptions of a log, which must be closed after them. From then on the log keeps what
// they owe.
func OpenSubscriptions(l *Log, o SubscriptionOptions) (*Subscriptions, error) {
	if o.Clock == nil {
		o.Clock = monotonic{time.Now()}
	}
	if o.MaxSubscriptions == 0 {
		o.MaxSubscriptions = defaultMaxSubscriptions
	}
	orDefault(&o.MaxDeadLetters, defaultMaxDeadLetters)
	orDefault(&o.MaxDeadBytes, defaultMaxDeadBytes)
	s := &Subscriptions{SubscriptionOptions: o, log: l, byID: map[string]*subscription{}, stop: make(chan struct{})}
	if err := s.restore(); err != nil {
		return nil, err
	}
	s.journal = newJournal(l)
	l.SetHold(s.hold)
	expire := s.expire
	l.raised.Store(&expire)
	for _, sub := range s.byID {
		s.start(sub)
	}
	s.running.Go(s.tidy)
	return s, nil
}

func (s *Subscriptions) start(sub *subscription) { s.running.Go(sub.run) }

// tidyEvery is how often is written down what is only found out again after a crash: how far events were passed over or sent.
const tidyEvery = time.Second

func (s *Subscriptions) tidy() {
	t := time.NewTicker(tidyEvery)
	defer t.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-t.C:
		}
		for _, sub := range s.all() {
			sub.tidy()
		}
	}
}

// hold is the position after which some subscription may still need the log.
func (s *Subscriptions) hold() event.Sequence {
	s.mu.RLock()
	defer s.mu.RUnlock()
	hold := s.log.Bounds().Head
	for _, sub := range s.byID {
		hold = min(hold, event.Sequence(sub.held.Load()))
	}
	if s.coming != nil {
		hold = min(hold, event.Sequence(s.coming.held.Load()))
	}
	return hold
}

// expire has every subscription find out whether retention has overtaken it.
func (s *Subscriptions) expire() {
	for _, sub := range s.all() {
		sub.expire()
	}
}

// all returns every subscription, by id.
func (s *Subscriptions) all() []*subscription {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*subscription, len(s.ids))
	for i, id := range s.ids {
		all[i] = s.byID[id]
	}
	return all
}

func (s *Subscriptions) find(ctx context.Context, id string) (*subscription, error) {
	if err := errors.Join(ctx.Err(), s.log.refusal()); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed
	}
	if sub, ok := s.byID[id]; ok {
		return sub, nil
	}
	return nil, event.ErrSubscriptionNotFound
}

// Create makes a subscription.
func (s *Subscriptions) Create(ctx context.Context, d *strawv1.Subscription, after event.Sequence) (view store.Subscription, err error) {
	if err := s.log.disk.refusal(); err != nil {
		return view, err
	}
	var made store.Subscription
	err = s.log.whileRoom(ctx, func() (err error) {
		made, err = s.create(ctx, d, after)
		return err
	})
	if err == nil || errors.Is(err, event.ErrSubscriptionExists) {
		view = made // or it may still be on its way
	}
	return view, err
}

func (s *Subscriptions) create(ctx context.Context, d *strawv1.Subscription, after event.Sequence) (store.Subscription, error) {
	s.defining.Lock()
	defer s.defining.Unlock()
	if old, err := s.find(ctx, d.GetId()); err == nil {
		view, err := old.view()
		return view, errors.Join(event.ErrSubscriptionExists, err)
	} else if !errors.Is(err, event.ErrSubscriptionNotFound) {
		return store.Subscription{}, err
	}
	if len(s.all()) >= s.MaxSubscriptions {
		return store.Subscription{}, event.ErrTooManySubscriptions
	}
	now := s.log.opts.Now()
	sub, err := s.newSubscription(s.number+1, &definition{message: d, version: 1, created: now, updated: now}, after)
	if err != nil {
		return store.Subscription{}, err
	}
	if err := s.admit(ctx, sub, after); err != nil {
		return store.Subscription{}, err
	}
	return sub.view()
}

// admit writes a new subscription down, and then shows it.
func (s *Subscriptions) admit(ctx context.Context, sub *subscription, after event.Sequence) error {
	s.mu.Lock()
	s.coming = sub // from here on the log keeps what it owes
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.coming = nil
		s.mu.Unlock()
	}()
	if err := s.log.passed(after); err != nil {
		return err
	}
	encoded, err := sub.definition.append(nil)
	if err != nil {
		return err
	}
	s.number++
	// Once it is handed over it can't be taken back, and must not be there without being seen.
	err = s.log.commit(context.WithoutCancel(ctx), len(encoded)+usualBytes, func(b *pebble.Batch) { writeNew(b, sub.number, encoded, after) })
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.add(sub)
	s.start(sub)
	return nil
}

func (s *Subscriptions) add(sub *subscription) {
	s.byID[sub.id] = sub
	i, _ := slices.BinarySearch(s.ids, sub.id)
	s.ids = slices.Insert(s.ids, i, sub.id)
}

// Get returns a subscription with its figures as they are now.
func (s *Subscriptions) Get(ctx context.Context, id string) (store.Subscription, error) {
	sub, err := s.find(ctx, id)
	if err != nil {
		return store.Subscription{}, err
	}
	return sub.view()
}

// List returns subscriptions, by id.
func (s *Subscriptions) List(ctx context.Context, after string, limit int) (page []store.Subscription, more bool, err error) {
	if err := errors.Join(ctx.Err(), s.log.refusal()); err != nil {
		return nil, false, err
	}
	for _, sub := range s.all() {
		if sub.id <= after {
			continue
		}
		if len(page) == limit {
			return page, true, nil
		}
		view, err := sub.view()
		if errors.Is(err, event.ErrSubscriptionNotFound) { // just now
			continue
		}
		if err != nil {
			return nil, false, err
		}
		page = append(page, view)
	}
	return page, false, nil
}

// Stats returns every subscription's figures, by id.
func (s *Subscriptions) Stats() []store.Subscription {
	var all []store.Subscription
	for _, sub := range s.all() {
		if view, err := sub.view(); err == nil {
			all = append(all, view)
		}
	}
	return all
}

// Update replaces a definition.
func (s *Subscriptions) Update(ctx context.Context, id string, change func(store.Subscription) (*strawv1.Subscription, error)) (view store.Subscription, err error) {
	var updated store.Subscription
	err = s.log.whileRoom(ctx, func() (err error) {
		updated, err = s.update(ctx, id, change)
		return err
	})
	if err == nil {
		view = updated
	}
	return view, err
}

func (s *Subscriptions) update(ctx context.Context, id string, change func(store.Subscription) (*strawv1.Subscription, error)) (store.Subscription, error) {
	s.defining.Lock()
	defer s.defining.Unlock()
	sub, err := s.find(ctx, id)
	if err != nil {
		return store.Subscription{}, err
	}
	was, err := sub.view()
	if err != nil {
		return was, err
	}
	d, err := change(was)
	if err != nil || d == was.Definition {
		return was, err
	}
	selection, err := filter.New(d.GetTypes(), d.GetFilter(), s.log.Types())
	if err != nil {
		return was, err
	}
	if err := sub.redefine(d, selection).wait(ctx); err != nil {
		return was, err
	}
	return sub.view()
}

// Delete removes a subscription.
func (s *Subscriptions) Delete(ctx context.Context, id string) error {
	return s.log.whileRoom(ctx, func() error { return s.delete(ctx, id) })
}

func (s *Subscriptions) delete(ctx context.Context, id string) error {
	s.defining.Lock()
	defer s.defining.Unlock()
	sub, err := s.find(ctx, id)
	if err != nil {
		return err
	}
	// First it stops writing, or a round might write into what is removed.
	sub.end(event.ErrSubscriptionNotFound)
	s.mu.Lock()
	delete(s.byID, id)
	i, _ := slices.BinarySearch(s.ids, id)
	s.ids = slices.Delete(s.ids, i, i+1)
	s.mu.Unlock()
	return s.log.commit(context.WithoutCancel(ctx), usualBytes, func(b *pebble.Batch) { _ = deleteSubscription(b, sub.number) })
}

// Seek makes a subscription owe what comes after a position, and nothing else.
func (s *Subscriptions) Seek(ctx context.Context, id string, after event.Sequence) error {
	sub, err := s.find(ctx, id)
	if err != nil {
		return err
	}
	if err := s.log.disk.exhaustion(); err != nil {
		return err
	}
	// A dead letter is either settled or owed again, not on its way.
	s.dying.Lock()
	defer s.dying.Unlock()
	r, err := sub.seek(after)
	if err != nil {
		return err
	}
	return r.wait(ctx)
}

// Close ends the consumers and writes down what isn't yet.
func (s *Subscriptions) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	close(s.stop)
	for _, sub := range s.all() {
		sub.end(errClosed)
		sub.tidy() // after the last sending
	}
	s.running.Wait()
	s.journal.close()
	return s.log.refusal()
}
