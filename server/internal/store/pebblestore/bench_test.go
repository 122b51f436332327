package pebblestore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/straw-gateway/straw/server/internal/event"
)

// benchDraft is an event of about 200 bytes with a raw body of 200.
func benchDraft(id string) *event.Draft {
	body := make([]byte, 200)
	for i := range body {
		body[i] = byte('a' + rand.IntN(26))
	}
	d := &event.Draft{Source: event.SourceJuicebox, ID: id, Type: event.TypeSearchAlert, ReceiveTime: time.Now(), Raw: body}
	d.Encoded = fmt.Appendf(nil, "\x0a%c%s\x12\x0csearch.alert", len(id), id)
	d.Encoded = append(d.Encoded, 0x4a, 0x96, 0x01)
	d.Encoded = append(d.Encoded, body[:150]...)
	return d
}

func benchDrafts(n int) []*event.Draft {
	drafts := make([]*event.Draft, n)
	for i := range drafts {
		drafts[i] = benchDraft(fmt.Sprintf("evt_%016x", rand.Uint64()))
	}
	return drafts
}

func openBench(b *testing.B) *Log {
	l, err := Open(filepath.Join(b.TempDir(), "store"), Options{Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	})
	return l
}

// each calls do for every number below n, from so many callers.
func each(callers, n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(n) {
					return
				}
				do(int(i))
			}
		})
	}
	wg.Wait()
}

// BenchmarkAppend appends new events with random ids.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			l, drafts := openBench(b), benchDrafts(b.N)
			b.ReportAllocs()
			b.ResetTimer()
			each(callers, b.N, func(i int) {
				if _, err := l.Append(context.Background(), drafts[i]); err != nil {
					b.Error(err)
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkPebbleSet is the limit beside it: one synced Set of the same bytes per event, and nothing else.
func BenchmarkPebbleSet(b *testing.B) {
	for _, callers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			l, drafts := openBench(b), benchDrafts(b.N)
			b.ReportAllocs()
			b.ResetTimer()
			each(callers, b.N, func(i int) {
				key := makeSequenceKey(keyEvent, event.Sequence(i+1))
				if err := l.db.Set(key[:], append(drafts[i].Encoded, drafts[i].Raw...), pebble.Sync); err != nil {
					b.Error(err)
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			b.StopTimer()
			if err := l.db.DeleteRange([]byte{keyEvent}, []byte{keyEvent + 1}, pebble.Sync); err != nil {
				b.Error(err)
			}
		})
	}
}

// BenchmarkRead reads everything, on one goroutine, from tables.
func BenchmarkRead(b *testing.B) {
	l := openBench(b)
	const n = 200_000
	each(256, n, func(i int) {
		if _, err := l.Append(context.Background(), benchDraft(fmt.Sprintf("evt_%016x", i))); err != nil {
			b.Error(err)
		}
	})
	if err := l.flush(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	var at event.Sequence
	for read := 0; read < b.N; {
		if at == n {
			at = 0
		}
		seg, err := l.Read(context.Background(), at, nil)
		if err != nil {
			b.Fatal(err)
		}
		read += int(seg.Through() - at)
		at = seg.Through()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
