package pebblestore

import (
	"fmt"
	"time"
)

// runPublisher makes the batches visible, in order, each once its sync is done.
func (l *Log) runPublisher() {
	defer close(l.finished)
	for g := range l.applied {
		l.settling.begin()
		if err := l.settle(g); err != nil {
			l.fail(err)
		}
		l.settling.end()
		err := l.refusal()
		g.finish(err)
		if err == nil && g.commit > 0 {
			l.waterline.write(g.commit)
		}
		l.freeSlots(g.slots())
	}
}

// settle waits for a group's sync and shows its events. An error means that they may not be on the disk.
func (l *Log) settle(g *group) error {
	took, err := l.sync(g)
	if err != nil || l.refusal() != nil {
		return err
	}
	for _, name := range g.types {
		l.types.Add(name)
	}
	l.figures.add(g)
	if len(g.events) == 0 {
		return nil
	}
	l.durable.Store(uint64(g.last))
	if l.opts.Tail != nil {
		l.opts.Tail.Publish(g.events)
	}
	if l.opts.Observer != nil {
		l.opts.Observer.Synced(len(g.events), took)
	}
	return nil
}

// sync waits until a group's batch is on the disk. It returns how long that took.
func (l *Log) sync(g *group) (time.Duration, error) {
	if g.batch == nil {
		return 0, nil
	}
	if err := g.batch.SyncWait(); err != nil {
		return 0, fmt.Errorf("syncing the write-ahead log: %w", err)
	}
	took := time.Since(l.opened) - g.applied
	l.durableCommit.Store(g.commit)
	if err := g.batch.Close(); err != nil {
		return 0, fmt.Errorf("releasing a batch: %w", err)
	}
	g.batch = nil
	return took, nil
}

// finish answers the group's calls, with err if there is one.
func (g *group) finish(err error) {
	g.err = err
	close(g.done)
}
