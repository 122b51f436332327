package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// How a subscriber takes what it receives.
const (
	decodeClient    = "client"    // clients/go: decoded, position kept, reconnecting
	decodeGenerated = "generated" // the generated stub: decoded, nothing else
	decodeCounting  = "counting"  // not decoded; deliveries are counted
	decodeNothing   = "nothing"   // not decoded; bytes are counted
)

// SubscriberConfig is a number of streams from one process.
type SubscriberConfig struct {
	Addr    string
	Streams int
	PerConn int // streams that share a connection
	Decode  string
	// Times asks for the receipt of this many events, by index, on each stream. Decoded only.
	Times int
}

// ReplayResult is what all streams together received.
type ReplayResult struct {
	Events  int // 0 with decodeNothing
	Bytes   int64
	Elapsed time.Duration // from the release of all streams to the end of the last
}

// subscriber is a process full of well-behaved subscribers.
type subscriber struct {
	config  SubscriberConfig
	conns   []*grpc.ClientConn
	clients []*straw.Client // decodeClient: one a connection
	streams []*tally
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	failure atomic.Pointer[error]
}

// A tally is what one stream has received.
type tally struct {
	events atomic.Int64
	bytes  atomic.Int64
	times  []int64 // monotonic nanoseconds of each event's receipt, by index; 0 if it wasn't
}

func openSubscriber(config SubscriberConfig) (*subscriber, any, error) {
	s := &subscriber{config: config}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for range config.Streams {
		s.streams = append(s.streams, &tally{times: make([]int64, config.Times)})
	}
	if err := s.dial(); err != nil {
		s.close()
		return nil, nil, err
	}
	return s, struct{}{}, nil
}

// dial opens every connection and waits until it stands, so that no round measures handshakes.
func (s *subscriber) dial() error {
	count := (s.config.Streams + s.config.PerConn - 1) / s.config.PerConn
	for range count {
		conn, err := s.dialOne()
		if err != nil {
			return err
		}
		s.conns = append(s.conns, conn)
		conn.Connect()
	}
	ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
	defer cancel()
	for _, conn := range s.conns {
		for state := conn.GetState(); state != connectivity.Ready; state = conn.GetState() {
			if !conn.WaitForStateChange(ctx, state) {
				return fmt.Errorf("connecting to %s: %w", s.config.Addr, ctx.Err())
			}
		}
	}
	return nil
}

func (s *subscriber) dialOne() (*grpc.ClientConn, error) {
	if s.config.Decode == decodeClient {
		client, err := straw.Dial(s.config.Addr)
		if err != nil {
			return nil, err
		}
		s.clients = append(s.clients, client)
		return client.Conn(), nil
	}
	opts := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if s.config.Decode != decodeGenerated {
		opts = append(opts, grpc.WithDefaultCallOptions(grpc.ForceCodecV2(dropCodec{counting: s.config.Decode == decodeCounting})))
	}
	return grpc.NewClient(s.config.Addr, opts...)
}

func (s *subscriber) do(verb string, _ json.RawMessage) (any, error) {
	switch verb {
	case "replay":
		return s.replay()
	case "follow":
		return struct{}{}, s.follow()
	case "count":
		return s.count()
	case "times":
		return s.times()
	}
	return nil, errVerb(verb)
}

// replay releases all streams together, each from the earliest event to the head.
func (s *subscriber) replay() (*ReplayResult, error) {
	for _, t := range s.streams {
		t.events.Store(0)
		t.bytes.Store(0)
	}
	runtime.GC()
	release := make(chan struct{})
	for i := range s.streams {
		s.running.Go(func() {
			<-release
			if err := s.read(i, true, func() {}); err != nil {
				s.fail(err)
			}
		})
	}
	began := monotonic()
	close(release)
	s.running.Wait()
	total, err := s.count()
	if err != nil {
		return nil, err
	}
	total.Elapsed = monotonic() - began
	return total, nil
}

// follow opens all streams at the head and returns once each has had its first frame; they go on in the background.
func (s *subscriber) follow() error {
	begun := make(chan struct{}, len(s.streams))
	failed := make(chan error, len(s.streams))
	for i := range s.streams {
		s.running.Go(func() {
			err := s.read(i, false, func() { begun <- struct{}{} })
			if s.ctx.Err() == nil {
				err = fmt.Errorf("stream %d ended early: %w", i, err)
				s.fail(err)
				failed <- err
			}
		})
	}
	limit := time.After(time.Minute)
	for range s.streams {
		select {
		case <-begun:
		case err := <-failed:
			return err
		case <-limit:
			return fmt.Errorf("not every one of %d streams had its first frame within a minute", len(s.streams))
		}
	}
	return nil
}

func (s *subscriber) fail(err error) { s.failure.CompareAndSwap(nil, &err) }

// read reads one stream until it ends; begun is called with its first frame.
func (s *subscriber) read(i int, toHead bool, begun func()) error {
	if s.config.Decode == decodeClient {
		return s.readClient(i, toHead, begun)
	}
	stream, err := s.open(i, toHead)
	if err != nil {
		return err
	}
	if s.config.Decode == decodeGenerated {
		err = s.readGenerated(stream, s.streams[i], begun)
	} else {
		err = readDropped(stream, s.streams[i], begun)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (s *subscriber) open(i int, toHead bool) (grpc.ClientStream, error) {
	desc := &strawv1.EventService_ServiceDesc.Streams[0]
	stream, err := s.conns[i/s.config.PerConn].NewStream(s.ctx, desc, strawv1.EventService_Subscribe_FullMethodName)
	if err != nil {
		return nil, err
	}
	request := &strawv1.SubscribeRequest{HeartbeatInterval: durationpb.New(time.Minute), EndAtHead: toHead}
	if toHead {
		request.Start = &strawv1.SubscribeRequest_StartPosition{StartPosition: strawv1.StartPosition_EARLIEST}
	}
	if err := stream.SendMsg(request); err != nil {
		return nil, err
	}
	return stream, stream.CloseSend()
}

func (s *subscriber) readGenerated(stream grpc.ClientStream, t *tally, begun func()) error {
	for first := true; ; first = false {
		var response strawv1.SubscribeResponse
		if err := stream.RecvMsg(&response); err != nil {
			return err
		}
		if first {
			begun()
		}
		if len(t.times) > 0 {
			for _, d := range response.GetDeliveries() {
				t.stamp(d.GetEvent())
			}
		}
		t.events.Add(int64(len(response.GetDeliveries())))
	}
}

func readDropped(stream grpc.ClientStream, t *tally, begun func()) error {
	for first := true; ; first = false {
		var d dropped
		if err := stream.RecvMsg(&d); err != nil {
			return err
		}
		if first {
			begun()
		}
		t.events.Add(int64(d.deliveries))
		t.bytes.Add(int64(d.bytes))
	}
}

func (s *subscriber) readClient(i int, toHead bool, begun func()) error {
	options := straw.SubscribeOptions{
		EndAtHead:         toHead,
		HeartbeatInterval: time.Minute,
		Hooks:             straw.Hooks{Connected: func(*straw.Frame) { begun() }},
	}
	if toHead {
		options.Start = straw.Earliest()
	}
	t, stamping, events := s.streams[i], s.config.Times > 0, int64(0)
	for event, err := range s.clients[i/s.config.PerConn].Subscribe(s.ctx, options) {
		if err != nil {
			return err
		}
		if stamping {
			t.stamp(event)
		}
		events++
		t.events.Store(events)
	}
	return nil
}

func (t *tally) stamp(e *strawv1.Event) {
	if i, ok := indexOf(e.GetId()); ok && i < len(t.times) {
		t.times[i] = int64(monotonic())
	}
}

func (s *subscriber) count() (*ReplayResult, error) {
	if err := s.failure.Load(); err != nil {
		return nil, *err
	}
	var total ReplayResult
	for _, t := range s.streams {
		total.Events += int(t.events.Load())
		total.Bytes += t.bytes.Load()
	}
	return &total, nil
}

// times ends all streams and returns when each event was received, by stream and index.
func (s *subscriber) times() ([][]int64, error) {
	s.cancel()
	s.running.Wait()
	if err := s.failure.Load(); err != nil {
		return nil, *err
	}
	all := make([][]int64, len(s.streams))
	for i, t := range s.streams {
		all[i] = t.times
	}
	return all, nil
}

func (s *subscriber) close() {
	s.cancel()
	s.running.Wait()
	for _, conn := range s.conns {
		_ = conn.Close()
	}
	for _, client := range s.clients {
		_ = client.Close()
	}
}
