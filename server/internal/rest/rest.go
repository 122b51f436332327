// Package rest is the HTTP port: the API as JSON, through grpc-gateway and calls within the process, Subscribe as
// newline-delimited JSON and as server-sent events, and the pages about the gateway itself: /openapi.json, /docs, /healthz,
// /readyz and /metrics.
//
// It answers no call itself, so that REST and gRPC can't differ (the bytes of exports come to it directly, once the API has
// allowed it), and passes on no header but those that it names. It never
// serves webhooks; they have a port of their own.
package rest

import (
	"errors"
	"log/slog"
	"net/http"

	"google.golang.org/grpc"

	"github.com/straw-gateway/straw/server/internal/hostname"
	"github.com/straw-gateway/straw/server/internal/share"
)

// Options are what the port is served from. Conn and Ready are required.
type Options struct {
	// Conn reaches the API. Its calls come with the HTTP caller as their peer; a stream must not run ahead of its receiver, or
	// what it is ahead by is kept for each reader that doesn't read.
	Conn grpc.ClientConnInterface
	// Exports opens the files that are served as raw bytes; nil leaves their route out.
	Exports Exports
	// Metrics serves /metrics; nil leaves it out.
	Metrics http.Handler
	// Ready says why the gateway should get no traffic; nil if it should.
	Ready func() error
	// Hosts are the names of the gateway that requests may come for, besides localhost and IP addresses.
	Hosts hostname.Set
	// Share gives turns for making long answers; nil for no waiting.
	Share *share.Share
	// Logger takes what operators should know; nil for slog.Default().
	Logger *slog.Logger
}

// New returns the port's handler. Serve it as it is: a http.ServeMux in front would clean paths, and ids with it.
func New(o Options) (http.Handler, error) {
	if o.Conn == nil || o.Ready == nil {
		return nil, errors.New("rest: Conn and Ready are required")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	api, err := newGateway(o)
	if err != nil {
		return nil, err
	}
	docs, err := newDocs()
	if err != nil {
		return nil, err
	}
	pages := map[string]http.Handler{
		"/":             http.RedirectHandler("/docs", http.StatusFound),
		"/docs":         docs,
		"/openapi.json": openAPI(),
		"/healthz":      http.HandlerFunc(healthy),
		"/readyz":       ready(o.Ready),
	}
	if o.Metrics != nil {
		pages["/metrics"] = o.Metrics
	}
	return protect(o.Logger, o.Hosts, direct(pages, api)), nil
}

// direct sends a request to the page of its exact path, and all others to the API.
func direct(pages map[string]http.Handler, api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, ok := pages[r.URL.Path]
		switch {
		case !ok:
			api.ServeHTTP(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			writeMethodNotAllowed(w, r.Method, "GET, HEAD")
		default:
			page.ServeHTTP(w, r)
		}
	})
}
