package rpc

import (
	"encoding/binary"

	"golang.org/x/net/http2"
)

const (
	frameHeaderSize = 9
	// frameCost is what a frame costs beside its bytes: it gets a buffer of its own, and a place in a queue.
	frameCost = 512
)

// A frameScanner follows the HTTP/2 frames of one direction of a connection, by their headers, however reads or writes cut them.
type frameScanner struct {
	skip   int // bytes until the next header
	header [frameHeaderSize]byte
	have   int // of the header
}

// scan calls found for each frame whose header ends in b. It stops at an error, and returns it.
func (s *frameScanner) scan(b []byte, found func(http2.FrameHeader) error) error {
	for len(b) > 0 {
		if s.skip > 0 {
			n := min(s.skip, len(b))
			s.skip, b = s.skip-n, b[n:]
			continue
		}
		n := copy(s.header[s.have:], b)
		if s.have, b = s.have+n, b[n:]; s.have < frameHeaderSize {
			return nil
		}
		h := http2.FrameHeader{
			Length: uint32(s.header[0])<<16 | uint32(s.header[1])<<8 | uint32(s.header[2]), Type: http2.FrameType(s.header[3]),
			Flags: http2.Flags(s.header[4]), StreamID: binary.BigEndian.Uint32(s.header[5:]) & (1<<31 - 1),
		}
		s.have, s.skip = 0, int(h.Length)
		if err := found(h); err != nil {
			return err
		}
	}
	return nil
}
