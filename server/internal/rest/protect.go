package rest

import (
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// protect guards every answer: nothing is cached or taken for another type than it says, a panic costs one request, and a
// page of another origin can't make a visitor's browser change anything here.
func protect(logger *slog.Logger, next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeStatus(w, http.StatusForbidden, withReason(
			status.New(codes.PermissionDenied, "a page of another origin may not call this; call it from a program"), "origin"))
	}))
	guarded := crossOrigin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer recoverPanic(logger, w, r)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		guarded.ServeHTTP(w, r)
	})
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
