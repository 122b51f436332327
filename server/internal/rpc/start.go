package rpc

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store"
)

// start is a start position as requests spell it: at most one of after, time and fixed.
type start struct {
	after *string
	time  *timestamppb.Timestamp
	fixed strawv1.StartPosition
}

// starter is a message with the oneof `start`, of which there is one for each such message.
type starter interface {
	ProtoReflect() protoreflect.Message
	GetAfter() string
	GetStartTime() *timestamppb.Timestamp
	GetStartPosition() strawv1.StartPosition
}

func startOf(m starter) start {
	r := m.ProtoReflect()
	field := r.WhichOneof(r.Descriptor().Oneofs().ByName("start"))
	if field == nil {
		return start{}
	}
	switch field.Name() {
	case "after":
		after := m.GetAfter()
		return start{after: &after}
	case "start_time":
		return start{time: m.GetStartTime()}
	default:
		return start{fixed: m.GetStartPosition()}
	}
}

// position finds where in the log a start is. head is the newest event when the call began.
func position(ctx context.Context, log store.Log, s start, head event.Sequence) (event.Sequence, error) {
	switch {
	case s.after != nil:
		return cursorPosition(log.Identity(), "after", *s.after, head)
	case s.time != nil:
		return timePosition(ctx, log, "start_time", s.time)
	case s.fixed == strawv1.StartPosition_EARLIEST:
		return log.Bounds().Floor, nil
	default:
		return head, nil
	}
}

func cursorPosition(id event.Identity, field, cursor string, head event.Sequence) (event.Sequence, error) {
	if cursor == "" {
		return 0, invalidField(field, "the cursor is empty; leave the field out to start at the head, or set start_position to EARLIEST")
	}
	pos, err := id.Position(cursor, head)
	if errors.Is(err, event.ErrCursorAhead) {
		return 0, fail(codes.OutOfRange, strawv1.ErrorReason_CURSOR_AHEAD, map[string]string{"head": id.Cursor(head)},
			"%v: it was restored from a backup that is older than the cursor; what came after the backup must be had from elsewhere, then start after %s", err, id.Cursor(head))
	}
	return pos, answer(err)
}

func timePosition(ctx context.Context, log store.Log, field string, ts *timestamppb.Timestamp) (event.Sequence, error) {
	if err := ts.CheckValid(); err != nil {
		return 0, invalidField(field, "%v", err)
	}
	if t := ts.AsTime(); t.After(time.Now()) {
		return 0, invalidField(field, "%s lies in the future; leave the field out to start at the head", t.Format(time.RFC3339Nano))
	}
	pos, err := log.Before(ctx, ts.AsTime())
	return pos, answer(err)
}
