package straw

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"google.golang.org/grpc"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// DefaultTarget is where a gateway listens for gRPC unless told otherwise.
const DefaultTarget = "127.0.0.1:9090"

// A Client calls one gateway. It is safe for concurrent use, and one per program is enough: its calls share a connection.
type Client struct {
	conn   *grpc.ClientConn
	dial   func() (*grpc.ClientConn, error)
	closed context.Context // ends with Close
	close  context.CancelFunc

	mu      sync.Mutex
	holders int  // consumers that still settle
	ending  bool // closed, as soon as nobody holds it
}

// ErrClosed ends the subscriptions and consumers of a client that is closed.
var ErrClosed = errors.New("straw: the client was closed")

// Dial makes a client of the gateway at target: `host:port`, or any target that gRPC knows, such as `dns:///host:port` or
// `unix:///path`. Empty means DefaultTarget. It does no I/O: a gateway that isn't there shows in the first call.
//
// The connection is plaintext if target is a loopback address or a unix socket, and TLS with the system's roots otherwise.
func Dial(target string, opts ...Option) (*Client, error) {
	if target == "" {
		target = DefaultTarget
	}
	host, local, err := parseTarget(target)
	if err != nil {
		return nil, err
	}
	o := options{plaintext: local}
	for _, opt := range opts {
		opt(&o)
	}
	dialOptions, err := o.dialOptions(host, local)
	if err != nil {
		return nil, err
	}
	dial := func() (*grpc.ClientConn, error) { return grpc.NewClient(target, dialOptions...) }
	conn, err := dial()
	if err != nil {
		return nil, fmt.Errorf("straw: gateway address %q: %w", target, err)
	}
	c := &Client{conn: conn, dial: dial}
	c.closed, c.close = context.WithCancel(context.Background())
	return c, nil
}

// Close ends every subscription of the client with ErrClosed, and every other call with CANCELED. Consumers drain first:
// wait for them to end, or else what they still have to settle is lost with the program. Close itself doesn't wait.
func (c *Client) Close() error {
	c.close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending = true
	if c.holders > 0 {
		return nil
	}
	return c.conn.Close()
}

// hold keeps the connection open over Close, until letGo.
func (c *Client) hold() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending {
		return ErrClosed
	}
	c.holders++
	return nil
}

func (c *Client) letGo() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.holders--; c.ending && c.holders == 0 {
		_ = c.conn.Close() // a second Close is all that it could complain about
	}
}

// Conn is the connection, for what this package has no name for.
func (c *Client) Conn() *grpc.ClientConn { return c.conn }

// Events returns the stub of EventService. Subscribe through the client's own method, which reconnects.
func (c *Client) Events() strawv1.EventServiceClient { return strawv1.NewEventServiceClient(c.conn) }

// Subscriptions returns the stub of SubscriptionService.
func (c *Client) Subscriptions() strawv1.SubscriptionServiceClient {
	return strawv1.NewSubscriptionServiceClient(c.conn)
}

// Exports returns the stub of ExportService.
func (c *Client) Exports() strawv1.ExportServiceClient { return strawv1.NewExportServiceClient(c.conn) }

// Gateway returns the stub of GatewayService.
func (c *Client) Gateway() strawv1.GatewayServiceClient {
	return strawv1.NewGatewayServiceClient(c.conn)
}

// parseTarget returns the target's host, and whether it is this machine.
func parseTarget(target string) (host string, local bool, err error) {
	if strings.HasPrefix(target, "unix:") || strings.HasPrefix(target, "unix-abstract:") {
		return "", true, nil
	}
	address := target
	if _, rest, ok := strings.Cut(target, "://"); ok {
		address = rest[strings.LastIndex(rest, "/")+1:]
	}
	host, _, err = net.SplitHostPort(address)
	if err != nil {
		return "", false, fmt.Errorf("straw: gateway address %q isn't host:port, such as %s", target, DefaultTarget)
	}
	ip := net.ParseIP(host)
	return host, host == "localhost" || ip != nil && ip.IsLoopback(), nil
}

// typedUnary and typedStream give errors their type, whichever stub a call goes through.
func typedUnary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return wrapError(next(ctx, method, req, reply, cc, opts...))
}

func typedStream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := next(ctx, desc, cc, method, opts...)
	if err != nil {
		return nil, wrapError(err)
	}
	return stream{s}, nil
}

type stream struct{ grpc.ClientStream }

func (s stream) RecvMsg(m any) error { return wrapError(s.ClientStream.RecvMsg(m)) }
