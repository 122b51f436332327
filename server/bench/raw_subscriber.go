package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// How a raw subscriber reads.
const (
	// readAll answers everything as it should; for idle streams.
	readAll = "all"
	// readNoWindow reads the socket and answers pings, but grants no window beyond the first 64 KiB: a program that has
	// stopped calling Recv.
	readNoWindow = "no-window"
	// readNothing grants the largest windows and then never reads the socket: a program that is stopped, or hostile.
	readNothing = "nothing"
)

// RawSubscriberConfig is a number of streams from one process.
type RawSubscriberConfig struct {
	Addr    string
	Streams int
	PerConn int
	Read    string
	// Earliest starts at the earliest event instead of at the head.
	Earliest bool
}

// rawSubscriber opens streams with bare HTTP/2 frames: 10,000 of grpc-go's connections in one process would take the
// machine's memory and minutes of its time, and grpc-go always reads its socket.
type rawSubscriber struct {
	config  RawSubscriberConfig
	conns   []*rawConn
	begun   atomic.Int64 // streams that have had a frame
	ended   atomic.Int64
	closing atomic.Bool
	failure atomic.Pointer[error]
	running sync.WaitGroup
}

type rawConn struct {
	owner  *rawSubscriber
	conn   net.Conn
	mu     sync.Mutex // guards framer's writing
	framer *http2.Framer
	begun  map[uint32]bool
}

const largestWindow = math.MaxInt32

func openRawSubscriber(config RawSubscriberConfig) (*rawSubscriber, any, error) {
	r := &rawSubscriber{config: config}
	if err := r.open(); err != nil {
		r.close()
		return nil, nil, err
	}
	return r, struct{}{}, nil
}

// open opens the streams and waits until each has had its first frame, which tells that the server is done opening it.
func (r *rawSubscriber) open() error {
	request, err := r.request()
	if err != nil {
		return err
	}
	for left := r.config.Streams; left > 0; left -= r.config.PerConn {
		if err := r.dial(min(left, r.config.PerConn), request); err != nil {
			return err
		}
	}
	if r.config.Read == readNothing {
		return nil
	}
	return eventually(time.Minute, func() (bool, error) {
		if err := r.failure.Load(); err != nil {
			return false, *err
		}
		return int(r.begun.Load()) == r.config.Streams, nil
	})
}

// request is the SubscribeRequest in gRPC's envelope.
func (r *rawSubscriber) request() ([]byte, error) {
	m := &strawv1.SubscribeRequest{HeartbeatInterval: durationpb.New(time.Minute)}
	if r.config.Earliest {
		m.Start = &strawv1.SubscribeRequest_StartPosition{StartPosition: strawv1.StartPosition_EARLIEST}
	}
	body, err := proto.Marshal(m)
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))), body...), nil
}

func (r *rawSubscriber) dial(streams int, request []byte) error {
	dialer := net.Dialer{Timeout: 20 * time.Second}
	if r.config.Read == readNothing {
		dialer.Control = smallReceiveBuffer
	}
	conn, err := dialer.DialContext(context.Background(), "tcp4", r.config.Addr)
	if err != nil {
		return err
	}
	c := &rawConn{owner: r, conn: conn, framer: http2.NewFramer(conn, conn), begun: map[uint32]bool{}}
	r.conns = append(r.conns, c)
	if err := c.greet(r.config.Read == readNothing); err != nil {
		return err
	}
	for i := range streams {
		if err := c.subscribe(uint32(2*i+1), request, r.config.Addr); err != nil {
			return err
		}
	}
	if r.config.Read != readNothing {
		r.running.Go(c.serve)
	}
	return nil
}

// smallReceiveBuffer keeps what is never read out of the kernel's memory as well as it can.
func smallReceiveBuffer(_, _ string, raw syscall.RawConn) (err error) {
	controlErr := raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
	})
	return errors.Join(controlErr, err)
}

func (c *rawConn) greet(wide bool) error {
	if _, err := c.conn.Write([]byte(http2.ClientPreface)); err != nil {
		return err
	}
	if !wide {
		return c.framer.WriteSettings()
	}
	return errors.Join(
		c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: largestWindow}),
		c.framer.WriteWindowUpdate(0, largestWindow-65535),
	)
}

func (c *rawConn) subscribe(stream uint32, request []byte, authority string) error {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encoder.SetMaxDynamicTableSize(0) // each block stands alone
	for _, field := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", strawv1.EventService_Subscribe_FullMethodName},
		{":authority", authority}, {"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		if err := encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	headers := http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true}
	return errors.Join(c.framer.WriteHeaders(headers), c.framer.WriteData(stream, true, request))
}

// serve answers what the server sends until the connection ends.
func (c *rawConn) serve() {
	for {
		f, err := c.framer.ReadFrame()
		if err == nil {
			err = c.answer(f)
		}
		if err != nil {
			if !c.owner.closing.Load() {
				err = fmt.Errorf("a raw connection ended: %w", err)
				c.owner.failure.CompareAndSwap(nil, &err)
			}
			return
		}
	}
}

func (c *rawConn) answer(f http2.Frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return c.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return c.framer.WritePing(true, f.Data)
		}
	case *http2.DataFrame:
		return c.receive(f)
	case *http2.HeadersFrame:
		if f.StreamEnded() {
			return c.end(f.StreamID)
		}
	case *http2.RSTStreamFrame:
		return c.end(f.StreamID)
	case *http2.GoAwayFrame:
		return fmt.Errorf("the server sent GOAWAY %s: %q", f.ErrCode, f.DebugData())
	}
	return nil
}

func (c *rawConn) receive(f *http2.DataFrame) error {
	if !c.begun[f.StreamID] {
		c.begun[f.StreamID] = true
		c.owner.begun.Add(1)
	}
	if n := uint32(len(f.Data())); c.owner.config.Read == readAll && n > 0 {
		return errors.Join(c.framer.WriteWindowUpdate(0, n), c.framer.WriteWindowUpdate(f.StreamID, n))
	}
	return nil
}

func (c *rawConn) end(stream uint32) error {
	c.owner.ended.Add(1)
	return fmt.Errorf("the server ended stream %d", stream)
}

func (r *rawSubscriber) do(verb string, _ json.RawMessage) (any, error) {
	if verb != "alive" {
		return nil, errVerb(verb)
	}
	if err := r.failure.Load(); err != nil {
		return nil, *err
	}
	return r.config.Streams - int(r.ended.Load()), nil
}

func (r *rawSubscriber) close() {
	r.closing.Store(true)
	for _, c := range r.conns {
		_ = c.conn.Close()
	}
	r.running.Wait()
}
