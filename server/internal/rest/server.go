package rest

import (
	"net/http"
	"time"
)

// Limits on what arrives, and on how long it may take. Streams lift the last one for themselves.
const (
	readHeaderTimeout = 5 * time.Second
	idleTimeout       = 60 * time.Second
	maxHeaders        = 16 << 10
	maxBody           = 1 << 20
	readTimeout       = 10 * time.Second
	writeTimeout      = 15 * time.Second
)

// NewServer returns a server for the handler with limits on what arrives. Set its ErrorLog to keep what net/http has to say
// in the gateway's own log.
func NewServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaders,
		ConnContext:       withConn,
	}
}
