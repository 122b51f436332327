package pebblestore

import (
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/store"
)

// Options say how a store is opened. The zero value is fit for production, but keeps events forever.
type Options struct {
	// Tail and Observer are told of what becomes durable; nil for nobody.
	Tail     store.Tail
	Observer store.Observer
	// Logger takes what operators should know; nil for slog.Default().
	Logger *slog.Logger
	// FS is where the store lies; nil for the disk.
	FS vfs.FS
	// Now is the wall clock; nil for time.Now. Boot is the time since the machine was started, which nobody sets; nil for the
	// kernel's.
	Now  func() time.Time
	Boot func() time.Duration

	Retention Retention

	// CacheBytes is the size of the block cache; zero for 256 MiB.
	CacheBytes int64
	// MemtableBytes is the size of one of the four memtables; zero for 32 MiB.
	MemtableBytes int64
	// MaxWaiting and MaxWaitingBytes bound the events that wait for the disk; beyond them Append fails with
	// event.ErrOverloaded. Zero for 4,096 and 64 MiB.
	MaxWaiting      int
	MaxWaitingBytes int64
	// MinFreeBytes is the free disk space, the memtables' aside, below which Append fails with event.ErrFull. Zero for a tenth
	// of the disk, memtables included, but at least 256 MiB and at most what is 1 GiB without them.
	MinFreeBytes uint64

	// Ending is closed when the process is about to end: what waits for room on a full disk is given up then, by Open, Close and
	// all others, and the log fails with event.ErrFull. So does a log whose disk hangs then, for whatever error, once Open or Close
	// has waited for 5 s. Nil to wait for good.
	Ending <-chan struct{}

	// MaxOpenFiles is how many tables are kept open at most; a few more descriptors are needed for logs and for what is being
	// written. Zero for 500.
	MaxOpenFiles int

	// stalled is how long a write may take before the log says that the disk stalls; zero for 5 s.
	stalled time.Duration
	// patience bounds how long Open and Close wait for Pebble once the log has failed or Ending is closed.
	patience time.Duration
	// incarnate makes the store an incarnation of its own.
	incarnate bool
	// existing keeps a new store from being made.
	existing bool
	// still keeps Pebble from merging tables.
	still bool
}

const (
	defaultCacheBytes    = 256 << 20
	defaultMemtableBytes = 32 << 20
	memtables            = 4
	defaultMaxWaiting    = 4096
	defaultWaitingBytes  = 64 << 20
	defaultMaxOpenFiles  = 500
	defaultPatience      = 5 * time.Second
)

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Boot == nil {
		o.Boot = bootTime
	}
	orDefault(&o.CacheBytes, defaultCacheBytes)
	orDefault(&o.MemtableBytes, defaultMemtableBytes)
	orDefault(&o.MaxWaiting, defaultMaxWaiting)
	orDefault(&o.MaxWaitingBytes, defaultWaitingBytes)
	orDefault(&o.MaxOpenFiles, defaultMaxOpenFiles)
	orDefault(&o.patience, defaultPatience)
	orDefault(&o.stalled, slowDisk)
	return o
}

func orDefault[T int | int64 | uint64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// formatMajorVersion is named, for with Pebble's default one flipped byte in a write-ahead log silently ends the log there:
// from FormatWALSyncChunks on, each chunk says how far the log was synced when it was written.
const formatMajorVersion = pebble.FormatValueSeparation

func (o Options) pebble() *pebble.Options {
	p := &pebble.Options{
		FormatMajorVersion:          formatMajorVersion,
		CacheSize:                   o.CacheBytes,
		MemTableSize:                uint64(o.MemtableBytes),
		MemTableStopWritesThreshold: memtables,
		MaxOpenFiles:                o.MaxOpenFiles,
		// A deleted range frees nothing until it is flushed.
		FlushDelayDeleteRange:       10 * time.Second,
		DisableAutomaticCompactions: o.still,
		CompactionConcurrencyRange:  func() (lower, upper int) { return 1, 2 },
	}
	p.Experimental.SpanPolicyFunc = splitByPrefix
	for i := range p.Levels {
		// Most reading is of whole stretches of the log; an id that is new, which most are, is not looked for in a block.
		p.Levels[i].BlockSize = 32 << 10
		p.Levels[i].IndexBlockSize = 256 << 10
		p.Levels[i].FilterPolicy = dedupFilter{bloom.FilterPolicy(10)}
	}
	return p
}

// splitByPrefix ends tables where the first byte of the key changes. Events and raw bodies come in order, so their tables
// then overlap no others and sink through the levels without being rewritten; only the tables of ids are merged.
func splitByPrefix(start []byte) (policy pebble.SpanPolicy, end []byte, err error) {
	if len(start) == 0 || start[0] == 0xff {
		return policy, nil, nil
	}
	return policy, []byte{start[0] + 1}, nil
}

// dedupFilter is a Bloom filter of the ids alone: they are all that is looked up without being there.
type dedupFilter struct{ bloom.FilterPolicy }

func (f dedupFilter) Name() string { return "straw.dedup." + f.FilterPolicy.Name() }

func (f dedupFilter) MayContain(t pebble.FilterType, filter, key []byte) bool {
	return len(key) == 0 || key[0] != keyDedup || f.FilterPolicy.MayContain(t, filter, key)
}

func (f dedupFilter) NewWriter(t pebble.FilterType) pebble.FilterWriter {
	return dedupFilterWriter{f.FilterPolicy.NewWriter(t)}
}

type dedupFilterWriter struct{ pebble.FilterWriter }

func (w dedupFilterWriter) AddKey(key []byte) {
	if len(key) > 0 && key[0] == keyDedup {
		w.FilterWriter.AddKey(key)
	}
}
