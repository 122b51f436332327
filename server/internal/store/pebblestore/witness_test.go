package pebblestore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

// draft is the n-th event.
func draft(n int) *event.Draft {
	body := fmt.Appendf(nil, `{"n":%d,"padding":"%064d"}`, n, n)
	d := &event.Draft{
		Source: event.SourceJuicebox, ID: fmt.Sprintf("evt_%08d", n), Type: event.Documented()[n%5],
		ReceiveTime: epoch.Add(time.Duration(n) * time.Second), Raw: body, BodyHash: sha256.Sum256(body),
	}
	var err error
	d.Encoded, err = proto.Marshal(&strawv1.Event{Id: d.ID, Type: d.Type, Source: d.Source, ReceiveTime: timestamppb.New(d.ReceiveTime)})
	if err != nil {
		panic(err)
	}
	return d
}

// A witness remembers what a log has acknowledged.
type witness struct {
	mu    sync.Mutex
	acked map[int]event.Sequence
	floor event.Sequence
}

func newWitness() *witness { return &witness{acked: map[int]event.Sequence{}} }

// append appends the n-th event.
func (g *witness) append(ctx context.Context, l *Log, n int) error {
	r, err := l.Append(ctx, draft(n))
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if was, ok := g.acked[n]; ok && was != r.Seq {
		return fmt.Errorf("event %d was acknowledged as %d and now is %d", n, was, r.Seq)
	}
	g.acked[n] = r.Seq
	return nil
}

// raised remembers that retention has told of a floor.
func (g *witness) raised(floor event.Sequence) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.floor = max(g.floor, floor)
}

// copy returns the witness as it is now.
func (g *witness) copy() *witness {
	g.mu.Lock()
	defer g.mu.Unlock()
	return &witness{acked: maps.Clone(g.acked), floor: g.floor}
}

// check looks for what was acknowledged, a sample of it if that is much, and for holes.
func (g *witness) check(t *testing.T, l *Log) {
	t.Helper()
	b := l.Bounds()
	if b.Floor < g.floor {
		t.Fatalf("the floor was %d and is %d", g.floor, b.Floor)
	}
	sample := 200
	for n, seq := range g.acked {
		if sample--; sample < 0 {
			break
		}
		s, err := l.Get(context.Background(), event.SourceJuicebox, draft(n).ID)
		if seq <= b.Floor && errors.Is(err, event.ErrNotFound) {
			continue
		}
		if err != nil || s.Seq != seq || string(s.Encoded) != string(draft(n).Encoded) {
			t.Fatalf("event %d was acknowledged as %d, and is %d, %v; the bounds are %+v", n, seq, s.Seq, err, b)
		}
		if raw, err := l.Raw(context.Background(), seq); err != nil || string(raw) != string(draft(n).Raw) {
			t.Fatalf("the body of %d is %q, %v", n, raw, err)
		}
	}
	if got := readAll(t, l); got != int(b.Head-b.Floor) {
		t.Fatalf("%d events are there, with bounds %+v", got, b)
	}
	sample = 30
	for n, seq := range g.acked {
		if sample--; sample < 0 {
			break
		}
		if r, err := l.Append(context.Background(), draft(n)); err != nil || r.Seq != seq || !r.Duplicate || r.Conflict {
			t.Fatalf("event %d was acknowledged as %d; appended again it is %+v, %v", n, seq, r, err)
		}
	}
}

// readAll reads from the floor to the head, and returns how many events there are.
func readAll(t *testing.T, l *Log) (n int) {
	t.Helper()
	b := l.Bounds()
	for at := b.Floor; at < b.Head; {
		seg, err := l.Read(context.Background(), at, nil)
		if err != nil {
			t.Fatalf("read after %d: %v", at, err)
		}
		for i := range seg.View() {
			if _, err := seg.Decode(i); err != nil {
				t.Fatal(err)
			}
		}
		n += len(seg.View())
		at = seg.Through()
	}
	return n
}

func mustOpen(t *testing.T, dir string, o Options) *Log {
	t.Helper()
	l, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustClose(t *testing.T, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// appendMany appends the events from to to from many goroutines.
func appendMany(t *testing.T, l *Log, g *witness, from, to int) {
	t.Helper()
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			for n := from + w; n < to; n += 32 {
				if err := g.append(context.Background(), l, n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
