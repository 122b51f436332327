package straw_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	straw "github.com/straw-gateway/straw/clients/go"
)

// memoryStore is a CursorStore that remembers what was saved.
type memoryStore struct {
	mu      sync.Mutex
	cursor  string
	saves   []string
	loadErr error
	saveErr error
}

func (m *memoryStore) Load(context.Context) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cursor, m.loadErr
}

func (m *memoryStore) Save(ctx context.Context, cursor string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.saveErr != nil {
		return m.saveErr
	}
	m.cursor, m.saves = cursor, append(m.saves, cursor)
	return ctx.Err()
}

func TestFileCursor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "position")
	store := straw.FileCursor(path)
	if cursor, err := store.Load(t.Context()); cursor != "" || err != nil {
		t.Fatalf("before any save: %q, %v", cursor, err)
	}
	for _, want := range []string{"c1", "c2"} {
		if err := store.Save(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if cursor, err := store.Load(t.Context()); cursor != want || err != nil {
			t.Fatalf("loaded %q, %v; want %q", cursor, err, want)
		}
	}
	files, err := filepath.Glob(path + "*")
	if err != nil || !slices.Equal(files, []string{path}) {
		t.Errorf("saving left %v, %v", files, err)
	}
}

func TestFileCursorFaults(t *testing.T) {
	folder := t.TempDir()
	empty := filepath.Join(folder, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := straw.FileCursor(empty).Load(t.Context()); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("loading an emptied file: %v", err)
	}
	if _, err := straw.FileCursor(folder).Load(t.Context()); err == nil {
		t.Error("loading a folder succeeded")
	}
	if err := straw.FileCursor(filepath.Join(folder, "missing", "position")).Save(t.Context(), "c1"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("saving into a missing folder: %v", err)
	}
}

func TestCursorStoreFaultsEndSubscription(t *testing.T) {
	broken := errors.New("the disk is gone")
	t.Run("load", func(t *testing.T) {
		g := newGateway(3)
		last := drain(t, g.start(t), straw.SubscribeOptions{Start: straw.Earliest(), CursorStore: &memoryStore{loadErr: broken}})
		if !errors.Is(last, broken) || len(g.starts()) != 0 {
			t.Errorf("ended with %v after %d calls", last, len(g.starts()))
		}
	})
	t.Run("last save", func(t *testing.T) {
		c := newGateway(3).start(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		opts := straw.SubscribeOptions{Start: straw.Earliest(), CursorStore: &memoryStore{saveErr: broken}}
		for e, err := range c.Subscribe(ctx, opts) {
			if last = err; e.GetId() == "evt_3" {
				cancel()
			}
		}
		if !errors.Is(last, broken) || !errors.Is(last, context.Canceled) {
			t.Errorf("ended with %v, want both", last)
		}
	})
	t.Run("save", func(t *testing.T) {
		c := newGateway(3).start(t)
		opts := straw.SubscribeOptions{Start: straw.Earliest(), EndAtHead: true, CursorStore: &memoryStore{saveErr: broken}}
		if last := drain(t, c, opts); !errors.Is(last, broken) {
			t.Errorf("ended with %v", last)
		}
	})
}

// drain reads to the end and returns the last error.
func drain(t *testing.T, c *straw.Client, opts straw.SubscribeOptions) (last error) {
	t.Helper()
	for _, err := range c.Subscribe(bounded(t), opts) {
		last = err
	}
	return last
}

func TestCursorSurvivesPanicInLoop(t *testing.T) {
	c := newGateway(5).start(t)
	store := straw.FileCursor(filepath.Join(t.TempDir(), "position"))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the loop's panic was swallowed")
			}
		}()
		for e, err := range c.Subscribe(bounded(t), straw.SubscribeOptions{Start: straw.Earliest(), CursorStore: store}) {
			if err != nil {
				t.Fatal(err)
			}
			if e.GetId() == "evt_3" {
				panic("poison")
			}
		}
	}()
	if cursor, err := store.Load(t.Context()); cursor != "c2" || err != nil {
		t.Errorf("saved %q, %v; want c2", cursor, err)
	}
}
