package fileblob

import "os"

// WithSync has every sync go through a function of the test's.
func (o Options) WithSync(fsync func(*os.File) error) Options {
	o.fsync = fsync
	return o
}

// Sync is what makes files durable.
func (b *Blobs) Sync(f *os.File) error { return b.fsync(f) }
