package fileblob

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/event"
)

// TestExplain: what the disk says reaches the caller in the store's words.
func TestExplain(t *testing.T) {
	for cause, want := range map[error]error{
		syscall.ENOSPC: event.ErrFull,
		syscall.EDQUOT: event.ErrFull,
		syscall.ENOENT: blob.ErrNotFound,
		fs.ErrClosed:   event.ErrUnavailable,
		syscall.EIO:    syscall.EIO,
	} {
		err := explain(blob.Name{1}, "write", &fs.PathError{Op: "write", Path: "x", Err: cause})
		if !errors.Is(err, want) {
			t.Errorf("%v became %v, want %v", cause, err, want)
		}
	}
	if err := explain(blob.Name{1}, "write", nil); err != nil {
		t.Errorf("no error became %v", err)
	}
}
