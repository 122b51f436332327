// Package inprocess calls gRPC services of this process as a connection would, without one: through the interceptors that a
// network's calls go through, with the caller's metadata, deadline and peer, and with nothing in between that queues. A stream
// hands over one message at a time, when it is asked for, so that a caller who doesn't come for the next one holds the service
// up, as a full transport would.
//
// It never listens, and knows no service by name. Methods whose callers send more than one message aren't served.
package inprocess

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Options are what a Conn is to its services.
type Options struct {
	// Codec encodes what streams send; callers decode it by the same one, or by that of a grpc.ForceCodecV2.
	Codec encoding.CodecV2
	// MaxRequest bounds a request, in bytes as it would be encoded.
	MaxRequest int
	// Unary and Stream are called around every call, the first outermost.
	Unary  []grpc.UnaryServerInterceptor
	Stream []grpc.StreamServerInterceptor
}

// A Conn is both ends: services are registered with it, and then called through it. The caller that services see is the
// peer.Peer in the context of a call.
type Conn struct {
	options Options
	unary   map[string]unaryMethod
	streams map[string]streamMethod

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

type unaryMethod struct {
	grpc.MethodDesc
	impl any
	info *grpc.UnaryServerInfo
}

type streamMethod struct {
	grpc.StreamDesc
	impl any
	info *grpc.StreamServerInfo
}

// New returns a Conn without services.
func New(o Options) *Conn {
	return &Conn{options: o, unary: map[string]unaryMethod{}, streams: map[string]streamMethod{}}
}

// RegisterService implements grpc.ServiceRegistrar. Register before the first call.
func (c *Conn) RegisterService(d *grpc.ServiceDesc, impl any) {
	for _, m := range d.Methods {
		name := fmt.Sprintf("/%s/%s", d.ServiceName, m.MethodName)
		c.unary[name] = unaryMethod{m, impl, &grpc.UnaryServerInfo{Server: impl, FullMethod: name}}
	}
	for _, m := range d.Streams {
		if m.ClientStreams {
			continue // left unimplemented
		}
		name := fmt.Sprintf("/%s/%s", d.ServiceName, m.StreamName)
		c.streams[name] = streamMethod{m, impl, &grpc.StreamServerInfo{FullMethod: name, IsServerStream: m.ServerStreams}}
	}
}

// Invoke implements grpc.ClientConnInterface. It runs the call in the caller's goroutine, gives the service the caller's own
// request, and the caller the service's own parts of its response: neither may change them afterwards.
func (c *Conn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	m, ok := c.unary[method]
	if !ok {
		return unimplemented(method)
	}
	if err := c.enter(ctx, args); err != nil {
		return err
	}
	defer c.calls.Done()
	head := newHead(method)
	defer head.tell(opts)
	// The generated handler would decode a request into a message of its own. This one is there already.
	resp, err := m.Handler(m.impl, arrive(ctx, head), func(any) error { return nil },
		func(ctx context.Context, _ any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			return c.around(ctx, args, m.info, next)
		})
	if err != nil {
		return asStatus(err)
	}
	return lend(reply, resp)
}

// around runs a unary handler within the interceptors.
func (c *Conn) around(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	for _, interceptor := range slices.Backward(c.options.Unary) {
		next := handler
		handler = func(ctx context.Context, req any) (any, error) { return interceptor(ctx, req, info, next) }
	}
	return handler(ctx, req)
}

// enter counts a call in, unless it is none: then the error says why.
func (c *Conn) enter(ctx context.Context, req any) error {
	if err := ctx.Err(); err != nil {
		return asStatus(err)
	}
	m, ok := req.(proto.Message)
	if !ok {
		return status.Errorf(codes.Internal, "a %T is no request", req)
	}
	if n := proto.Size(m); n > c.options.MaxRequest {
		return status.Errorf(codes.ResourceExhausted, "the request has %d bytes, more than %d", n, c.options.MaxRequest)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return status.Error(codes.Unavailable, "the API is closed")
	}
	c.calls.Add(1)
	return nil
}

// Shutdown refuses new calls, and waits until the services have returned from those that there are, or the context ends.
func (c *Conn) Shutdown(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		c.calls.Wait()
	}()
	select {
	case <-returned:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// arrive is a call's context as its service sees it: what went out as metadata has come in.
func arrive(ctx context.Context, head *head) context.Context {
	md, _ := metadata.FromOutgoingContext(ctx)
	ctx = metadata.NewIncomingContext(metadata.NewOutgoingContext(ctx, nil), md)
	return grpc.NewContextWithServerTransportStream(ctx, head)
}

// lend makes a message the same as another of its kind, parts included, without copying these.
func lend(to, from any) error {
	src, ok := from.(proto.Message)
	dst, ok2 := to.(proto.Message)
	if !ok || !ok2 || src.ProtoReflect().Descriptor() != dst.ProtoReflect().Descriptor() {
		return status.Errorf(codes.Internal, "a %T can't be taken for a %T", from, to)
	}
	d := dst.ProtoReflect()
	src.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		d.Set(field, v)
		return true
	})
	d.SetUnknown(src.ProtoReflect().GetUnknown())
	return nil
}

func unimplemented(method string) error {
	return status.Errorf(codes.Unimplemented, "there is no method %s", method)
}

// asStatus is what gRPC would make of a service's error.
func asStatus(err error) error {
	s, ok := status.FromError(err)
	if !ok {
		s = status.FromContextError(err)
	}
	return s.Err()
}
