// Package rawhttp2 speaks gRPC by single HTTP/2 frames, as a hostile client would; tests attack the gRPC port with it.
//
// It keeps no rule of HTTP/2 by itself: not windows, not limits, not the order of things. It is never part of the gateway.
package rawhttp2

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// patience bounds what a peer does in all, so that no test hangs.
const patience = 2 * time.Minute

// A Peer is a connection to a gRPC port. Not safe for concurrent use, but that one goroutine may read while one writes.
type Peer struct {
	*http2.Framer
	Conn    net.Conn
	headers bytes.Buffer
	encoder *hpack.Encoder
}

// Dial connects and begins to speak; for as long as a test may take at most.
func Dial(ctx context.Context, addr string) (*Peer, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		_ = conn.Close() // it is of no use
		return nil, err
	}
	return New(conn)
}

// New begins to speak on a connection: it sends the preface, with settings. It closes the connection if that fails.
func New(conn net.Conn, settings ...http2.Setting) (*Peer, error) {
	p := &Peer{Framer: http2.NewFramer(conn, conn), Conn: conn}
	p.encoder = hpack.NewEncoder(&p.headers)
	p.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, err := io.WriteString(conn, http2.ClientPreface)
	if err == nil {
		err = p.WriteSettings(settings...)
	}
	if err != nil {
		_ = conn.Close() // it is of no use
		return nil, err
	}
	return p, nil
}

// Request encodes the headers of a call.
func (p *Peer) Request(path string, more ...hpack.HeaderField) []byte {
	p.headers.Reset()
	for _, f := range append([]hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: path}, {Name: ":authority", Value: "straw"},
		{Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"},
	}, more...) {
		_ = p.encoder.WriteField(f) // into a buffer
	}
	return bytes.Clone(p.headers.Bytes())
}

// Open begins a call.
func (p *Peer) Open(stream uint32, path string, more ...hpack.HeaderField) error {
	return p.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: p.Request(path, more...), EndHeaders: true})
}

// Message is a gRPC message's length, as claimed, and as many zero bytes of it.
func Message(claimed, sent int) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(claimed)), make([]byte, sent)...)
}

// Send sends bytes of a call in frames of the usual size; end ends the call's request.
func (p *Peer) Send(stream uint32, data []byte, end bool) error {
	const most = 16 << 10
	for ; len(data) > most; data = data[most:] {
		if err := p.WriteData(stream, false, data[:most]); err != nil {
			return err
		}
	}
	return p.WriteData(stream, end, data)
}

// Discard reads all that comes until the connection ends, and forgets it.
func (p *Peer) Discard() { _, _ = io.Copy(io.Discard, p.Conn) }

// Status reads until a call is answered, and returns its grpc-status, or what it was reset with.
func (p *Peer) Status(stream uint32) (string, error) {
	for {
		f, err := p.ReadFrame()
		if err != nil {
			return "", err
		}
		if f.Header().StreamID != stream {
			continue
		}
		switch f := f.(type) {
		case *http2.RSTStreamFrame:
			return f.ErrCode.String(), nil
		case *http2.MetaHeadersFrame:
			for _, field := range f.Fields {
				if field.Name == "grpc-status" {
					return field.Value, nil
				}
			}
		}
	}
}

// Settings reads the peer's first frame, which says what it allows.
func (p *Peer) Settings() (map[http2.SettingID]uint32, error) {
	f, err := p.ReadFrame()
	if err != nil {
		return nil, err
	}
	settings, ok := f.(*http2.SettingsFrame)
	if !ok {
		return nil, fmt.Errorf("the first frame is %v", f)
	}
	all := map[http2.SettingID]uint32{}
	return all, settings.ForeachSetting(func(s http2.Setting) error {
		all[s.ID] = s.Val
		return nil
	})
}
