// Package pebblestore keeps the log in a Pebble database on the local disk: one process, one directory.
//
// Events wait in a queue. The appender takes what waits, finds the duplicates, gives out sequences and hands the batch to
// Pebble, which writes it to its log and syncs that behind the appender's back. The publisher waits for the syncs, in
// order, and only then raises the durable mark, tells the tail, and answers. All reading stops at the durable mark, for
// Pebble itself shows a batch before its sync. Whatever else the store writes goes the same way and shares the same syncs.
//
// Opening never creates, deletes or writes anything in a folder that isn't empty and isn't a store that opened whole.
//
// It never claims a success that the disk doesn't hold. Once a sync or the write-ahead log has failed, or stored bytes
// turn out not to be what was written, it answers only with errors, and the process must end.
package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

var errClosed = fmt.Errorf("%w: it is closed", event.ErrUnavailable)

// A Log is a store.Log in a directory.
type Log struct {
	opts     Options
	dir      string
	db       *pebble.DB
	lock     *lock
	creating bool // the store isn't whole yet
	// badOptions is a file that Pebble mustn't see.
	badOptions string
	fs         vfs.FS // as Pebble sees it
	health     io.Closer
	opened     time.Time
	identity   event.Identity
	types      event.Types // of the durable events

	queue *queue
	// slots has elements for each batch in flight, from being taken to being answered.
	slots chan struct{}
	// applied hands batches from the appender to the publisher, in order.
	applied  chan *group
	finished chan struct{} // closed when appender and publisher have ended

	appender appender
	// writing and settling are what appender and publisher are busy with.
	writing, settling busy
	// late is how long a call had waited, in ns, when it was left too late; zero once another was answered in time.
	late    atomic.Int64
	figures figures
	disk    disk
	clock   *seenClock
	hold    atomic.Pointer[func() event.Sequence]
	raised  atomic.Pointer[func()] // called after the floor has risen
	// retaining is held while the floor is raised.
	retaining sync.Mutex

	// stop ends the background work, which background counts.
	stop       context.CancelFunc
	background sync.WaitGroup

	durable       atomic.Uint64 // newest event that may be seen
	durableCommit atomic.Uint64 // newest batch that is on the disk
	floor         atomic.Uint64 // newest event that retention has removed

	waterline *waterline
	failure   failure
	// serving is true from when the log is open until it is closed.
	serving atomic.Bool
	// waitingForFiles counts who waits for a descriptor.
	waitingForFiles atomic.Int32
	// hanging is closed once a goroutine is held in Pebble, which can't be closed any more.
	hanging  chan struct{}
	hangOnce sync.Once

	// closing is held by Close, of which several may be called at once.
	closing sync.Mutex
	// reading is held shared by whoever uses db, and exclusively to close it.
	reading sync.RWMutex
	closed  bool // written with both held
}

var _ store.Log = (*Log)(nil)

// maxInFlight bounds the batches between being taken and being answered, of which each stands for so many bytes. There must be
// enough of them for all that comes in during a sync, in batches as small as they may be, to be written before the next one
// begins; what is late waits for the one after.
const (
	maxInFlight = 32
	slotBytes   = 512 << 10
)

// Identity names the store.
func (l *Log) Identity() event.Identity { return l.identity }

// Types numbers the types of the durable events.
func (l *Log) Types() *event.Types { return &l.types }

// Bounds returns the readable stretch.
func (l *Log) Bounds() store.Bounds {
	// The floor first: it never passes the head, so the pair is never upside down.
	floor := l.floor.Load()
	return store.Bounds{Floor: event.Sequence(floor), Head: event.Sequence(l.durable.Load())}
}

// Failed is closed when the log has met an error after which it must not go on.
func (l *Log) Failed() <-chan struct{} { return l.failure.failed }

// Err is the error that closed Failed; nil before.
func (l *Log) Err() error { return l.failure.get() }

// enter begins the use of db, which leave ends.
func (l *Log) enter() error {
	l.reading.RLock()
	if l.closed {
		l.reading.RUnlock()
		return errClosed
	}
	return nil
}

func (l *Log) leave() { l.reading.RUnlock() }

// Close waits for what is in flight, ends the background work and releases the directory. Once the log has failed it may
// leave Pebble as it is, with the directory locked until the process ends.
func (l *Log) Close() error {
	l.serving.Store(false)
	l.stop()
	l.queue.close()
	l.closing.Lock()
	defer l.closing.Unlock()
	if l.closed {
		return nil
	}
	if err := l.inPebble(l.drain); err != nil {
		return err
	}
	l.reading.Lock()
	defer l.reading.Unlock()
	l.closed = true
	if err := l.inPebble(func() error { return errors.Join(l.waterline.close(), l.release()) }); err != nil {
		return fmt.Errorf("closing the store in %s: %w", l.dir, err)
	}
	return l.Err()
}

// drain waits until every batch is answered and the background work has ended, and leaves the waterline as it is then.
func (l *Log) drain() error {
	l.background.Wait()
	<-l.finished
	if l.Err() == nil && l.checkTables() == nil {
		l.waterline.write(l.durableCommit.Load())
	}
	return nil
}

// flush writes what is in memory to tables.
func (l *Log) flush() error {
	if err := l.enter(); err != nil {
		return err
	}
	defer l.leave()
	return l.inPebble(l.db.Flush)
}

// release closes the database and gives the directory free.
func (l *Log) release() error {
	return errors.Join(l.db.Close(), l.lock.Close(), l.health.Close())
}
