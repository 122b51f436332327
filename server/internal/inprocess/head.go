package inprocess

import (
	"errors"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// A head is the metadata that a service answers a call with. It implements grpc.ServerTransportStream.
type head struct {
	method string
	begun  chan struct{} // closed when the header can't change any more

	mu      sync.Mutex
	sent    bool
	header  metadata.MD
	trailer metadata.MD
}

func newHead(method string) *head { return &head{method: method, begun: make(chan struct{})} }

var errHeaderSent = errors.New("the header was sent already")

// Method implements grpc.ServerTransportStream.
func (h *head) Method() string { return h.method }

// SetHeader implements grpc.ServerTransportStream.
func (h *head) SetHeader(md metadata.MD) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sent {
		return errHeaderSent
	}
	h.header = metadata.Join(h.header, md)
	return nil
}

// SendHeader implements grpc.ServerTransportStream.
func (h *head) SendHeader(md metadata.MD) error {
	if err := h.SetHeader(md); err != nil {
		return err
	}
	h.begin()
	return nil
}

// SetTrailer implements grpc.ServerTransportStream.
func (h *head) SetTrailer(md metadata.MD) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trailer = metadata.Join(h.trailer, md)
	return nil
}

// begin lets the header go. Idempotent.
func (h *head) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.sent {
		h.sent = true
		close(h.begun)
	}
}

func (h *head) get() (header, trailer metadata.MD) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.header.Copy(), h.trailer.Copy()
}

// tell gives a unary call's caller what it asked for by its options.
func (h *head) tell(opts []grpc.CallOption) {
	header, trailer := h.get()
	for _, o := range opts {
		switch o := o.(type) {
		case grpc.HeaderCallOption:
			*o.HeaderAddr = header
		case grpc.TrailerCallOption:
			*o.TrailerAddr = trailer
		}
	}
}
