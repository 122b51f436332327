package blobtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/event"
)

func showsNothingBeforeCommit(t *testing.T, h Harness) {
	blobs := open(t, h)
	name, want := named("unseen"), content(10, 2*h.Checkpoint)
	w := create(t, blobs, name)
	if err := w.Restart(origin); err != nil {
		t.Fatal(err)
	}
	write(t, w, want)
	_, err := blobs.Stat(t.Context(), name)
	fails(t, "stat", err, blob.ErrNotFound)
	_, err = blobs.Open(t.Context(), name)
	fails(t, "open", err, blob.ErrNotFound)
	for entry, err := range blobs.List(t.Context()) {
		t.Errorf("listed: %v, %v", entry, err)
	}
	commit(t, w, name, want)
	holds(t, blobs, name, want)
}

func writesOnce(t *testing.T, h Harness) {
	blobs := open(t, h)
	name, want := named("once"), content(11, 1000)
	put(t, blobs, name, want)
	_, err := blobs.Create(t.Context(), name)
	fails(t, "create again", err, blob.ErrExists)
	holds(t, blobs, name, want)
}

func oneWriterAName(t *testing.T, h Harness) {
	blobs := open(t, h)
	name, want := named("one writer"), content(12, 1000)
	w := create(t, blobs, name)
	_, err := blobs.Create(t.Context(), name)
	fails(t, "create a second time", err, blob.ErrBusy)
	fails(t, "delete meanwhile", blobs.Delete(t.Context(), name), blob.ErrBusy)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = w.Write([]byte("more"))
	fails(t, "write after the end", err, fs.ErrClosed)
	nothingLeft(t, h)
	put(t, blobs, name, want)
	holds(t, blobs, name, want)
}

// manyWriters: of many writers of one name, each with bytes of its own, one wins, and its bytes are there unmixed.
func manyWriters(t *testing.T, h Harness) {
	blobs := open(t, h)
	name := named("contended")
	var group sync.WaitGroup
	winners := make(chan byte, 16)
	for i := range byte(16) {
		group.Go(func() {
			switch err := try(t.Context(), blobs, name, content(i, 3*blob.ChunkSize)); {
			case err == nil:
				winners <- i
			case !errors.Is(err, blob.ErrBusy) && !errors.Is(err, blob.ErrExists):
				t.Errorf("writer %d: %v", i, err)
			}
		})
	}
	group.Wait()
	if len(winners) != 1 {
		t.Fatalf("%d writers were told that they stored it", len(winners))
	}
	holds(t, blobs, name, content(<-winners, 3*blob.ChunkSize))
}

// try stores a blob if nobody else does.
func try(ctx context.Context, blobs blob.Blobs, name blob.Name, b []byte) error {
	w, err := blobs.Create(ctx, name)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := w.Restart(origin); err != nil {
		return err
	}
	if err := writeAll(w, b); err != nil {
		return err
	}
	if _, err = w.Commit(); err != nil {
		return errors.Join(err, w.Discard())
	}
	return nil
}

// resumes ends a writer in each way that leaves a partial, and continues it.
func resumes(t *testing.T, h Harness) {
	for what, end := range map[string]func(t *testing.T, blobs blob.Blobs, w blob.Writer){
		"closed": func(t *testing.T, _ blob.Blobs, w blob.Writer) {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		},
		"crashed": func(*testing.T, blob.Blobs, blob.Writer) {},
	} {
		t.Run(what, func(t *testing.T) {
			name, want := named("resumed "+what), content(13, 3*h.Checkpoint+777)
			written := 2*h.Checkpoint + blob.ChunkSize/2
			before := h.Open(t)
			w := create(t, before, name)
			if err := w.Restart(origin); err != nil {
				t.Fatal(err)
			}
			write(t, w, want[:written])
			end(t, before, w)
			if err := before.Close(); err != nil {
				t.Fatal(err)
			}

			blobs := h.Open(t)
			defer blobs.Close()
			w = create(t, blobs, name)
			if size := w.Size(); size > written || size < written-h.Checkpoint {
				t.Fatalf("%d bytes of %d are there; up to %d may be lost", size, written, h.Checkpoint)
			}
			if diff := cmp.Diff(origin, w.Origin()); diff != "" {
				t.Errorf("Origin (-want +got):\n%s", diff)
			}
			write(t, w, want[w.Size():])
			commit(t, w, name, want)
			holds(t, blobs, name, want)
			if err := blobs.Delete(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			nothingLeft(t, h)
		})
	}
}

func restarts(t *testing.T, h Harness) {
	blobs := open(t, h)
	name, want := named("restarted"), content(14, h.Checkpoint+5)
	w := create(t, blobs, name)
	write(t, w, content(15, 2*h.Checkpoint+5))
	if err := w.Restart(blob.Origin{ETag: `"first"`}); err != nil {
		t.Fatal(err)
	}
	if w.Size() != 0 || w.Origin().ETag != `"first"` {
		t.Errorf("after a restart it has %d bytes of %v", w.Size(), w.Origin())
	}
	write(t, w, content(16, h.Checkpoint+5))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w = create(t, blobs, name)
	if w.Size() == 0 || w.Origin().ETag != `"first"` {
		t.Errorf("the partial has %d bytes of %v", w.Size(), w.Origin())
	}
	if err := w.Restart(origin); err != nil {
		t.Fatal(err)
	}
	write(t, w, want)
	commit(t, w, name, want)
	holds(t, blobs, name, want)
	if err := blobs.Delete(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, h)
}

func discards(t *testing.T, h Harness) {
	blobs := open(t, h)
	for _, size := range []int64{0, 1000, h.Checkpoint, 2*h.Checkpoint + 9} {
		name := named(fmt.Sprint("discarded ", size))
		ctx, cancel := context.WithCancel(t.Context())
		w, err := blobs.Create(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, w, content(17, size))
		cancel() // as when a download is given up
		if err := w.Discard(); err != nil {
			t.Errorf("%d bytes: discard: %v", size, err)
		}
		nothingLeft(t, h)
		_, err = w.Commit()
		fails(t, "commit after the end", err, fs.ErrClosed)
		if err := errors.Join(w.Discard(), w.Close()); err != nil {
			t.Errorf("end it again: %v", err)
		}
	}
}

func deletes(t *testing.T, h Harness) {
	blobs := open(t, h)
	name := named("deleted")
	write(t, create(t, blobs, named("partial")), content(18, h.Checkpoint+1))
	for _, size := range []int64{10, h.Checkpoint + 10} {
		put(t, blobs, name, content(19, size))
		for range 2 {
			if err := blobs.Delete(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		_, err := blobs.Stat(t.Context(), name)
		fails(t, "stat", err, blob.ErrNotFound)
	}
	// The name is free again, for other bytes.
	put(t, blobs, name, content(20, 10))
	holds(t, blobs, name, content(20, 10))
	if err := blobs.Delete(t.Context(), name); err != nil {
		t.Fatal(err)
	}

	// A partial goes, too, once nobody writes it.
	fails(t, "delete what is written", blobs.Delete(t.Context(), named("partial")), blob.ErrBusy)
	abandoned := create(t, blobs, named("abandoned"))
	write(t, abandoned, content(18, h.Checkpoint+1))
	if err := abandoned.Close(); err != nil {
		t.Fatal(err)
	}
	if err := blobs.Delete(t.Context(), named("abandoned")); err != nil {
		t.Fatal(err)
	}
	if left := h.Left(t); slices.ContainsFunc(left, func(s string) bool { return contains(s, named("abandoned")) || contains(s, name) }) {
		t.Errorf("deleted, and still there: %v", left)
	}
}

func deletesWhileRead(t *testing.T, h Harness) {
	blobs := open(t, h)
	name, want := named("read and deleted"), content(21, 3*blob.ChunkSize)
	put(t, blobs, name, want)
	r, err := blobs.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	first := make([]byte, 100)
	if _, err := r.Read(first); err != nil {
		t.Fatal(err)
	}
	if err := blobs.Delete(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Seek(2*blob.ChunkSize, 0); err != nil {
		t.Fatal(err)
	}
	part := make([]byte, 100)
	if _, err := r.Read(part); err == nil && string(part) != string(want[2*blob.ChunkSize:2*blob.ChunkSize+100]) {
		t.Error("a reader of a deleted blob got other bytes")
	} else if err != nil {
		fails(t, "read on", err, blob.ErrNotFound)
	}
}

func sweeps(t *testing.T, h Harness) {
	blobs := open(t, h)
	kept := named("kept")
	put(t, blobs, kept, content(22, h.Checkpoint+3))
	abandon := func(what string, size int64) {
		w := create(t, blobs, named(what))
		write(t, w, content(23, size))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	abandon("abandoned", 2*h.Checkpoint)
	before := h.Left(t)
	if err := blobs.Sweep(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, h.Left(t)); diff != "" {
		t.Errorf("what is younger than an hour was swept:\n%s", diff)
	}
	live := create(t, blobs, named("live"))
	write(t, live, content(24, h.Checkpoint+3))
	// With no age all goes that isn't being written.
	if err := blobs.Sweep(t.Context(), -time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, left := range h.Left(t) {
		if contains(left, named("abandoned")) {
			t.Errorf("%s was not swept", left)
		}
	}
	holds(t, blobs, kept, content(22, h.Checkpoint+3))
	write(t, live, content(24, 10))
	if _, err := live.Commit(); err != nil {
		t.Errorf("a live writer was swept away: %v", err)
	}
}

func endsWithItsContext(t *testing.T, h Harness) {
	blobs := open(t, h)
	name := named("cancelled")
	ctx, cancel := context.WithCancel(t.Context())
	w, err := blobs.Create(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, content(25, h.Checkpoint+blob.ChunkSize))
	cancel()
	_, err = w.Write(content(26, 2*h.Checkpoint))
	fails(t, "write", err, context.Canceled)
	_, err = w.Commit()
	fails(t, "commit", err, context.Canceled)
	if err := w.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	_, err = blobs.Stat(ctx, name)
	fails(t, "stat", err, context.Canceled)
	_, err = blobs.Stat(t.Context(), name)
	fails(t, "stat what was never committed", err, blob.ErrNotFound)
	if resumed := create(t, blobs, name); resumed.Size() < h.Checkpoint {
		t.Errorf("closing kept %d bytes of more than %d", resumed.Size(), h.Checkpoint)
	}
}

func endsWithItsStore(t *testing.T, h Harness) {
	blobs := h.Open(t)
	name := named("closed")
	w := create(t, blobs, name)
	write(t, w, content(27, 1000))
	for range 2 {
		if err := blobs.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.Write([]byte("more"))
	fails(t, "write", err, event.ErrUnavailable)
	_, err = w.Commit()
	fails(t, "commit", err, event.ErrUnavailable)
	_, err = blobs.Create(t.Context(), named("new"))
	fails(t, "create", err, event.ErrUnavailable)
	_, err = blobs.Stat(t.Context(), name)
	fails(t, "stat", err, event.ErrUnavailable)
	fails(t, "delete", blobs.Delete(t.Context(), name), event.ErrUnavailable)
	fails(t, "sweep", blobs.Sweep(t.Context(), 0), event.ErrUnavailable)
	for _, err := range blobs.List(t.Context()) {
		fails(t, "list", err, event.ErrUnavailable)
	}
}
