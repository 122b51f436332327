package pebblestore

import (
	"context"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// A journal writes down what subscriptions owe. Whatever has changed while one round was on its way goes with the next, so
// that however many acknowledge, there is one call for all of them in the log's own queue, and no sync of their own.
type journal struct {
	log  *Log
	mu   sync.Mutex
	next *round
	// ready has a token when next isn't empty, or closed was set.
	ready    chan struct{}
	closed   bool
	finished chan struct{}
}

// A round is the subscriptions whose changes are written at once.
type round struct {
	disk          *disk
	subscriptions []*subscription
	bytes         int
	done          chan struct{}
	err           error // read it after done
}

func newRound(d *disk) *round { return &round{disk: d, done: make(chan struct{})} }

func newJournal(log *Log) *journal {
	j := &journal{log: log, next: newRound(&log.disk), ready: make(chan struct{}, 1), finished: make(chan struct{})}
	go j.run()
	return j
}

// join has a subscription's changes written, those that were made before the call at least, about so many bytes beside the
// usual. The caller holds its lock.
func (j *journal) join(s *subscription, bytes int) *round {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return closedRound
	}
	r := j.next
	if s.round != r {
		s.round = r
		r.subscriptions = append(r.subscriptions, s)
		r.bytes += usualBytes
		if len(r.subscriptions) == 1 {
			j.wake()
		}
	}
	r.bytes += bytes
	return r
}

// last returns the round with which the subscription's latest changes are written; one that is done if there are none.
func (j *journal) last(s *subscription) *round {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s.round == nil {
		return emptyRound
	}
	return s.round
}

// usualBytes is about what a subscription writes.
const usualBytes = 512

// doneRound is a round that has ended already.
func doneRound(err error) *round {
	r := newRound(new(disk))
	r.err = err
	close(r.done)
	return r
}

var closedRound, emptyRound = doneRound(errClosed), doneRound(nil)

func (j *journal) wake() {
	select {
	case j.ready <- struct{}{}:
	default:
	}
}

func (j *journal) run() {
	defer close(j.finished)
	for range j.ready {
		j.mu.Lock()
		r, closed := j.next, j.closed
		j.next = newRound(&j.log.disk)
		j.mu.Unlock()
		if len(r.subscriptions) > 0 {
			j.write(r)
		}
		if closed {
			return
		}
	}
}

func (j *journal) write(r *round) {
	r.err = j.log.commitVital(r.bytes, func(b *pebble.Batch) {
		for _, s := range r.subscriptions {
			s.flush(b)
		}
	})
	if r.err == nil {
		for _, s := range r.subscriptions {
			s.flushed()
		}
	}
	close(r.done)
}

// close writes what is still to be written.
func (j *journal) close() {
	j.mu.Lock()
	j.closed = true
	j.wake()
	j.mu.Unlock()
	<-j.finished
}

// wait returns once a round is on the disk. It returns event.ErrFull as soon as the disk has no room: the round is then written
// once there is some.
func (r *round) wait(ctx context.Context) error {
	select {
	case <-r.done:
		return r.err
	default:
	}
	select {
	case <-r.done:
		return r.err
	case <-*r.disk.none.Load():
		return r.disk.gone()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commitVital is commit for what can't be put off: it is taken however much waits, for it is bounded otherwise.
func (l *Log) commitVital(size int, write func(*pebble.Batch)) error {
	if err := l.refusal(); err != nil {
		return err
	}
	l.queue.mu.Lock()
	if l.queue.closed {
		l.queue.mu.Unlock()
		return errClosed
	}
	g := l.queue.newest(size)
	g.calls = append(g.calls, call{write: write})
	g.bytes += size
	l.queue.calls++
	l.queue.bytes += int64(size)
	l.queue.mu.Unlock()
	if err := l.await(context.Background(), g, nil); err != nil {
		return err
	}
	return l.refusal()
}
