package straw

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// Reason says why a call failed. The constants are documented in straw/v1/error_reason.proto.
type Reason = strawv1.ErrorReason

// Error is a failed call. Every error of this package's calls, those through the raw stubs included, is one or wraps one,
// apart from errors of the program's own context and cursor store.
type Error struct {
	// Code is the gRPC status code.
	Code codes.Code
	// Reason is why; unspecified if the error isn't the gateway's own (a proxy's, or the transport's) or if the gateway is
	// newer than this client.
	Reason Reason
	// Metadata is what the reason is about, such as `oldest` for CURSOR_EXPIRED; see error_reason.proto.
	Metadata map[string]string
	// Message is a sentence for people.
	Message string

	own    bool // by a gateway, not by the transport
	status *status.Status
}

// errorDomain marks a gateway's own errors.
const errorDomain = "straw.v1"

// Error returns the sentence, followed by the code and the reason.
func (e *Error) Error() string {
	if e.Reason == 0 {
		return fmt.Sprintf("%s (%s)", e.Message, e.Code)
	}
	return fmt.Sprintf("%s (%s, %s)", e.Message, e.Code, e.Reason)
}

// Is matches another *Error: by its reason if it names one, by its code otherwise.
//
//	errors.Is(err, &straw.Error{Reason: strawv1.ErrorReason_CURSOR_EXPIRED})
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	switch {
	case !ok:
		return false
	case t.Reason != 0:
		return t.Reason == e.Reason
	default:
		return t.Code == e.Code
	}
}

// Unwrap lets errors.Is find context.Canceled and context.DeadlineExceeded.
func (e *Error) Unwrap() error {
	switch e.Code {
	case codes.Canceled:
		return context.Canceled
	case codes.DeadlineExceeded:
		return context.DeadlineExceeded
	}
	return nil
}

// GRPCStatus returns the status as received, with its details.
func (e *Error) GRPCStatus() *status.Status { return e.status }

// ReasonOf returns the reason of an error that is or wraps an *Error; unspecified for any other.
func ReasonOf(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return strawv1.ErrorReason_ERROR_REASON_UNSPECIFIED
}

// wrapError gives an error of grpc its type. It leaves nil, io.EOF and an *Error as they are.
func wrapError(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	s := status.Convert(err)
	e := &Error{Code: s.Code(), Message: s.Message(), status: s}
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == errorDomain {
			e.own = true
			e.Reason = Reason(strawv1.ErrorReason_value[info.GetReason()])
			e.Metadata = info.GetMetadata()
		}
	}
	return e
}

// retryable tells whether calling again can help. A gateway's own errors say so by their code; the transport's and a
// proxy's are about the connection, unless they are about the caller or the call.
func (e *Error) retryable() bool {
	switch e.Code {
	case codes.Unavailable:
		return true
	case codes.Internal, codes.Unknown, codes.Canceled, codes.DeadlineExceeded, codes.Aborted:
		return !e.own
	}
	return false
}

// A GapError says that retention has removed events before they were read. A subscription with ContinueOnGap and a consumer
// yield it in place of the lost events and then go on: continue the loop once what was lost has been had from elsewhere.
type GapError struct {
	Gap *Gap
}

func (e *GapError) Error() string {
	if e.Gap.GetRequested() == "" {
		return fmt.Sprintf("events were lost: retention had removed what the subscription still owed; going on from %q", e.Gap.GetOldest())
	}
	return fmt.Sprintf("events were lost: retention had removed what came after cursor %q; going on from %q",
		e.Gap.GetRequested(), e.Gap.GetOldest())
}
