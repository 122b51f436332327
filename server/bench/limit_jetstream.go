package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/straw-gateway/straw/server/internal/convert"
)

const (
	streamName = "EVENTS"
	subject    = "events"
)

// embedded is a NATS server within this process, with one file stream and a connection to it that uses no socket.
type embedded struct {
	server *server.Server
	conn   *nats.Conn
	js     jetstream.JetStream
	ctx    context.Context
	cancel context.CancelFunc
}

func startJetStream(dir string, syncAlways bool) (*embedded, error) {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
		JetStream: true, StoreDir: dir, SyncAlways: syncAlways, JetStreamMaxStore: 64 << 30,
	})
	if err != nil {
		return nil, err
	}
	go s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		s.Shutdown()
		return nil, fmt.Errorf("the embedded NATS server was not ready within 20 s")
	}
	e := &embedded{server: s}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	if err := e.open(); err != nil {
		e.stop()
		return nil, err
	}
	return e, nil
}

func (e *embedded) open() (err error) {
	if e.conn, err = nats.Connect("", nats.InProcessServer(e.server)); err != nil {
		return err
	}
	if e.js, err = jetstream.New(e.conn, jetstream.WithPublishAsyncMaxPending(4096)); err != nil {
		return err
	}
	_, err = e.js.CreateStream(e.ctx, jetstream.StreamConfig{Name: streamName, Subjects: []string{subject}, Storage: jetstream.FileStorage})
	return err
}

func (e *embedded) stop() {
	e.cancel()
	if e.conn != nil {
		e.conn.Close()
	}
	e.server.Shutdown()
	e.server.WaitForShutdown()
}

// JetStreamConfig is a stream to be read: Events of the same bytes that Straw stores, in a directory that is empty or new.
type JetStreamConfig struct {
	Dir    string
	Events int
	// SyncAlways has every write that comes after the events synced.
	SyncAlways bool
}

// jetStream is the role that serves a filled stream.
type jetStream struct {
	noRequests
	*embedded
}

func openJetStream(config JetStreamConfig) (*jetStream, any, error) {
	e, err := startJetStream(config.Dir, false)
	if err != nil {
		return nil, nil, err
	}
	if err := e.fill(config.Events); err != nil {
		e.stop()
		return nil, nil, err
	}
	if config.SyncAlways { // filling would take it minutes
		e.stop()
		if e, err = startJetStream(config.Dir, true); err != nil {
			return nil, nil, err
		}
	}
	return &jetStream{embedded: e}, Addresses{GRPC: e.server.Addr().String()}, nil
}

func (e *embedded) fill(events int) error {
	hooks := &Webhooks{Order: RandomIDs, Seed: 1}
	for range events {
		_, body := hooks.Next()
		draft := convert.Convert(body, convert.Request{ReceiveTime: time.Now()})
		if _, err := e.js.PublishAsync(subject, draft.Encoded); err != nil {
			return err
		}
	}
	select {
	case <-e.js.PublishAsyncComplete():
		return nil
	case <-time.After(time.Minute):
		return fmt.Errorf("JetStream had not stored %d events within a minute", events)
	}
}

func (j *jetStream) close() { j.stop() }

// JetStreamReaderConfig is the server to read from and how many events it holds.
type JetStreamReaderConfig struct {
	Addr   string
	Events int
}

// jetStreamReader reads a stream through an ordered consumer and drops what it gets without decoding it.
type jetStreamReader struct {
	config JetStreamReaderConfig
	conn   *nats.Conn
}

func openJetStreamReader(config JetStreamReaderConfig) (*jetStreamReader, any, error) {
	conn, err := nats.Connect("nats://" + config.Addr)
	if err != nil {
		return nil, nil, err
	}
	return &jetStreamReader{config, conn}, struct{}{}, nil
}

func (j *jetStreamReader) do(verb string, _ json.RawMessage) (any, error) {
	if verb != "replay" {
		return nil, errVerb(verb)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	js, err := jetstream.New(j.conn)
	if err != nil {
		return nil, err
	}
	consumer, err := js.OrderedConsumer(ctx, streamName, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, err
	}
	return j.consume(ctx, consumer)
}

func (j *jetStreamReader) consume(ctx context.Context, consumer jetstream.Consumer) (*ReplayResult, error) {
	var (
		result ReplayResult
		done   = make(chan struct{})
		finish sync.Once
	)
	began := monotonic()
	consuming, err := consumer.Consume(func(m jetstream.Msg) {
		result.Bytes += int64(len(m.Data()))
		if result.Events++; result.Events == j.config.Events {
			result.Elapsed = monotonic() - began
			finish.Do(func() { close(done) })
		}
	}, jetstream.PullMaxMessages(5000))
	if err != nil {
		return nil, err
	}
	defer consuming.Stop()
	select {
	case <-done:
		return &result, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("the ordered consumer got fewer than %d events: %w", j.config.Events, ctx.Err())
	}
}

func (j *jetStreamReader) close() { j.conn.Close() }
