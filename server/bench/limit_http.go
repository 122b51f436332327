package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/straw-gateway/straw/server/internal/convert"
	"github.com/straw-gateway/straw/server/internal/event"
)

// leanWebhook is the least that a webhook handler can do: read the body, verify its signature against one secret, convert
// it, hand it to store, and answer. It has no limits, no deadlines, no logs and no metrics.
type leanWebhook struct {
	store func(*event.Draft) error
	macs  sync.Pool
}

func newLeanWebhook(store func(*event.Draft) error) *leanWebhook {
	return &leanWebhook{store: store, macs: sync.Pool{New: func() any { return hmac.New(sha256.New, []byte(webhookSecret)) }}}
}

var (
	jsonHeader = []string{"application/json"}
	received   = []byte(`{"received":true}`)
)

func (h *leanWebhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := make([]byte, max(r.ContentLength, 0))
	if _, err := io.ReadFull(r.Body, body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !h.signed(body, r.Header[signatureHeader]) {
		http.Error(w, "Invalid signature", http.StatusUnauthorized)
		return
	}
	if err := h.store(convert.Convert(body, convert.Request{ReceiveTime: time.Now()})); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header()["Content-Type"] = jsonHeader
	_, _ = w.Write(received)
}

func (h *leanWebhook) signed(body []byte, header []string) bool {
	var given, want [sha256.Size]byte
	if len(header) != 1 || len(header[0]) != hex.EncodedLen(sha256.Size) {
		return false
	}
	if _, err := hex.Decode(given[:], []byte(header[0])); err != nil {
		return false
	}
	mac := h.macs.Get().(hash.Hash)
	defer h.macs.Put(mac)
	mac.Reset()
	mac.Write(body)
	return hmac.Equal(mac.Sum(want[:0]), given[:])
}

// serveHTTP serves a handler on a free loopback port until stop is called.
func serveHTTP(h http.Handler) (addr string, stop func(), err error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: h}
	go func() { _ = server.Serve(listener) }()
	return listener.Addr().String(), func() { _ = server.Close() }, nil
}

// serveMetrics serves the Go collectors that Straw serves too, at the same path.
func serveMetrics() (addr string, stop func(), err error) {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.Handler())
	return serveHTTP(mux)
}
