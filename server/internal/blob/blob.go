// Package blob states what a store of files must do, and holds what its engines share: the Digest that sums bytes as they
// pass, the Manifest that says what was stored, and the Reader that gives out no byte it hasn't checked. Engines live below
// it (fileblob, s3blob) and each passes the suite in blobtest; everything above knows only this package.
//
// A blob is written once, in order, and never changes. It exists from the moment its manifest does; until then its bytes are a
// partial, which a later writer of the same name may continue, after a crash too.
//
// The package itself does no I/O and knows nothing of exports.
package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"iter"
	"time"
)

// What can be wrong with a blob. Engines also return event.ErrFull when there is no room, event.ErrUnavailable when the store
// can't be reached or is closed (trying again is safe), and the context's error.
var (
	ErrNotFound = errors.New("there is no such file in the store")
	ErrExists   = errors.New("the store has the file already")
	ErrBusy     = errors.New("the file is being written")
	// ErrCorrupt means that stored bytes are not what was written. It is about one blob; the others are as good as ever.
	ErrCorrupt = errors.New("the stored file is corrupt")
)

// Blobs keeps immutable blobs. Its methods are safe for concurrent use; Writers and Readers are for one goroutine each.
type Blobs interface {
	// Create opens a writer for a blob. If an earlier writer left a partial, the new one continues it: Size tells at which
	// byte, Origin from what. What was written less than a checkpoint (some megabytes) before a crash may be gone from it.
	//
	// ctx is the writer's for as long as it lives. Errors: ErrExists, ErrBusy while another writer of the name is open here.
	Create(ctx context.Context, name Name) (Writer, error)

	// Stat describes a blob. Errors: ErrNotFound, also for a partial; ErrCorrupt.
	Stat(ctx context.Context, name Name) (Info, error)

	// Open opens a blob for reading; ctx is the reader's for as long as it lives. Errors: ErrNotFound, also for a partial;
	// ErrCorrupt.
	Open(ctx context.Context, name Name) (*Reader, error)

	// Delete removes a blob, and a partial. What isn't there is no error, so it may be repeated. A reader that is open may
	// go on or fail with ErrNotFound. Errors: ErrBusy while a writer of the name is open here.
	Delete(ctx context.Context, name Name) error

	// List yields the blobs, without partials, in no particular order. One that comes or goes meanwhile may be missing. An
	// error is the last thing it yields.
	List(ctx context.Context) iter.Seq2[Entry, error]

	// Sweep removes what nothing will ask for again: partials, and bytes that no manifest names, untouched for the given age.
	// What is being written here stays. Call it at the start and now and then, with an age beyond that of any writer.
	Sweep(ctx context.Context, age time.Duration) error

	// Close releases the store. A writer that is still open is as after a crash: its next call fails with
	// event.ErrUnavailable, and it must still be closed. Idempotent.
	Close() error
}

// A Writer takes the bytes of one blob, in order. After a failed Write, Restart or Commit it can only be discarded or closed.
type Writer interface {
	// Write takes the bytes that follow. It may wait for the store.
	io.Writer

	// Size is the number of bytes that the writer holds, those of the partial that it continues included.
	Size() int64

	// Origin is what the partial was begun with, or Restart was given.
	Origin() Origin

	// Restart drops all bytes and begins anew.
	Restart(origin Origin) error

	// Commit makes the blob durable and visible, at once and whole, and ends the writer. Errors: ErrExists if another
	// gateway was first; that one's blob stays.
	Commit() (Info, error)

	// Discard drops all bytes and ends the writer. It works after ctx has ended, too.
	Discard() error

	// Close ends the writer and keeps what it can for the next. After Commit or Discard it does nothing. It works after ctx
	// has ended, too.
	Close() error
}

// A Name is a SHA-256 of whatever identifies the blob to its owner, so that no sender's text ever becomes a path or a key.
type Name [sha256.Size]byte

// String is the name as 64 lower-case hex digits.
func (n Name) String() string { return hex.EncodeToString(n[:]) }

// ParseName reads what String wrote, and nothing else.
func ParseName(text string) (n Name, ok bool) {
	if len(text) != hex.EncodedLen(len(n)) {
		return Name{}, false
	}
	if _, err := hex.Decode(n[:], []byte(text)); err != nil || n.String() != text {
		return Name{}, false
	}
	return n, true
}

// Origin is what the server that the bytes come from said of them. All of it may be empty.
type Origin struct {
	// ContentType is the media type, as sent.
	ContentType string `json:"content_type,omitempty"`
	// ContentEncoding is the coding that the bytes are in, such as `gzip`; they are stored as they came.
	ContentEncoding string `json:"content_encoding,omitempty"`
	// ETag tells whether a partial can be continued; quotes included.
	ETag string `json:"etag,omitempty"`
}

// Info describes a blob.
type Info struct {
	Name Name
	// Size is in bytes.
	Size      int64
	SHA256    [sha256.Size]byte
	StoreTime time.Time
	Origin    Origin
}

// An Entry is what a listing tells about a blob.
type Entry struct {
	Name Name
	// Size is how many bytes the store holds under the name, the manifest left out.
	Size int64
	// StoreTime is to the second, and by the store's clock.
	StoreTime time.Time
}
