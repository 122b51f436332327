package blobtest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/event"
)

// race: two gateways that write one name at once end with one blob, and nothing of the other.
func race(t *testing.T, h Harness) {
	one, two := open(t, h), open(t, h)
	alone := named("alone")
	put(t, one, alone, content(4, 10))
	uncontended := len(h.Left(t))
	for _, size := range []int64{1000, h.Checkpoint + 1} {
		name := named(fmt.Sprint("raced ", size))
		first, second := create(t, one, name), create(t, two, name)
		for _, w := range []blob.Writer{first, second} {
			if err := w.Restart(origin); err != nil {
				t.Fatal(err)
			}
		}
		write(t, first, content(1, size))
		write(t, second, content(2, size))
		commit(t, second, name, content(2, size))
		_, err := first.Commit()
		fails(t, "commit second", err, blob.ErrExists)
		if err := first.Discard(); err != nil {
			t.Fatal(err)
		}
		holds(t, one, name, content(2, size))
		if left := h.Left(t); len(left) != 2*uncontended {
			t.Errorf("the loser left something: %v", left)
		}
		if err := one.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if err := one.Delete(t.Context(), alone); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, h)
}

// continueOnePartial: a gateway that is thought dead and isn't goes on with what another has taken over. One of them stores the
// blob, or neither; never a mixture.
func continueOnePartial(t *testing.T, h Harness) {
	one, two := open(t, h), open(t, h)
	name, want := named("taken over"), content(3, 3*h.Checkpoint+9)
	first := create(t, one, name)
	if err := first.Restart(origin); err != nil {
		t.Fatal(err)
	}
	write(t, first, want[:2*h.Checkpoint+5])
	second := create(t, two, name)
	if second.Size() != 2*h.Checkpoint {
		t.Fatalf("the second found %d bytes", second.Size())
	}
	write(t, second, want[second.Size():])
	write(t, first, want[2*h.Checkpoint+5:])
	commit(t, second, name, want)
	// nil: it stored the same. ErrUnavailable: its upload is gone, and trying again finds the blob.
	if _, err := first.Commit(); err != nil && !errors.Is(err, blob.ErrExists) && !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("commit second: %v", err)
	}
	if err := first.Discard(); err != nil {
		t.Fatal(err)
	}
	_, err := one.Create(t.Context(), name)
	fails(t, "create again", err, blob.ErrExists)
	holds(t, one, name, want)
	if err := one.Delete(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, h)
}
