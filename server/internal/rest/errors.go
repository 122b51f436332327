package rest

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// domain is that of every ErrorInfo.
const domain = "straw.v1"

// A fieldError says what is wrong with a part of a request. Generated code keeps nothing but its text, so its form matters:
// describe reads the field from it again.
type fieldError struct{ field, problem string }

func (e *fieldError) Error() string { return fmt.Sprintf("%.100s: %.300s", e.field, e.problem) }

var fieldOf = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_.\[\]]*): `)

// describe gives an error of the request's own form, which the API has not seen, the reason that the API would give it.
func describe(s *status.Status) *status.Status {
	if s.Code() != codes.InvalidArgument || len(s.Details()) > 0 {
		return s
	}
	if field := fieldOf.FindStringSubmatch(s.Message()); field != nil {
		return withReason(s, field[1])
	}
	return withReason(s, "request")
}

// withReason says which part of the request is at fault.
func withReason(s *status.Status, field string) *status.Status {
	described, err := s.WithDetails(&errdetails.ErrorInfo{
		Reason: strawv1.ErrorReason_INVALID_FIELD.String(), Domain: domain, Metadata: map[string]string{"field": field},
	})
	if err != nil {
		return s
	}
	return described
}

// writeStatus answers with an error. It does nothing useful once an answer has begun.
func writeStatus(w http.ResponseWriter, code int, s *status.Status) {
	describeHeaders(w.Header(), s)
	w.Header().Set("Content-Type", "application/json")
	body := append(marshalStatus(s), '\n')
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	_, _ = w.Write(body) // a caller that is gone needs no error
}

// describeHeaders says in HTTP's own words what clients of HTTP look for there.
func describeHeaders(h http.Header, s *status.Status) {
	if s.Code() == codes.Unauthenticated {
		h.Set("WWW-Authenticate", "Bearer")
	}
	for _, d := range s.Details() {
		if retry, ok := d.(*errdetails.RetryInfo); ok {
			h.Set("Retry-After", strconv.FormatFloat(math.Ceil(retry.GetRetryDelay().AsDuration().Seconds()), 'f', 0, 64))
		}
	}
}

// marshalStatus drops details that this gateway can't spell in JSON rather than the error.
func marshalStatus(s *status.Status) []byte {
	if body, err := protojson.Marshal(s.Proto()); err == nil {
		return body
	}
	bare := s.Proto()
	bare.Details = nil
	body, err := protojson.Marshal(bare)
	if err != nil { // a message that isn't UTF-8
		return []byte(`{"code":13,"message":"the error could not be described"}`)
	}
	return body
}

// explain is what to answer for an error: its HTTP status, and itself.
func explain(err error) (code int, s *status.Status) {
	if spelled, ok := errors.AsType[*runtime.HTTPStatusError](err); ok {
		return spelled.HTTPStatus, describe(status.Convert(spelled.Err))
	}
	s = describe(status.Convert(err))
	return runtime.HTTPStatusFromCode(s.Code()), s
}

// writeError answers with an error of the API, or of turning a request into a call.
func writeError(w http.ResponseWriter, err error) {
	code, s := explain(err)
	writeStatus(w, code, s)
}

func writeNotFound(w http.ResponseWriter, path string) {
	writeStatus(w, http.StatusNotFound, withReason(
		status.New(codes.NotFound, fmt.Sprintf("nothing is served at %.200q; /docs lists what is", path)), "path"))
}

func writeMethodNotAllowed(w http.ResponseWriter, method, allowed string) {
	w.Header().Set("Allow", allowed)
	writeStatus(w, http.StatusMethodNotAllowed, withReason(
		status.New(codes.Unimplemented, fmt.Sprintf("%.20s isn't served at this path; use %s", method, allowed)), "method"))
}
