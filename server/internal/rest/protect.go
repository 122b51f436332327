package rest

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/hostname"
)

// protect guards every answer: nothing is cached, shown within another page or taken for another type than it says, and a
// panic costs one request. A page of another origin can't use a visitor's browser to read or change anything here: neither
// under its own name, which leads here since its owner says so, nor under the gateway's.
func protect(logger *slog.Logger, hosts hostname.Set, next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeForeign(w) }))
	guarded := crossOrigin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer recoverPanic(logger, w, r)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'") // /docs has its own
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch {
		case !addressed(r.Host, hosts):
			writeMisdirected(w, r.Host)
		case fromOtherSite(r):
			writeForeign(w)
		default:
			guarded.ServeHTTP(w, r)
		}
	})
}

// addressed reports whether a request's Host is one of the gateway's. A page of another origin gets to any address by giving
// its own name that address, and is then of one origin with what is served there; but its browser sends that name.
func addressed(host string, hosts hostname.Set) bool {
	name, port, ok := hostname.Split(host)
	return ok && (name == "localhost" || hostname.IsAddress(name) || hosts.Has(name, port, "80", "443"))
}

func writeMisdirected(w http.ResponseWriter, host string) {
	example := "NAME"
	if name, _, ok := hostname.Split(host); ok {
		example = name
	}
	writeStatus(w, http.StatusMisdirectedRequest, hostNotAllowed(host, fmt.Sprintf(
		"the request's Host is %.300q, and this gateway answers only to localhost, to IP addresses, and to hosts that it was told of; "+
			"if that is a name of its own, start it with --http-host %s (STRAW_HTTP_HOST)", host, example)))
}

func hostNotAllowed(host, problem string) *status.Status {
	s := status.New(codes.PermissionDenied, problem)
	described, err := s.WithDetails(&errdetails.ErrorInfo{
		Reason: strawv1.ErrorReason_HOST_NOT_ALLOWED.String(), Domain: domain, Metadata: map[string]string{"host": host, "setting": "http-host"},
	})
	if err != nil {
		return s
	}
	return described
}

// fromOtherSite reports whether a browser says that a page which isn't of this gateway made it send the request. Following a
// link to a page for people is all that such a page may do.
func fromOtherSite(r *http.Request) bool {
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" {
			return !visits(r)
		}
	}
	return false
}

// visits reports whether a request opens a page for people as a page of its own.
func visits(r *http.Request) bool {
	mode, into := r.Header.Get("Sec-Fetch-Mode"), r.Header.Get("Sec-Fetch-Dest")
	return r.Method == http.MethodGet && (r.URL.Path == "/docs" || r.URL.Path == "/console") &&
		(mode == "" || mode == "navigate") && (into == "" || into == "document")
}

func writeForeign(w http.ResponseWriter) {
	writeStatus(w, http.StatusForbidden, withReason(
		status.New(codes.PermissionDenied, "a page of another origin may not call this; call it from a program"), "origin"))
}

func recoverPanic(logger *slog.Logger, w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p) // net/http's own way to end a connection
	}
	logger.Error("a request panicked; it was answered with INTERNAL, or cut if its answer had begun",
		"method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	writeStatus(w, http.StatusInternalServerError,
		status.New(codes.Internal, "the gateway failed in a way it should not; its log has the details"))
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler) // so that what had begun doesn't look complete
}
