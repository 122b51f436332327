// Package rpc answers the gRPC API: a file for each service, and errors.go, the only place that knows status codes. It turns
// requests into calls on the packages below, and their answers and errors into messages.
//
// It holds no state of its own beyond counts of open streams, and never reads a socket or a file.
package rpc

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/fanout"
	"github.com/straw-gateway/straw/server/internal/hostname"
	"github.com/straw-gateway/straw/server/internal/inprocess"
	"github.com/straw-gateway/straw/server/internal/share"
	"github.com/straw-gateway/straw/server/internal/signature"
	"github.com/straw-gateway/straw/server/internal/store"
	"github.com/straw-gateway/straw/server/internal/stream"
)

// Limits on what arrives.
const (
	maxRequest       = 1 << 20
	maxHeaders       = 16 << 10
	unaryStreams     = 1_000  // of a connection, beside as many as one caller may have open for long
	maxUnfinished    = 10_000 // calls of one caller whose requests have not been read, streams apart
	handshakeTimeout = 10 * time.Second
	keepaliveTime    = 30 * time.Second
	keepaliveTimeout = 10 * time.Second
	keepaliveMinTime = 5 * time.Second // below what any client's library does by default
	readBuffer       = 4 << 10         // requests are small, and every connection has one
	streamWindow     = 64 << 10        // the least; it grows by a request's size while that is read
	connectionWindow = 1 << 20
)

// DefaultMaxStreams is how many streams one caller may have open, unless told otherwise.
const DefaultMaxStreams = 10_000

// DefaultRequestTimeout is how long a call's request may take to arrive, unless told otherwise. It has at most 1 MiB.
const DefaultRequestTimeout = 10 * time.Second

// Options are what the API is served from.
type Options struct {
	Log     store.Log
	Engine  string // the store engine's name, for GetStatus
	Hub     *fanout.Hub
	Streams *stream.Streams
	// Subscriptions are the durable ones; nil for an engine that has none.
	Subscriptions store.Subscriptions
	Secrets       Secrets
	Quota         Quota
	Version       string
	Logger        *slog.Logger
	// Exports, Blobs and Fetcher serve exports; without them ExportService is unimplemented.
	Exports store.Exports
	Blobs   blob.Blobs
	Fetcher Refetcher
	// Juicebox is called to register webhooks; without it that is unimplemented.
	Juicebox Juicebox
	// RegisterHosts are the hosts that webhooks may be registered for.
	RegisterHosts hostname.Set
	// Share is what callers' work takes its turns of; nil: it needn't wait.
	Share *share.Share
	// MaxStreams bounds the streams of one caller; zero means DefaultMaxStreams.
	MaxStreams int
	// RequestTimeout is how long a call's request may take to arrive; zero means DefaultRequestTimeout.
	RequestTimeout time.Duration
}

// Secrets are the webhook secrets. Status tells of them without giving them away.
type Secrets interface {
	Status() []signature.Status
	// First returns the first secret, which new registrations are signed with, and its fingerprint.
	First() (secret, fingerprint string)
}

// Quota tells of the newest quota.warning event; nil if there is none.
type Quota interface {
	Latest() *strawv1.Event
}

// A Server serves the API. Serve it on as many listeners as you like, and to the process itself by InProcess.
type Server struct {
	*grpc.Server
	inProcess *inprocess.Conn
	health    *health.Server
	quota     *quota
	exports   *exportService
}

// NewServer returns a server that is healthy and serves once it is given a listener.
func NewServer(o Options) *Server {
	if o.MaxStreams == 0 {
		o.MaxStreams = DefaultMaxStreams
	}
	if o.RequestTimeout == 0 {
		o.RequestTimeout = DefaultRequestTimeout
	}
	s := &Server{health: health.NewServer(), quota: newQuota(o.MaxStreams, tooManyStreams)}
	recovery, arrivals := recoverer{o.Logger}, newEntrance(o, s.quota)
	unary := []grpc.UnaryServerInterceptor{recovery.unary, arrivals.unaryArrived, newCallLimits().unary, validateUnary}
	streams := []grpc.StreamServerInterceptor{recovery.stream, arrivals.streamArrives}
	s.inProcess = inprocess.New(inprocess.Options{Codec: newCodec(), MaxRequest: maxRequest, Unary: unary, Stream: streams})
	s.Server = grpc.NewServer(
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(maxRequest),
		grpc.MaxHeaderListSize(maxHeaders),
		// Unset it would leave rapid resets unbounded. One caller's streams never reach it: a client waits at this limit without
		// a word, and the caller's quota has an error.
		grpc.MaxConcurrentStreams(uint32(o.MaxStreams)+unaryStreams),
		grpc.ReadBufferSize(readBuffer),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveMinTime, PermitWithoutStream: true}),
		grpc.Creds(countedCredentials{insecure.NewCredentials(), newBacklog(maxBacklog, maxConnectionBacklog)}),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connectionWindow),
		grpc.InTapHandle(arrivals.let),
		grpc.ChainUnaryInterceptor(unary...),
		grpc.ChainStreamInterceptor(streams...),
	)
	both := registrars{s.Server, s.inProcess}
	strawv1.RegisterEventServiceServer(both, &eventService{log: o.Log, hub: o.Hub, streams: o.Streams, subscriptions: o.Subscriptions, quota: s.quota, share: o.Share})
	strawv1.RegisterGatewayServiceServer(both, &gatewayService{Options: o, started: time.Now(), streams: s.quota})
	registerSubscriptions(both, o)
	s.registerExports(both, o)
	healthv1.RegisterHealthServer(s, s.health)
	reflection.Register(s)
	arrivals.learn(s.Server)
	return s
}

// registrars register a service with each of them.
type registrars []grpc.ServiceRegistrar

// RegisterService implements grpc.ServiceRegistrar.
func (all registrars) RegisterService(d *grpc.ServiceDesc, impl any) {
	for _, r := range all {
		r.RegisterService(d, impl)
	}
}

// InProcess reaches the API from within the process: the same services within the same interceptors. Health and reflection are
// for the network alone.
func (s *Server) InProcess() *inprocess.Conn { return s.inProcess }

func (s *Server) registerExports(to grpc.ServiceRegistrar, o Options) {
	if o.Exports == nil {
		strawv1.RegisterExportServiceServer(to, strawv1.UnimplementedExportServiceServer{})
		return
	}
	s.exports = &exportService{exports: o.Exports, blobs: o.Blobs, fetcher: o.Fetcher, quota: s.quota}
	strawv1.RegisterExportServiceServer(to, s.exports)
}

func registerSubscriptions(to grpc.ServiceRegistrar, o Options) {
	if o.Subscriptions == nil {
		strawv1.RegisterSubscriptionServiceServer(to, strawv1.UnimplementedSubscriptionServiceServer{})
		return
	}
	strawv1.RegisterSubscriptionServiceServer(to, &subscriptionService{log: o.Log, hub: o.Hub, subscriptions: o.Subscriptions, share: o.Share})
}

// Ready makes the health service say whether calls will be answered, until NotServing. A caller may say the same again.
func (s *Server) Ready(ready bool) {
	status := healthv1.HealthCheckResponse_NOT_SERVING
	if ready {
		status = healthv1.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", status)
}

// NotServing makes the health service say so, for good: load balancers look elsewhere while what is open goes on.
func (s *Server) NotServing() { s.health.Shutdown() }

// A recoverer turns a handler's panic into an error of that one call, with the stack in the log.
type recoverer struct{ logger *slog.Logger }

func (r recoverer) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	defer r.recover(info.FullMethod, &err)
	return next(ctx, req)
}

func (r recoverer) stream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer r.recover(info.FullMethod, &err)
	return next(srv, s)
}

func (r recoverer) recover(method string, err *error) {
	if p := recover(); p != nil {
		r.logger.Error("a call panicked; it was answered with INTERNAL", "method", method, "panic", p, "stack", string(debug.Stack()))
		*err = status.Errorf(codes.Internal, "the gateway failed in a way it should not; its log has the details")
	}
}
