package main

import (
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/straw-gateway/straw/server/internal/event"
)

// What the ingest limit does with an event.
const (
	storeNothing   = "none"      // forgets it
	storePebble    = "pebble"    // one synced Set
	storeJetStream = "jetstream" // one acknowledged publish to a file stream with sync_always
)

// IngestConfig says what to do with events, and where; Dir must be empty or new.
type IngestConfig struct{ Store, Dir string }

// Addresses are a server's, as host:port; empty where it has none.
type Addresses struct{ Webhook, GRPC, HTTP string }

// ingestLimit is the webhook path with nothing but one way of storing behind it.
type ingestLimit struct {
	noRequests
	stops []func()
}

func openIngest(config IngestConfig) (*ingestLimit, any, error) {
	l := &ingestLimit{}
	store, err := l.openStore(config)
	if err != nil {
		l.close()
		return nil, nil, err
	}
	addr, stop, err := serveHTTP(newLeanWebhook(store))
	if err != nil {
		l.close()
		return nil, nil, err
	}
	l.stops = append(l.stops, stop)
	return l, Addresses{Webhook: addr}, nil
}

func (l *ingestLimit) openStore(config IngestConfig) (func(*event.Draft) error, error) {
	switch config.Store {
	case storeNothing:
		return func(*event.Draft) error { return nil }, nil
	case storePebble:
		return l.openPebble(config.Dir)
	case storeJetStream:
		return l.openJetStream(config.Dir)
	}
	return nil, fmt.Errorf("there is no way of storing %q", config.Store)
}

// openPebble's options are those of Straw's engine as far as they matter for writing.
func (l *ingestLimit) openPebble(dir string) (func(*event.Draft) error, error) {
	db, err := pebble.Open(dir, &pebble.Options{
		FormatMajorVersion:          pebble.FormatValueSeparation,
		MemTableSize:                32 << 20,
		MemTableStopWritesThreshold: 4,
		Logger:                      quiet{},
	})
	if err != nil {
		return nil, err
	}
	l.stops = append(l.stops, func() { _ = db.Close() })
	return func(d *event.Draft) error { return db.Set([]byte(d.ID), d.Encoded, pebble.Sync) }, nil
}

func (l *ingestLimit) openJetStream(dir string) (func(*event.Draft) error, error) {
	stream, err := startJetStream(dir, true)
	if err != nil {
		return nil, err
	}
	l.stops = append(l.stops, stream.stop)
	return func(d *event.Draft) error {
		_, err := stream.js.Publish(stream.ctx, subject, d.Encoded, jetstream.WithRetryAttempts(0))
		return err
	}, nil
}

func (l *ingestLimit) close() {
	for _, stop := range slices.Backward(l.stops) {
		stop()
	}
	l.stops = nil
}

// quiet discards what Pebble logs; a fatal line still ends the process.
type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }
