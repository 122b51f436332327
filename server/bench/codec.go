package main

import (
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// A frame is an encoded message, in pieces that are sent as they are.
type frame mem.BufferSlice

// frameCodec sends frames without touching their bytes, and leaves every other message to protobuf.
type frameCodec struct{}

func (frameCodec) Name() string { return "proto" }

func (frameCodec) Marshal(v any) (mem.BufferSlice, error) {
	switch m := v.(type) {
	case frame:
		return mem.BufferSlice(m), nil
	case proto.Message:
		b, err := proto.Marshal(m)
		return mem.BufferSlice{mem.SliceBuffer(b)}, err
	}
	return nil, fmt.Errorf("can't send a %T", v)
}

func (frameCodec) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(proto.Message); ok {
		return proto.Unmarshal(data.Materialize(), m)
	}
	return fmt.Errorf("can't receive into a %T", v)
}

// dropped is what dropCodec keeps of a message: its size and, if asked, its number of deliveries.
type dropped struct{ bytes, deliveries int }

// dropCodec is a client's codec that doesn't decode what it receives into a *dropped. counting costs a look at the head of
// each delivery.
type dropCodec struct {
	frameCodec
	counting bool
}

func (c dropCodec) Unmarshal(data mem.BufferSlice, v any) error {
	d, ok := v.(*dropped)
	if !ok {
		return c.frameCodec.Unmarshal(data, v)
	}
	d.bytes, d.deliveries = data.Len(), 0
	if !c.counting {
		return nil
	}
	whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer whole.Free()
	var err error
	d.deliveries, err = countDeliveries(whole.ReadOnlyData())
	return err
}

// countDeliveries counts the `deliveries` of an encoded SubscribeResponse.
func countDeliveries(b []byte) (count int, err error) {
	for len(b) > 0 {
		number, wireType, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		if b = b[n:]; number == 1 {
			count++
		}
		if n = protowire.ConsumeFieldValue(number, wireType, b); n < 0 {
			return 0, protowire.ParseError(n)
		}
		b = b[n:]
	}
	return count, nil
}
