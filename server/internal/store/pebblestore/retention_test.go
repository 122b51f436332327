package pebblestore

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// TestRetentionLimits removes by each limit, and by what is held.
func TestRetentionLimits(t *testing.T) {
	const events = 10 * markEvery
	one := draft(events / 2)
	size := int64(len(one.Encoded) + len(one.Raw))
	second := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Second) }
	held := func(at event.Sequence) func() event.Sequence { return func() event.Sequence { return at } }
	for name, c := range map[string]struct {
		retention Retention
		now       time.Time
		hold      func() event.Sequence
		want      event.Sequence
	}{
		"no limit":                        {Retention{}, second(math.MaxInt32), nil, 0},
		"nothing is old enough":           {Retention{Age: time.Hour}, second(60), nil, 0},
		"some are too old":                {Retention{Age: time.Hour}, second(3*markEvery + 3600 + 5), nil, 3 * markEvery},
		"all are too old":                 {Retention{Age: time.Hour}, second(10 * events), nil, events},
		"the clock is wrong":              {Retention{Age: time.Hour}, time.Time{}, nil, 0},
		"too many bytes":                  {Retention{Bytes: 4*markEvery*size + size/2}, epoch, nil, 5 * markEvery},
		"enough room":                     {Retention{Bytes: 2 * events * size}, epoch, nil, 0},
		"held":                            {Retention{Age: time.Hour}, second(10 * events), held(2*markEvery + 5), 2 * markEvery},
		"held from the beginning":         {Retention{Age: time.Hour}, second(10 * events), held(0), 0},
		"held beyond the soft limit":      {Retention{Age: time.Hour}, second(3*markEvery + 3605), held(9 * markEvery), 3 * markEvery},
		"held, but past the hard age":     {Retention{Age: time.Hour, HardAge: 2 * time.Hour}, second(4*markEvery + 7205), held(5), 4 * markEvery},
		"held, but past the hard bytes":   {Retention{Age: time.Hour, HardBytes: 3*markEvery*size + size/2}, second(10 * events), held(5), 6 * markEvery},
		"the hard limit without a soft":   {Retention{HardBytes: 3*markEvery*size + size/2}, epoch, nil, 6 * markEvery},
		"the hard limit is the looser":    {Retention{Age: time.Hour, HardAge: 1000 * time.Hour}, second(3*markEvery + 3605), held(math.MaxUint64), 3 * markEvery},
		"age and bytes, age removes more": {Retention{Age: time.Hour, Bytes: 4*markEvery*size + size/2}, second(8*markEvery + 3605), nil, 8 * markEvery},
	} {
		t.Run(name, func(t *testing.T) {
			o := small(vfs.NewMem())
			o.Retention = c.retention
			o.Now = func() time.Time { return c.now }
			l := mustOpen(t, "store", o)
			defer mustClose(t, l)
			if c.hold != nil {
				l.SetHold(c.hold)
			}
			appendOrdered(t, l, events)
			for range 2 {
				if err := l.Retain(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			// The sizes of the events differ by a few bytes, so a limit in bytes may fall into the next stretch.
			floor := l.Bounds().Floor
			if diff := int64(floor) - int64(c.want); floor%markEvery != 0 || diff != 0 && (c.retention.Bytes+c.retention.HardBytes == 0 || diff > markEvery || diff < -markEvery) {
				t.Fatalf("the floor is %d, want %d", floor, c.want)
			}
			if got := readAll(t, l); got != int(events-floor) {
				t.Fatalf("%d events are left above %d", got, floor)
			}
		})
	}
}

// appendOrdered appends n events whose receive times ascend.
func appendOrdered(t *testing.T, l *Log, n int) {
	t.Helper()
	// Callers in lockstep: what one round appends is older than what the next does.
	for from := 0; from < n; from += markEvery / 4 {
		appendMany(t, l, newWitness(), from, from+markEvery/4)
	}
}

// TestRetentionFrees checks that removed events leave the disk.
func TestRetentionFrees(t *testing.T) {
	checkLeaks(t)
	fs := vfs.NewMem()
	o := small(fs)
	l := mustOpen(t, "store", o)
	defer mustClose(t, l)
	appendMany(t, l, newWitness(), 0, 20*markEvery)
	if err := l.flush(); err != nil {
		t.Fatal(err)
	}
	before := l.db.Metrics().Total().TablesSize
	if err := l.raiseFloor(context.Background(), 20*markEvery); err != nil {
		t.Fatal(err)
	}
	if err := l.flush(); err != nil { // which Pebble does by itself within FlushDelayDeleteRange
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for after := before; after > before/2; after = l.db.Metrics().Total().TablesSize {
		if time.Now().After(deadline) {
			t.Fatalf("the tables had %d bytes, and still have %d", before, after)
		}
	}
}

// TestRetentionIsFinished opens a store whose process ended between raising the floor and deleting what it passed.
func TestRetentionIsFinished(t *testing.T) {
	fs := vfs.NewMem()
	l := mustOpen(t, "store", small(fs))
	appendMany(t, l, newWitness(), 0, 3*markEvery)
	err := l.setFloor(context.Background(), 2*markEvery)
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	l = mustOpen(t, "store", small(fs))
	defer mustClose(t, l)
	if b := l.Bounds(); b.Floor != 2*markEvery || readAll(t, l) != markEvery {
		t.Fatalf("the bounds are %+v", b)
	}
	iter, err := l.sequenceIter(keyEvent, 0, 2*markEvery)
	if err != nil {
		t.Fatal(err)
	}
	defer iter.Close()
	if iter.First() {
		t.Fatalf("%x is still there", iter.Key())
	}
}
