package straw

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// A CursorStore holds the position of one subscription. Its methods are called one at a time. An error ends the
// subscription and is its last error; if the loop was left before the last Save failed, it is not reported, and the events
// since the Save before come again.
type CursorStore interface {
	// Load returns the saved cursor; empty if none was ever saved.
	Load(ctx context.Context) (cursor string, err error)
	// Save replaces the saved cursor and returns once that would survive a crash. The context isn't cancelled with the
	// subscription's: the last position is saved after that has ended.
	Save(ctx context.Context, cursor string) error
}

// FileCursor is a CursorStore in a file of its own, replaced atomically and synced. Its folder must exist. Two
// subscriptions must not share a file.
func FileCursor(path string) CursorStore { return fileCursor(path) }

type fileCursor string

func (path fileCursor) Load(context.Context) (string, error) {
	content, err := os.ReadFile(string(path))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("straw: the saved cursor: %w", err)
	}
	cursor := strings.TrimSpace(string(content))
	if cursor == "" {
		return "", fmt.Errorf("straw: cursor file %s is empty: the position in it was lost; remove the file to begin anew", path)
	}
	return cursor, nil
}

func (path fileCursor) Save(_ context.Context, cursor string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("straw: saving the cursor: %w", err)
		}
	}()
	folder := filepath.Dir(string(path))
	f, err := os.CreateTemp(folder, filepath.Base(string(path))+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // fails once it is renamed
	_, err = f.WriteString(cursor + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), string(path)); err != nil {
		return err
	}
	return syncFolder(folder)
}

// syncFolder makes a rename in the folder durable.
func syncFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// defaultCursorInterval bounds how much a crash repeats at a cost of one synced write a second.
const defaultCursorInterval = time.Second

// A cursorSaver writes the newest cursor to a store, not at each change but within an interval of it. A nil one does
// nothing.
type cursorSaver struct {
	store    CursorStore
	interval time.Duration
	ctx      context.Context // for Save
	saving   sync.Mutex      // held over a Save: they keep their order

	mu      sync.Mutex
	pending string // to be saved by the timer; empty when there is none
	saved   string
	timer   *time.Timer
	err     error
}

func newCursorSaver(store CursorStore, interval time.Duration) *cursorSaver {
	if store == nil {
		return nil
	}
	if interval <= 0 {
		interval = defaultCursorInterval
	}
	return &cursorSaver{store: store, interval: interval}
}

func (c *cursorSaver) load(ctx context.Context) (string, error) {
	if c == nil {
		return "", nil
	}
	c.ctx = context.WithoutCancel(ctx)
	cursor, err := c.store.Load(ctx)
	c.saved = cursor
	return cursor, err
}

// note sets what is to be saved.
func (c *cursorSaver) note(cursor string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	armed := c.pending != ""
	if !armed && cursor == c.saved {
		return
	}
	c.pending = cursor
	switch {
	case armed:
	case c.timer == nil:
		c.timer = time.AfterFunc(c.interval, c.save)
	default:
		c.timer.Reset(c.interval)
	}
}

func (c *cursorSaver) save() {
	c.saving.Lock()
	defer c.saving.Unlock()
	c.mu.Lock()
	cursor := c.pending
	c.pending = ""
	c.mu.Unlock()
	if cursor == "" {
		return
	}
	err := c.store.Save(c.ctx, cursor)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.err = err
		return
	}
	c.saved = cursor
}

// failed returns the error of an earlier save.
func (c *cursorSaver) failed() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// flush saves what is pending.
func (c *cursorSaver) flush() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	c.save()
	return c.failed()
}
