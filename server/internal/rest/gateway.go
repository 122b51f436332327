package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	gatewayv1 "github.com/straw-gateway/straw/gen/go/gateway/straw/v1"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/share"
)

// A gateway serves the API's routes.
type gateway struct {
	mux          *runtime.ServeMux
	withoutQuery map[route]bool
	own          map[route]bool // those that registerOwn adds
	share        *share.Share
}

// The query parser is grpc-gateway's one setting that is global.
var useQueryParser = sync.OnceFunc(func() { runtime.NewServeMux(runtime.SetQueryParameterParser(&queryParser{})) })

func newGateway(o Options) (*gateway, error) {
	conn := o.Conn
	useQueryParser()
	g := &gateway{withoutQuery: withoutQuery(), own: map[route]bool{}, share: o.Share}
	g.mux = runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, &codec{}),
		// Splits the path before it unescapes the parts, so that an id may hold any character.
		runtime.WithUnescapingMode(runtime.UnescapingModeAllExceptSlash),
		runtime.WithDisableHTTPMethodOverride(),
		runtime.WithDisablePathLengthFallback(),
		runtime.WithIncomingHeaderMatcher(toMetadata),
		runtime.WithOutgoingHeaderMatcher(keepBack),
		runtime.WithOutgoingTrailerMatcher(keepBack),
		runtime.WithErrorHandler(func(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error) {
			writeError(w, err)
		}),
		runtime.WithRoutingErrorHandler(g.handleRoutingError),
		runtime.WithMiddlewares(g.strictly, g.inTurns),
		runtime.WithForwardResponseOption(awaitTurn),
		runtime.WithWriteContentLength(),
	)
	ctx := context.Background() // registering keeps none
	for _, err := range []error{
		gatewayv1.RegisterEventServiceHandlerClient(ctx, g.mux, strawv1.NewEventServiceClient(conn)),
		gatewayv1.RegisterSubscriptionServiceHandlerClient(ctx, g.mux, strawv1.NewSubscriptionServiceClient(conn)),
		gatewayv1.RegisterExportServiceHandlerClient(ctx, g.mux, strawv1.NewExportServiceClient(conn)),
		gatewayv1.RegisterGatewayServiceHandlerClient(ctx, g.mux, strawv1.NewGatewayServiceClient(conn)),
	} {
		if err != nil {
			return nil, err
		}
	}
	return g, g.registerOwn(conn, o.Exports)
}

// registerOwn adds the routes that grpc-gateway can't serve to the letter. They come before its own.
func (g *gateway) registerOwn(conn grpc.ClientConnInterface, exports Exports) error {
	type own struct {
		method, pattern string
		handler         runtime.HandlerFunc
	}
	subscribe := &subscriber{client: strawv1.NewEventServiceClient(conn), mux: g.mux, share: g.share}
	routes := []own{{http.MethodGet, subscribePath, subscribe.serve}, {http.MethodPost, subscribePath, subscribe.serve}}
	if exports != nil {
		download := downloader{exports}
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			routes = append(routes, own{method, downloadPath, download.serve})
			g.withoutQuery[route(method+" "+downloadPath)] = true
		}
	}
	for _, r := range routes {
		g.own[route(r.method+" "+r.pattern)] = true
		if err := g.mux.HandlePath(r.method, r.pattern, r.handler); err != nil {
			return fmt.Errorf("%s %s: %w", r.method, r.pattern, err)
		}
	}
	return nil
}

// passedOn are the headers that the API, or this package on its behalf, reads. Every other one is dropped on arrival, and
// so can't be taken for anything: not X-Forwarded-For, not Grpc-Metadata-*, not Grpc-Timeout.
var passedOn = []string{
	"Accept", "Authorization", "Content-Type", "If-Match", "If-None-Match", "If-Range", "Last-Event-Id", "Range", consumeHeader, "Traceparent", "Tracestate",
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	caller := callerOf(r)
	clean := r.WithContext(share.WithCaller(peer.NewContext(r.Context(), &peer.Peer{Addr: caller}), accountOf(caller)))
	clean.Host = "" // would travel as x-forwarded-host
	clean.Header = make(http.Header, len(passedOn))
	for _, name := range passedOn {
		if values, ok := r.Header[name]; ok {
			clean.Header[name] = values
		}
	}
	g.mux.ServeHTTP(w, clean)
}

// callerOf is the address that the request's connection came from, whatever its headers claim. Behind a proxy all callers are
// one.
func callerOf(r *http.Request) net.Addr {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return &net.UnixAddr{Net: "unknown", Name: r.RemoteAddr}
	}
	return net.TCPAddrFromAddrPort(addr)
}

// accountOf is who pays for a caller's work, the same as if it came over gRPC.
func accountOf(caller net.Addr) string {
	host, _, err := net.SplitHostPort(caller.String())
	if err != nil {
		return share.Account(caller.String())
	}
	return share.Account(host)
}

// toMetadata names the headers that travel as gRPC metadata. Authorization does so without being asked.
func toMetadata(header string) (string, bool) {
	return strings.ToLower(header), header == "Traceparent" || header == "Tracestate"
}

// keepBack keeps the API's metadata to itself.
func keepBack(string) (string, bool) { return "", false }

// strictly bounds a request's body before anything reads it, and refuses query parameters where none are read.
func (g *gateway) strictly(next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, path map[string]string) {
		if p, ok := w.(*probe); ok {
			p.found = true
			return
		}
		if err := readBody(w, r); err != nil {
			refuse(w, r, err)
			return
		}
		if r.URL.RawQuery != "" && g.withoutQuery[routeOf(r)] {
			refuse(w, r, status.Error(codes.InvalidArgument, unread(r.URL).Error()))
			return
		}
		next(w, r, path)
	}
}

// readBody replaces the body by one that is there in full; a GET or DELETE has none that counts. A page of another origin can
// have a browser send a body without asking first, but not one that says it is JSON.
func readBody(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodDelete {
		r.Body = http.NoBody
		return nil
	}
	limit := int64(maxBody)
	isJSON := saysJSON(r.Header)
	if !isJSON {
		limit = 0 // what has no body needs no type
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	r.Body = io.NopCloser(bytes.NewReader(body))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge) && !isJSON:
		return &runtime.HTTPStatusError{HTTPStatus: http.StatusUnsupportedMediaType, Err: status.Errorf(codes.InvalidArgument,
			"body: its Content-Type is %.100q; send JSON, and say so with the header `Content-Type: application/json`",
			strings.Join(r.Header.Values("Content-Type"), ", "))}
	case errors.As(err, &tooLarge):
		return &runtime.HTTPStatusError{HTTPStatus: http.StatusRequestEntityTooLarge,
			Err: status.Errorf(codes.InvalidArgument, "body: it has more than %d bytes", tooLarge.Limit)}
	case err != nil:
		return status.Errorf(codes.InvalidArgument, "body: it ended early: %v", err)
	}
	return nil
}

func saysJSON(h http.Header) bool {
	types := h.Values("Content-Type")
	if len(types) != 1 {
		return false
	}
	kind, _, err := mime.ParseMediaType(types[0])
	return err == nil && kind == "application/json"
}

// refuse answers a request that never becomes a call, in the form that its route's errors have.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	if r.URL.Path == subscribePath {
		fail(w, framingFor(r.Header), err)
		return
	}
	writeError(w, err)
}

func (g *gateway) handleRoutingError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, code int) {
	if _, ok := w.(*probe); ok {
		return
	}
	switch code {
	case http.StatusNotFound:
		writeNotFound(w, r.URL.Path)
	case http.StatusMethodNotAllowed:
		writeMethodNotAllowed(w, r.Method, strings.Join(allowed(g.mux, r), ", "))
	default:
		writeError(w, status.Error(codes.InvalidArgument, "path: it must begin with a slash"))
	}
}
