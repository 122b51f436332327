package pebblestore

import (
	"errors"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pauses before another attempt to open a file; the first is doubled until the last.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = 500 * time.Millisecond
)

// outOfDescriptors reports whether the process, or the machine, has no descriptor left.
func outOfDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// patiently opens a file and waits while there are no descriptors: as long as the log serves, and for the log's patience while
// it is opened or closed, when nobody else gives any back.
func (g guardFS) patiently(name string, open func() (vfs.File, error)) (vfs.File, error) {
	f, err := open()
	if !outOfDescriptors(err) {
		return f, err
	}
	l := g.log
	if l.waitingForFiles.Add(1) == 1 {
		l.opts.Logger.Warn("the store waits for a descriptor: the process, or the machine, has none left", "file", name, "err", err)
	}
	var giveUp time.Time // unset while the log serves
	for pause := firstPause; outOfDescriptors(err); pause = min(2*pause, lastPause) {
		switch {
		case l.serving.Load():
			giveUp = time.Time{}
		case giveUp.IsZero():
			giveUp = time.Now().Add(l.opts.patience)
		case time.Now().After(giveUp):
			l.waitingForFiles.Add(-1)
			return f, err
		}
		select {
		case <-time.After(pause):
			f, err = open()
		case <-l.failure.failed:
			l.waitingForFiles.Add(-1)
			return f, err
		}
	}
	if l.waitingForFiles.Add(-1) == 0 {
		l.opts.Logger.Info("the store has descriptors again", "file", name)
	}
	return f, err
}
