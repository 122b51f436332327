package inprocess

import (
	"context"
	"io"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// A call is a stream, seen from both ends.
type call struct {
	*head
	conn    *Conn
	method  streamMethod
	request any
	frames  chan mem.BufferSlice // unbuffered: a send is a hand-over
	ended   chan struct{}        // closed when the service has returned
	err     error                // what it returned, as a status; read it after ended
}

// NewStream implements grpc.ClientConnInterface. As with any connection, the caller must cancel the context or receive until
// an error, io.EOF included.
func (c *Conn) NewStream(ctx context.Context, _ *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	m, ok := c.streams[method]
	if !ok {
		return nil, unimplemented(method)
	}
	s := &clientStream{
		call: &call{head: newHead(method), conn: c, method: m, frames: make(chan mem.BufferSlice), ended: make(chan struct{})},
		ctx:  ctx, codec: c.options.Codec,
	}
	for _, o := range opts {
		switch o := o.(type) {
		case grpc.ForceCodecV2CallOption:
			s.codec = o.CodecV2
		case grpc.HeaderCallOption, grpc.TrailerCallOption:
			s.opts = append(s.opts, o)
		}
	}
	return s, nil
}

// serve runs the service to its end.
func (c *call) serve(ctx context.Context) {
	defer c.conn.calls.Done()
	ctx, cancel := context.WithCancel(arrive(ctx, c.head))
	defer cancel()
	handler := c.method.Handler
	for _, interceptor := range slices.Backward(c.conn.options.Stream) {
		next := handler
		handler = func(impl any, s grpc.ServerStream) error { return interceptor(impl, s, c.method.info, next) }
	}
	if err := handler(c.method.impl, &serverStream{call: c, ctx: ctx}); err != nil {
		c.err = asStatus(err)
	}
	c.begin()
	close(c.ended)
}

// A clientStream is the caller's end.
type clientStream struct {
	*call
	ctx     context.Context
	codec   encoding.CodecV2
	opts    []grpc.CallOption
	started bool
}

// Context implements grpc.ClientStream.
func (s *clientStream) Context() context.Context { return s.ctx }

// SendMsg implements grpc.ClientStream. The request is the service's from here on.
func (s *clientStream) SendMsg(m any) error {
	if s.request != nil {
		return status.Error(codes.Internal, "a stream takes one request")
	}
	s.request = m
	return nil
}

// CloseSend implements grpc.ClientStream: the service begins.
func (s *clientStream) CloseSend() error {
	if s.started {
		return nil
	}
	s.started = true
	if s.err = s.conn.enter(s.ctx, s.request); s.err != nil {
		s.begin()
		close(s.ended)
		return s.err
	}
	go s.serve(s.ctx)
	return nil
}

// RecvMsg implements grpc.ClientStream.
func (s *clientStream) RecvMsg(m any) error {
	select {
	case data := <-s.frames:
		defer data.Free()
		if err := s.codec.Unmarshal(data, m); err != nil {
			return status.Errorf(codes.Internal, "a message can't be decoded: %v", err)
		}
		return nil
	case <-s.ended:
		s.tell(s.opts)
		if s.err != nil {
			return s.err
		}
		return io.EOF
	case <-s.ctx.Done():
		return asStatus(s.ctx.Err())
	}
}

// Header implements grpc.ClientStream.
func (s *clientStream) Header() (metadata.MD, error) {
	select {
	case <-s.begun:
		header, _ := s.get()
		return header, nil
	case <-s.ctx.Done():
		return nil, asStatus(s.ctx.Err())
	}
}

// Trailer implements grpc.ClientStream.
func (s *clientStream) Trailer() metadata.MD {
	_, trailer := s.get()
	return trailer
}

// A serverStream is the service's end.
type serverStream struct {
	*call
	ctx  context.Context
	read bool
}

// Context implements grpc.ServerStream.
func (s *serverStream) Context() context.Context { return s.ctx }

// SetTrailer implements grpc.ServerStream.
func (s *serverStream) SetTrailer(md metadata.MD) { _ = s.head.SetTrailer(md) } // it has no errors

// RecvMsg implements grpc.ServerStream.
func (s *serverStream) RecvMsg(m any) error {
	if s.read {
		return io.EOF
	}
	s.read = true
	return lend(m, s.request)
}

// SendMsg implements grpc.ServerStream. It returns when the caller has come for the message. What is pinned until then is the
// message as the codec made it.
func (s *serverStream) SendMsg(m any) error {
	data, err := s.conn.options.Codec.Marshal(m)
	if err != nil {
		return status.Errorf(codes.Internal, "a message can't be encoded: %v", err)
	}
	s.begin()
	select {
	case s.frames <- data:
		return nil
	case <-s.ctx.Done():
		data.Free()
		return asStatus(s.ctx.Err())
	}
}
