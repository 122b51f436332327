package rest

import (
	"context"
	"io"
	"sync"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/share"
)

// pieceSize is from how many bytes on a piece of a frame is written before more of it is made. A reader that doesn't read holds
// a piece, and what one delivery went beyond it.
const pieceSize = 32 << 10

// pieces lends the buffers that frames are spelled in. A stream has none while it waits for its next frame.
var pieces = sync.Pool{New: func() any { b := make([]byte, 0, pieceSize+pieceSize/2); return &b }}

// An outlet writes frames as JSON, a piece at a time. Pieces are made in the caller's turns, and written between them.
type outlet struct {
	w       io.Writer
	framing framing
	turn    share.Turn
	buf     []byte
	cut     bool // part of a frame is written, and the rest isn't
}

// write writes one frame. One without deliveries, such as a heartbeat, is little work and waits for no turn. Errors: errGone, of
// the context that the frame waits under; any other is the frame's own. Unless cut says so, nothing of it is written then.
func (o *outlet) write(ctx context.Context, f *frame) error {
	if len(f.deliveries) > 0 {
		if err := o.take(ctx); err != nil { // before it borrows anything
			return err
		}
		defer o.turn.Give()
	}
	borrowed := pieces.Get().(*[]byte)
	o.buf = (*borrowed)[:0]
	err := o.spell(ctx, f)
	if err == nil {
		err = o.flush()
	}
	o.cut = o.cut && err != nil
	if cap(o.buf) <= 2*pieceSize { // not what a large event made of it
		*borrowed = o.buf
		pieces.Put(borrowed)
	}
	o.buf = nil
	return err
}

// take waits for the caller's turn, if it isn't there still.
func (o *outlet) take(ctx context.Context) error {
	if err := o.turn.Take(ctx); err != nil {
		return status.FromContextError(err).Err()
	}
	return nil
}

func (o *outlet) spell(ctx context.Context, f *frame) error {
	o.buf = o.framing.appendHead(o.buf, f.rest)
	o.buf = append(o.buf, '{')
	if len(f.deliveries) > 0 {
		if err := o.spellDeliveries(ctx, f.deliveries); err != nil {
			return err
		}
	}
	rest, err := protojson.Marshal(f.rest)
	if err != nil {
		return err
	}
	if members := rest[1:]; len(f.deliveries) > 0 && len(members) > 1 { // more than the closing brace
		o.buf = append(o.buf, ',')
	}
	o.buf = append(o.buf, rest[1:]...)
	o.buf = o.framing.appendTail(o.buf)
	return nil
}

func (o *outlet) spellDeliveries(ctx context.Context, deliveries [][]byte) (err error) {
	o.buf = append(o.buf, `"deliveries":`...)
	next := byte('[')
	for _, d := range deliveries {
		if err := o.take(ctx); err != nil {
			return err
		}
		if o.buf, err = appendDelivery(append(o.buf, next), d); err != nil {
			return err
		}
		next = ','
		if len(o.buf) < pieceSize {
			continue
		}
		o.cut = true
		if err := o.flush(); err != nil {
			return err
		}
	}
	o.buf = append(o.buf, ']')
	return nil
}

// appendDelivery keeps nothing of the message that it makes. That all is set that must be needs no look: nothing must.
func appendDelivery(b, encoded []byte) ([]byte, error) {
	d := new(strawv1.Delivery)
	if err := (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(encoded, d); err != nil {
		return b, err
	}
	return protojson.MarshalOptions{AllowPartial: true}.MarshalAppend(b, d)
}

// flush ends the turn, for the caller may be slow, and writes what is spelled; its error is errGone. What a large event made of the buffer is dropped with it.
func (o *outlet) flush() error {
	o.turn.Give()
	_, err := o.w.Write(o.buf)
	if err != nil {
		err = errGone
	}
	if o.buf = o.buf[:0]; cap(o.buf) > 2*pieceSize {
		o.buf = make([]byte, 0, pieceSize)
	}
	return err
}

// fail writes the reason why the stream ends.
func (o *outlet) fail(s *status.Status) {
	_, _ = o.w.Write(o.framing.appendFailure(nil, s)) // a caller that is gone needs no error
}
