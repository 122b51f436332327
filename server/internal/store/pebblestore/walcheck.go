package pebblestore

import (
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"

	"github.com/straw-gateway/straw/server/internal/event"
)

// Pebble ends the replay of its newest write-ahead log at the first chunk that it can't read, and takes what follows for
// the tail that a crash tore, unless a later block says that this place had been synced. What it knows of that is too
// little: nothing in the block of the damage itself, and nothing of blocks that were written as a whole. It replays what logs
// it finds, and misses none. So before it may look, the logs are read here. Batches are numbered, and each says in its head
// record which one was durable when it was written; a batch that stands after a damaged place, and knows of a durable one
// that does not stand before it, proves a loss, and so does a gap in the numbers.

// A walSpan is what one write-ahead log holds.
type walSpan struct {
	path        string
	first, last uint64 // the batches that replay will find; zero if there are none
	end         int    // where they end, in bytes
	durable     uint64 // the newest batch that was durable, as told by what stands behind that end
	torn        bool   // a batch begins at that end, or before it, and isn't all there
}

// A walCheck is what the logs of a directory hold, from the oldest to the newest.
type walCheck struct {
	spans []walSpan
	buf   []byte
}

// readLogs reads every write-ahead log of a directory.
func readLogs(fs vfs.FS, dir string) (*walCheck, error) {
	logs, err := wal.Scan(wal.Dir{FS: fs, Dirname: dir})
	if err != nil {
		return nil, err
	}
	w := new(walCheck)
	for _, log := range logs {
		for i := range log.NumSegments() {
			_, path := log.SegmentLocation(i)
			if err := w.read(fs, path); err != nil {
				return nil, err
			}
			l := walFile{data: w.buf, num: uint32(log.Num)}
			s := walSpan{path: path}
			s.first, s.last, s.end, s.torn = l.prefix()
			s.durable = l.durableAfter(s.end)
			w.spans = append(w.spans, s)
		}
	}
	return w, nil
}

// read reads a log into buf, which the next one reuses.
func (w *walCheck) read(fs vfs.FS, path string) error {
	f, err := fs.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	w.buf = slices.Grow(w.buf[:0], int(info.Size()))[:info.Size()]
	_, err = io.ReadFull(f, w.buf)
	return err
}

// check fails with event.ErrCorrupt if something is missing. Everything up to batch tables is in tables; durable was durable.
func (w *walCheck) check(dir string, tables, durable uint64) error {
	have, newest := tables, "there is none"
	for _, s := range w.spans {
		if s.first > have+1 {
			return lostBatches("the write-ahead log before "+s.path+" is missing, or its end is", have, s.first-1)
		}
		have, newest = max(have, s.last), s.path
		if s.durable > have {
			return lostBatches(fmt.Sprintf("%s is damaged at byte %d", s.path, s.end), have, s.durable)
		}
	}
	if durable > have {
		return lostBatches(fmt.Sprintf("the newest write-ahead log in %s is missing, or its end is (%s)", dir, newest), have, durable)
	}
	return nil
}

// lostBatches is the error for a store that lacks batches that were once durable in it.
func lostBatches(where string, have, durable uint64) error {
	return fmt.Errorf("%w: %s: batches %d to %d were durable and are lost; restore a backup", event.ErrCorrupt, where, have+1, durable)
}
