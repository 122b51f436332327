package straw

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// An Option changes how a client connects. Of two options about the same thing the later one counts.
type Option func(*options)

type options struct {
	plaintext bool
	tls       *tls.Config
	token     func(context.Context) (string, error)
	extra     []grpc.DialOption
}

// WithTLS connects over TLS, to a loopback address too. Put the client's certificate into the config for mutual TLS; nil
// means the system's roots and no certificate.
func WithTLS(config *tls.Config) Option {
	return func(o *options) { o.plaintext, o.tls = false, config }
}

// WithPlaintext connects without TLS. Only for a network that is trusted end to end.
func WithPlaintext() Option {
	return func(o *options) { o.plaintext = true }
}

// WithToken sends a bearer token with every call.
func WithToken(token string) Option {
	return WithTokenSource(func(context.Context) (string, error) { return token, nil })
}

// WithTokenSource asks for a bearer token at each call. The source should cache; an error fails the call with
// UNAUTHENTICATED.
func WithTokenSource(source func(context.Context) (string, error)) Option {
	return func(o *options) { o.token = source }
}

// WithDialOptions appends options of gRPC, such as interceptors and stats handlers. They count over this package's own.
func WithDialOptions(opts ...grpc.DialOption) Option {
	return func(o *options) { o.extra = append(o.extra, opts...) }
}

// maxReceive admits an event of the largest size (3 MiB) with room to spare.
const maxReceive = 8 << 20

// retryReads lets gRPC itself repeat the calls that only read, when the gateway can't be reached for a moment.
const retryReads = `{"methodConfig": [{
	"name": [
		{"service": "straw.v1.EventService", "method": "GetEvent"},
		{"service": "straw.v1.EventService", "method": "ListEvents"},
		{"service": "straw.v1.SubscriptionService", "method": "GetSubscription"},
		{"service": "straw.v1.SubscriptionService", "method": "ListSubscriptions"},
		{"service": "straw.v1.SubscriptionService", "method": "ListDeadLetters"},
		{"service": "straw.v1.ExportService", "method": "GetExport"},
		{"service": "straw.v1.ExportService", "method": "ListExports"},
		{"service": "straw.v1.GatewayService", "method": "GetStatus"}
	],
	"retryPolicy": {
		"maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
		"retryableStatusCodes": ["UNAVAILABLE"]
	}
}]}`

func (o *options) dialOptions(host string, local bool) ([]grpc.DialOption, error) {
	if o.plaintext && !local && o.token != nil {
		return nil, fmt.Errorf("straw: a token sent to %s without TLS could be read on the way; connect with WithTLS", host)
	}
	creds := insecure.NewCredentials()
	if !o.plaintext {
		creds = credentials.NewTLS(o.tls)
	}
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithUserAgent("straw-go"),
		grpc.WithDefaultServiceConfig(retryReads),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReceive)),
		grpc.WithChainUnaryInterceptor(typedUnary),
		grpc.WithChainStreamInterceptor(typedStream),
		// Heartbeats tell a dead stream; pings are for calls that are waiting, and for connections that a NAT has dropped.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
		// Subscriptions wait by themselves; gRPC's own wait, up to two minutes, would come on top.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: minBackoff, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second},
			MinConnectTimeout: 10 * time.Second,
		}),
	}
	if o.token != nil {
		opts = append(opts, grpc.WithPerRPCCredentials(bearer{o.token, !o.plaintext}))
	}
	return append(opts, o.extra...), nil
}

// bearer adds the token to each call.
type bearer struct {
	token  func(context.Context) (string, error)
	secure bool
}

func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := b.token(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

func (b bearer) RequireTransportSecurity() bool { return b.secure }
