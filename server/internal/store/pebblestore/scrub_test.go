package pebblestore

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/event"
)

// TestScrub flips bits all over the tables. The scrub finds every one, names the file, and fails the log.
func TestScrub(t *testing.T) {
	mem := newCrashFS()
	l := mustOpen(t, "store", small(mem))
	appendMany(t, l, newWitness(), 0, 2000)
	if err := l.flush(); err != nil {
		t.Fatal(err)
	}
	if err := l.Scrub(context.Background(), 0); err != nil {
		t.Fatalf("scrubbing a sound store: %v", err)
	}
	mustClose(t, l)
	flips := 0
	for _, name := range files(t, mem, ".sst") {
		data := contents(t, mem, name)
		for at := 0; at < len(data); at += 1 + len(data)/9 {
			flips++
			fs := copyFS(t, mem)
			flipped := slices.Clone(data)
			flipped[at] ^= 1 << (at % 8)
			write(t, fs, name, flipped)
			mustScrubOut(t, fs, name, at)
		}
	}
	if flips < 30 {
		t.Fatalf("only %d flips were tried", flips)
	}
}

func mustScrubOut(t *testing.T, fs vfs.FS, name string, at int) {
	t.Helper()
	o := small(fs)
	o.still = true
	l, err := Open("store", o)
	if err == nil {
		defer l.Close()
		err = l.Scrub(context.Background(), 0)
		select {
		case <-l.Failed():
		default:
			t.Fatalf("a bit flipped at %d of %s: the log hasn't failed, %v", at, name, err)
		}
	}
	if !errors.Is(err, event.ErrCorrupt) || !strings.Contains(err.Error(), strings.TrimSuffix(path.Base(name), ".sst")) {
		t.Fatalf("a bit flipped at %d of %s: %v", at, name, err)
	}
}

// TestScrubRecords changes single records behind the log's back, as a bug would.
func TestScrubRecords(t *testing.T) {
	key := func(prefix byte, seq event.Sequence) []byte {
		k := makeSequenceKey(prefix, seq)
		return k[:]
	}
	for name, change := range map[string]func(b *pebble.Batch) error{
		"an event is missing": func(b *pebble.Batch) error { return b.Delete(key(keyEvent, 1500), nil) },
		"the last is missing": func(b *pebble.Batch) error { return b.Delete(key(keyEvent, 3000), nil) },
		"an event is mangled": func(b *pebble.Batch) error { return b.Set(key(keyEvent, 1500), []byte{0x80}, nil) },
		"a body is missing":   func(b *pebble.Batch) error { return b.Delete(key(keyRaw, 7), nil) },
		"a body is cut short": func(b *pebble.Batch) error { return b.Set(key(keyRaw, 7), []byte("{"), nil) },
		"a mark is missing":   func(b *pebble.Batch) error { return b.Delete(key(keyMark, 2*markEvery), nil) },
		"a mark counts wrong": func(b *pebble.Batch) error { return b.Set(key(keyMark, markEvery), noTotals.appendMark(nil), nil) },
		"an id is missing": func(b *pebble.Batch) error {
			return b.Delete(appendIdentityKey(nil, draft(9).Source, draft(9).ID), nil)
		},
		"there is an id too many": func(b *pebble.Batch) error {
			return b.Set(appendIdentityKey(nil, "s", "i"), appendDedup(nil, 5, &[32]byte{}), nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := mustOpen(t, "store", small(vfs.NewMem()))
			defer l.Close()
			appendMany(t, l, newWitness(), 0, 3000)
			b := l.db.NewBatch()
			if err := errors.Join(change(b), b.Commit(pebble.Sync)); err != nil {
				t.Fatal(err)
			}
			if err := l.Scrub(context.Background(), 0); !errors.Is(err, event.ErrCorrupt) {
				t.Fatalf("the scrub finds %v", err)
			}
			<-l.Failed()
		})
	}
}

// TestScrubUnderLoad scrubs a sound store again and again while it is written, flushed, merged and retained.
func TestScrubUnderLoad(t *testing.T) {
	checkLeaks(t)
	l := mustOpen(t, "store", small(vfs.NewMem()))
	defer mustClose(t, l)
	g := newWitness()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for round := range 8 {
			appendMany(t, l, g, round*2000, (round+1)*2000)
			if err := l.raiseFloor(context.Background(), event.Sequence(round)*markEvery); err != nil {
				t.Error(err)
			}
		}
	}()
	for scrubs := 0; ; scrubs++ {
		if err := l.Scrub(context.Background(), 0); err != nil {
			t.Fatal(err)
		}
		select {
		case <-done:
			if scrubs == 0 {
				t.Fatal("the scrub wasn't done during the load")
			}
			return
		default:
		}
	}
}

// TestScrubRate holds the scrub to its rate, and to its context.
func TestScrubRate(t *testing.T) {
	l := mustOpen(t, "store", small(vfs.NewMem()))
	defer mustClose(t, l)
	appendMany(t, l, newWitness(), 0, 3000)
	if err := l.flush(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := l.Scrub(context.Background(), 4<<20); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Fatalf("about a megabyte at 4 MiB/s took %v", took)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := l.Scrub(ctx, 1000); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a scrub that takes too long: %v", err)
	}
	if err := l.Err(); err != nil {
		t.Fatalf("ending a scrub failed the log: %v", err)
	}
}
