package pebblestore

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/straw-gateway/straw/server/internal/event"
)

// benchDraft is an event of about 200 bytes with a raw body of about as many.
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

func openBench(b *testing.B, dir string) *Log {
	l, err := Open(dir, Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
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

func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			l := openBench(b, b.TempDir())
			appendN(b, l, callers, b.N)
		})
	}
}

func appendN(b *testing.B, l *Log, callers, n int) {
	drafts := make([]*event.Draft, n)
	for i := range drafts {
		drafts[i] = benchDraft(fmt.Sprintf("evt_%016x", rand.Uint64()))
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range callers {
		wg.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(n) {
					return
				}
				if _, err := l.Append(context.Background(), drafts[i]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkRead(b *testing.B) {
	l := openBench(b, b.TempDir())
	const n = 200_000
	fill(b, l, n)
	if err := l.db.Flush(); err != nil {
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

// fill appends n events with time-ordered ids.
func fill(b *testing.B, l *Log, n int) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 256 {
		wg.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(n) {
					return
				}
				if _, err := l.Append(context.Background(), benchDraft(fmt.Sprintf("evt_%016x", i))); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
