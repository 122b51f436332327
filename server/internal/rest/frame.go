package rest

import (
	"slices"
	"sync"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec that everything but frames goes to
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// A frame is a SubscribeResponse whose deliveries are still encoded, so that they can be written one by one.
type frame struct {
	deliveries [][]byte
	rest       *strawv1.SubscribeResponse // all other fields
	own        *frameBuffer               // what the deliveries lie in
}

// A frameBuffer is lent to a frame from when it has come until it is written: a stream that waits for its next has none.
type frameBuffer struct {
	encoded    []byte
	deliveries [][]byte
}

var frameBuffers = sync.Pool{New: func() any { return new(frameBuffer) }}

// release gives back what a frame has borrowed; it has no deliveries then. One that was large is dropped.
func (f *frame) release() {
	if f.own != nil && cap(f.own.encoded) <= 2*pieceSize {
		f.own.deliveries = f.deliveries[:0]
		frameBuffers.Put(f.own)
	}
	f.own, f.deliveries = nil, nil
}

var deliveriesField = (&strawv1.SubscribeResponse{}).ProtoReflect().Descriptor().Fields().ByName("deliveries").Number()

// frameCodec receives frames, and passes every other message to protobuf.
type frameCodec struct{ encoding.CodecV2 }

func newFrameCodec() frameCodec { return frameCodec{encoding.GetCodecV2("proto")} }

// Unmarshal implements encoding.CodecV2. A frame keeps a copy of its own: what the message came in is shared by all its
// readers, and is let go while one of them is slow.
func (c frameCodec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*frame)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	f.own = frameBuffers.Get().(*frameBuffer)
	f.own.encoded = slices.Grow(f.own.encoded[:0], data.Len())[:data.Len()]
	data.CopyTo(f.own.encoded)
	f.deliveries = f.own.deliveries
	return f.parse(f.own.encoded)
}

// parse takes over an encoded SubscribeResponse.
func (f *frame) parse(b []byte) error {
	f.deliveries, f.rest = f.deliveries[:0], new(strawv1.SubscribeResponse)
	var others []byte
	for len(b) > 0 {
		number, kind, tag := protowire.ConsumeTag(b)
		if tag < 0 {
			return protowire.ParseError(tag)
		}
		value := protowire.ConsumeFieldValue(number, kind, b[tag:])
		if value < 0 {
			return protowire.ParseError(value)
		}
		if field := b[:tag+value]; number == deliveriesField && kind == protowire.BytesType {
			delivery, _ := protowire.ConsumeBytes(field[tag:])
			f.deliveries = append(f.deliveries, delivery)
		} else {
			others = append(others, field...)
		}
		b = b[tag+value:]
	}
	return proto.Unmarshal(others, f.rest)
}
