package rpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/export"
	"github.com/straw-gateway/straw/server/internal/filter"
	"github.com/straw-gateway/straw/server/internal/juicebox"
	"github.com/straw-gateway/straw/server/internal/stream"
)

// domain is that of every ErrorInfo.
const domain = "straw.v1"

// fail makes the error that a caller gets: a code to retry by, a reason to decide by, and a sentence to read.
func fail(code codes.Code, reason strawv1.ErrorReason, metadata map[string]string, format string, args ...any) error {
	s, err := status.New(code, fmt.Sprintf(format, args...)).
		WithDetails(&errdetails.ErrorInfo{Reason: reason.String(), Domain: domain, Metadata: metadata})
	if err != nil {
		return status.Errorf(codes.Internal, "the error could not be described: %v", err)
	}
	return s.Err()
}

func invalidField(field, format string, args ...any) error {
	return fail(codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": field},
		"%s: %s", field, fmt.Sprintf(format, args...))
}

// answer turns an error of the packages below into what the caller gets. It is the only place that knows which is which;
// what is a status already stays as it is.
func answer(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	for _, explain := range []func(error) error{explainRequest, explainPosition, explainUpstream, explainStore} {
		if s := explain(err); s != nil {
			return s
		}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return status.FromContextError(err).Err()
	}
	return status.Errorf(codes.Internal, "the gateway failed in a way it should not: %v", err)
}

// explainRequest deals with what is wrong about types and filters.
func explainRequest(err error) error {
	var (
		pattern    *filter.PatternError
		misspelled *filter.MisspelledError
		syntax     *filter.SyntaxError
	)
	switch {
	case errors.As(err, &pattern):
		return invalidField("types", "%v", pattern)
	case errors.As(err, &misspelled):
		return fail(codes.InvalidArgument, strawv1.ErrorReason_UNKNOWN_EVENT_TYPE,
			map[string]string{"type": misspelled.Type, "suggestion": misspelled.Suggestion}, "%v", misspelled)
	case errors.As(err, &syntax):
		return fail(codes.InvalidArgument, strawv1.ErrorReason_INVALID_FILTER,
			map[string]string{"column": fmt.Sprint(syntax.Column)}, "%v", syntax)
	case errors.Is(err, filter.ErrTooCostly):
		return fail(codes.InvalidArgument, strawv1.ErrorReason_FILTER_TOO_COSTLY, nil, "%v", err)
	}
	return nil
}

// explainPosition deals with cursors and gaps. CURSOR_AHEAD gets its metadata where the head is known, in position.
func explainPosition(err error) error {
	var gap *stream.GapError
	switch {
	case errors.As(err, &gap):
		return fail(codes.OutOfRange, strawv1.ErrorReason_CURSOR_EXPIRED, map[string]string{"oldest": gap.Oldest},
			"retention has removed the events after cursor %s; start after %s to go on from the oldest one, or set on_gap to CONTINUE", gap.Requested, gap.Oldest)
	case errors.Is(err, event.ErrInvalidCursor):
		return fail(codes.InvalidArgument, strawv1.ErrorReason_INVALID_CURSOR, nil,
			"%v; send a cursor exactly as an event or a frame had it", err)
	case errors.Is(err, event.ErrForeignCursor):
		return fail(codes.InvalidArgument, strawv1.ErrorReason_FOREIGN_CURSOR, nil,
			"%v; use it against the gateway that gave it out, or start from a time or EARLIEST here", err)
	case errors.Is(err, event.ErrSubscriptionNotFound):
		return fail(codes.NotFound, strawv1.ErrorReason_SUBSCRIPTION_NOT_FOUND, nil, "%v", err)
	case errors.Is(err, event.ErrNotFound):
		return fail(codes.NotFound, strawv1.ErrorReason_EVENT_NOT_FOUND, nil, "%v", err)
	}
	return nil
}

// explainExport answers an error about an export. Others stay as they are, for answer.
func explainExport(id string, err error) error {
	about := map[string]string{"id": id}
	switch {
	case errors.Is(err, event.ErrExportNotFound):
		return fail(codes.NotFound, strawv1.ErrorReason_EXPORT_NOT_FOUND, about,
			"there is no export %q; an export.ready event announces each, and ListExports shows what there is", id)
	case errors.Is(err, export.ErrLinkExpired):
		return fail(codes.FailedPrecondition, strawv1.ErrorReason_EXPORT_LINK_EXPIRED, about,
			"%v; ask Juicebox for a new export", err)
	case errors.Is(err, blob.ErrCorrupt):
		return fail(codes.DataLoss, strawv1.ErrorReason_STORE_CORRUPT, about,
			"export %q: %v; fetch it again with RefetchExport while its link lives, or ask Juicebox for a new export", id, err)
	}
	return answer(err)
}

// notAvailable says why an export can't be downloaded, and what to wait for.
func notAvailable(id string, state strawv1.Export_State) error {
	advice := map[strawv1.Export_State]string{
		strawv1.Export_PENDING:     "it waits to be fetched; a straw.export.stored event tells when it is there",
		strawv1.Export_DOWNLOADING: "it is being fetched; a straw.export.stored event tells when it is there",
		strawv1.Export_EXPIRED:     "its link died before it could be fetched; ask Juicebox for a new export",
		strawv1.Export_FAILED:      "it could not be fetched; GetExport says why, and RefetchExport tries again while the link lives",
		strawv1.Export_PURGED:      "retention has removed it; ask Juicebox for a new export",
	}
	return fail(codes.FailedPrecondition, strawv1.ErrorReason_EXPORT_NOT_AVAILABLE, map[string]string{"id": id, "state": state.String()},
		"export %q is %s: %s", id, state, advice[state])
}

// explainUpstream deals with Juicebox's API.
func explainUpstream(err error) error {
	if held, ok := errors.AsType[*juicebox.HeldError](err); ok {
		return fail(codes.ResourceExhausted, strawv1.ErrorReason_UPSTREAM_HELD,
			map[string]string{"until": held.Until.UTC().Format(time.RFC3339)}, "%v; try again then", held)
	}
	if rejected, ok := errors.AsType[*juicebox.RejectedError](err); ok {
		return fail(codes.FailedPrecondition, strawv1.ErrorReason_UPSTREAM_REJECTED,
			map[string]string{"status": fmt.Sprint(rejected.Status)}, "%v", rejected)
	}
	switch {
	case errors.Is(err, juicebox.ErrNoKey):
		return fail(codes.FailedPrecondition, strawv1.ErrorReason_UPSTREAM_REJECTED, nil, "%v", err)
	case errors.Is(err, juicebox.ErrUnreachable):
		return fail(codes.Unavailable, strawv1.ErrorReason_UPSTREAM_UNREACHABLE, nil, "%v", err)
	}
	return nil
}

func explainStore(err error) error {
	switch {
	case errors.Is(err, stream.ErrDraining):
		return fail(codes.Unavailable, strawv1.ErrorReason_DRAINING, nil,
			"the gateway is shutting down; reconnect with the last cursor")
	case errors.Is(err, event.ErrOverloaded):
		return fail(codes.Unavailable, strawv1.ErrorReason_OVERLOADED, nil, "%v; retry with backoff", err)
	case errors.Is(err, event.ErrTooManySubscriptions):
		return fail(codes.ResourceExhausted, strawv1.ErrorReason_OVERLOADED, nil, "%v on this gateway; delete some that nobody consumes", err)
	case errors.Is(err, event.ErrFull):
		return fail(codes.ResourceExhausted, strawv1.ErrorReason_STORAGE_FULL, nil, "%v; make room on the gateway's disk, or shorten the retention", err)
	case errors.Is(err, event.ErrCorrupt):
		return fail(codes.DataLoss, strawv1.ErrorReason_STORE_CORRUPT, nil,
			"%v; the gateway's operator must restore its store from a backup", err)
	case errors.Is(err, event.ErrUnavailable):
		return fail(codes.Unavailable, strawv1.ErrorReason_STORE_UNAVAILABLE, nil, "%v; retry with backoff", err)
	}
	return nil
}
