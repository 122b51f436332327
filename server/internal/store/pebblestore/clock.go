package pebblestore

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/straw-gateway/straw/server/internal/event"
)

// clockTrust is how far the wall clock may be from the time that was seen to pass, and for how long it must stay where it is to be
// believed beyond that.
const clockTrust = time.Hour

// A seenClock tells the time that events are aged by. It believes the wall clock only as far as it has seen the time pass: a clock
// that is wrong for a moment must not make retention delete what is owed. Time is seen to pass while the process runs, by a clock
// that nobody sets, and while the machine does. What was seen is kept on the disk, at first when a store is opened and then each
// minute. The wall clock may correct it by an hour each hour, however many steps it takes.
//
// A machine that was off for days looks like a clock that has jumped. So both are believed after an hour, and warned of before.
type seenClock struct {
	wall func() time.Time
	boot func() time.Duration
	log  *slog.Logger

	mu sync.Mutex
	// seen is the time when boot was at.
	seen time.Time
	at   time.Duration
	// off is how far the wall clock was from there when that was noticed, at since; zero while they agree.
	off   time.Duration
	since time.Duration
}

// now returns the time that is believed, and whether the wall clock agrees. It is never later than the wall clock.
func (c *seenClock) now() (believed time.Time, agree bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, boot := c.wall().Round(0), c.boot()
	seen := c.seen.Add(boot - c.at)
	off := wall.Sub(seen)
	switch steady := c.off != 0 && (off-c.off).Abs() <= clockTrust; {
	case off.Abs() <= clockTrust:
		if c.off != 0 {
			c.log.Info("the wall clock agrees again with the time that has passed", "clock", wall)
			c.off = 0
		}
		if boot-c.at < clockTrust {
			return wall, true // but not gone on from, or a clock that creeps would be believed however far it comes
		}
	case !steady:
		c.off, c.since = off, boot
		c.log.Warn("the wall clock is far from the time that was seen to pass; retention believes it only if it stays so for an hour",
			"clock", wall, "seen", seen, "off", off.Round(time.Second))
		return earlier(wall, seen), false
	case boot-c.since < clockTrust:
		return earlier(wall, seen), false
	default:
		c.log.Info("the wall clock has stayed as it is for an hour and is believed", "clock", wall, "off", off.Round(time.Second))
	}
	c.seen, c.at, c.off = wall, boot, 0
	return wall, true
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// openClock goes on from the time that was seen last. A store that has kept none, as those from before it was kept, goes on from
// the time of its newest event: the wall clock may be wrong just now. An empty one has nothing to lose by it.
func (l *Log) openClock() error {
	c := &seenClock{wall: l.opts.Now, boot: l.opts.Boot, log: l.opts.Logger}
	c.seen, c.at = c.wall().Round(0), c.boot()
	l.clock = c
	value, err := l.get([]byte{keyClock})
	kept, ok := decodeKeptTime(value)
	if err == nil && ok {
		c.seen = kept.time
		if id := bootID(); id != "" && id == kept.bootID && c.at >= kept.boot {
			c.at = kept.boot // the machine has run all the while
		}
		c.now()
		return nil
	}
	if !errors.Is(err, pebble.ErrNotFound) {
		l.opts.Logger.Warn("the time that was seen last can't be read; the newest event's is taken", "dir", l.dir, "err", err)
	}
	if newest := &l.appender.totals; newest.seq > 0 {
		c.seen = time.Unix(0, newest.order)
	}
	c.now()
	return l.apply([]ownRecord{{keyClock, c.kept().append(nil)}})
}

// kept is what is to be kept of the time that was seen.
func (c *seenClock) kept() keptTime {
	c.mu.Lock()
	defer c.mu.Unlock()
	boot := c.boot()
	return keptTime{time: c.seen.Add(boot - c.at), boot: boot, bootID: bootID()}
}

// A keptTime is what was seen of the time: the machine, since its start, and the wall clock as it was believed.
type keptTime struct {
	time   time.Time
	boot   time.Duration
	bootID string
}

func (k keptTime) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(nanos(k.time)))
	b = binary.BigEndian.AppendUint64(b, uint64(k.boot))
	return append(b, k.bootID...)
}

func decodeKeptTime(b []byte) (keptTime, bool) {
	if len(b) < 16 {
		return keptTime{}, false
	}
	return keptTime{
		time: time.Unix(0, int64(binary.BigEndian.Uint64(b))), boot: time.Duration(binary.BigEndian.Uint64(b[8:])), bootID: string(b[16:]),
	}, true
}

// bootID names the machine's run, which ends when it is switched off; empty if it isn't told.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// An ageMark says that the events up to it were stored by some time. There is one for each minute in which events came in; none is
// made while the clock can't be believed, so what is stored then counts as stored when it can be again.
func makeAgeKey(seq event.Sequence) sequenceKey { return makeSequenceKey(keyClock, seq) }

// keepTime writes down what was seen of the time, and an age mark if there are new events.
func (l *Log) keepTime(commit func(size int, write func(*pebble.Batch)) error) error {
	now, agree := l.clock.now()
	kept := l.clock.kept()
	marks, err := l.newAgeMarks(now, agree)
	if err != nil {
		return err
	}
	return commit(64+32*len(marks), func(b *pebble.Batch) {
		_ = b.Set([]byte{keyClock}, kept.append(nil), nil)
		for _, m := range marks {
			key := makeAgeKey(m.seq)
			_ = b.Set(key[:], binary.BigEndian.AppendUint64(nil, uint64(m.order)), nil)
		}
	})
}

// newAgeMarks returns the marks to be made now, of which only seq and order count.
func (l *Log) newAgeMarks(now time.Time, agree bool) ([]totals, error) {
	if !agree {
		return nil, nil
	}
	if err := l.enter(); err != nil {
		return nil, err
	}
	defer l.leave()
	b := l.Bounds()
	iter, err := l.ageMarks()
	if err != nil {
		return nil, err
	}
	defer iter.Close()
	var last event.Sequence
	if iter.Last() {
		last, _ = keySequence(keyClock, iter.Key())
	}
	switch {
	case iter.Error() != nil:
		return nil, l.readError(iter.Error())
	case b.Head == last || b.Head == b.Floor:
		return nil, nil
	case last > 0:
		return []totals{{seq: b.Head, order: nanos(now)}}, nil
	}
	// A store without any is aged by the times at which its events were received.
	var marks []totals
	reader := markReader{db: l.db}
	for seq := b.Floor/markEvery*markEvery + markEvery; seq <= b.Head; seq += markEvery {
		t, err := reader.at(seq)
		if err != nil {
			return nil, l.readError(err)
		}
		marks = append(marks, totals{seq: seq, order: min(t.order, nanos(now))})
	}
	if b.Head%markEvery == 0 {
		return marks, nil
	}
	return append(marks, totals{seq: b.Head, order: nanos(now)}), nil
}

// ageMarks returns an iterator over the age marks.
func (l *Log) ageMarks() (*pebble.Iterator, error) {
	lower := makeAgeKey(0)
	iter, err := l.db.NewIter(&pebble.IterOptions{LowerBound: lower[:], UpperBound: []byte{keyClock + 1}})
	if err != nil {
		return nil, l.readError(err)
	}
	return iter, nil
}

// storedBefore returns the newest event up to which all were stored before a time, by their age marks; zero if there is none. The
// caller has entered the log.
func (l *Log) storedBefore(oldest time.Time) (event.Sequence, error) {
	iter, err := l.ageMarks()
	if err != nil {
		return 0, err
	}
	defer iter.Close()
	var found event.Sequence
	for valid := iter.First(); valid; valid = iter.Next() {
		seq, ok := keySequence(keyClock, iter.Key())
		if value := iter.Value(); ok && len(value) == 8 && int64(binary.BigEndian.Uint64(value)) < nanos(oldest) {
			found = seq
			continue
		}
		break
	}
	if err := iter.Error(); err != nil {
		return 0, l.readError(err)
	}
	return found, nil
}
