package export_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/export"
	"github.com/straw-gateway/straw/server/internal/store"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore"
)

// TestFetcherEndsAtAnyStep ends the fetcher before and after each of its calls that change something, as a kill would, and
// begins another: the export is stored once and told once, and downloaded no oftener than its bytes were lost.
func TestFetcherEndsAtAnyStep(t *testing.T) {
	file := bytes.Repeat([]byte("x"), 300_000)
	var requests atomic.Int32
	_, host := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file))
	})
	for step := int32(1); ; step++ {
		for _, after := range []bool{false, true} {
			requests.Store(0)
			h := newHouse(t, host, pebblestore.Options{})
			c := &cut{at: step, after: after, happened: make(chan struct{})}
			h.wrap = c.wrap
			h.run()
			h.announce("evt_1", "exp_1", link(host))
			finished := make(chan struct{})
			go func() {
				defer close(finished)
				tick := time.NewTicker(time.Millisecond)
				defer tick.Stop()
				for ; h.t.Context().Err() == nil; <-tick.C {
					x, err := h.exports.Generation(context.Background(), store.ExportKey{ID: "exp_1", Generation: 1})
					if err == nil && x.Settled {
						return
					}
				}
			}()
			ended := false
			select {
			case <-c.happened:
				ended = true
				h.stop()
				h.wrap = nil
				h.run()
			case <-finished:
			}
			<-finished
			x := h.settled("exp_1", 1)
			if x.Record.GetState() != strawv1.Export_AVAILABLE || !bytes.Equal(h.content(x), file) {
				t.Errorf("ended at step %d, after it: %v: %v", step, after, x)
			}
			if own := h.own(); len(own) != 1 || own[0].GetExportStored().GetSha256() != sum(file) {
				t.Errorf("ended at step %d, after it: %v: the log tells %v", step, after, own)
			}
			if stats := h.log.Stats(); stats.Conflicts != 0 {
				t.Errorf("ended at step %d, after it: %v: %d conflicts", step, after, stats.Conflicts)
			}
			if n := requests.Load(); n > 2 {
				t.Errorf("ended at step %d, after it: %v: %d requests", step, after, n)
			}
			if !ended && !after {
				if step < 6 {
					t.Fatalf("it took only %d steps: the test cuts nothing", step)
				}
				return
			}
		}
	}
}

var errCut = errors.New("the process is gone")

// A cut lets nothing through from its n-th call on.
type cut struct {
	at       int32
	after    bool
	calls    atomic.Int32
	happened chan struct{}
}

func (c *cut) do(f func() error) error {
	n := c.calls.Add(1)
	switch {
	case n > c.at, n == c.at && !c.after:
		if n == c.at {
			close(c.happened)
		}
		return errCut
	case n == c.at:
		_ = f()
		close(c.happened)
		return errCut
	}
	return f()
}

func (c *cut) wrap(o *export.FetcherOptions) {
	o.Log, o.Exports, o.Blobs = cutLog{o.Log, c}, cutExports{o.Exports, c}, cutBlobs{o.Blobs, c}
}

type cutLog struct {
	store.Log
	cut *cut
}

func (l cutLog) Append(ctx context.Context, d *event.Draft) (r store.Receipt, err error) {
	err = l.cut.do(func() error { r, err = l.Log.Append(ctx, d); return err })
	return r, err
}

type cutExports struct {
	store.Exports
	cut *cut
}

func (e cutExports) Announce(ctx context.Context, through event.Sequence, a []store.Announcement) (begun []store.Export, err error) {
	err = e.cut.do(func() error { begun, err = e.Exports.Announce(ctx, through, a); return err })
	if err != nil {
		return nil, err
	}
	return begun, nil
}

func (e cutExports) Update(ctx context.Context, key store.ExportKey, change func(*store.Export) error) (x store.Export, err error) {
	err = e.cut.do(func() error { x, err = e.Exports.Update(ctx, key, change); return err })
	return x, err
}

type cutBlobs struct {
	blob.Blobs
	cut *cut
}

func (b cutBlobs) Create(ctx context.Context, name blob.Name) (w blob.Writer, err error) {
	err = b.cut.do(func() error { w, err = b.Blobs.Create(ctx, name); return err })
	if err != nil {
		if w != nil {
			_ = w.Close()
		}
		return nil, err
	}
	return cutWriter{w, b.cut}, nil
}

type cutWriter struct {
	blob.Writer
	cut *cut
}

func (w cutWriter) Commit() (info blob.Info, err error) {
	err = w.cut.do(func() error { info, err = w.Writer.Commit(); return err })
	return info, err
}
