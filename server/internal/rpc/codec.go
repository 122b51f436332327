package rpc

import (
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec that everything but frames goes to
	"google.golang.org/grpc/mem"

	"github.com/straw-gateway/straw/server/internal/stream"
)

// codec sends a stream.Frame's bytes as they are, shared by all its readers and never copied here, and a piece of a file from
// where it was read to. It passes every other message to protobuf, and takes the name of the codec that it stands in for, so
// that no client can tell.
type codec struct {
	encoding.CodecV2
}

func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

// Marshal implements encoding.CodecV2. The buffers it makes of frames are unpooled: their bytes are never changed or reused,
// so nothing waits for the transport to let go of them.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if p, ok := v.(*piece); ok {
		return p.buffers(), nil
	}
	f, ok := v.(*stream.Frame)
	if !ok {
		return c.CodecV2.Marshal(v)
	}
	parts := f.Parts()
	out := make(mem.BufferSlice, len(parts))
	for i, p := range parts {
		out[i] = mem.SliceBuffer(p)
	}
	return out, nil
}
