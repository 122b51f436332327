package ingest

import (
	"context"
	"log/slog"
	"net"
	"net/http"
)

// maxHeaderBytes bounds a request's headers; net/http adds 4 KiB of its own.
const maxHeaderBytes = 16 << 10

// A Server serves the public port over HTTP/1.1.
type Server struct {
	http *http.Server
}

// NewServer returns a server that isn't serving yet.
func NewServer(o Options) *Server {
	o = o.withDefaults()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &Server{&http.Server{
		Handler:                      newHandler(o),
		Protocols:                    protocols,
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            o.ReadHeaderTimeout,
		ReadTimeout:                  o.ReadTimeout,
		WriteTimeout:                 o.WriteTimeout,
		IdleTimeout:                  o.IdleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		ErrorLog:                     slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
		ConnContext:                  withConn,
		ConnState:                    connState,
	}}
}

// Serve takes requests from a listener until Shutdown or Close, and then returns http.ErrServerClosed.
func (s *Server) Serve(l net.Listener) error { return s.http.Serve(listener{l}) }

// Shutdown takes no new requests, waits for those under way, and closes their connections. It returns the context's error if
// that ends first.
func (s *Server) Shutdown(ctx context.Context) error { return s.http.Shutdown(ctx) }

// Close closes the listeners and every connection at once.
func (s *Server) Close() error { return s.http.Close() }
