package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/share"
)

// A subscriber serves Subscribe: newline-delimited JSON, or server-sent events if the request asks for them.
type subscriber struct {
	client strawv1.EventServiceClient
	mux    *runtime.ServeMux
	share  *share.Share
}

const subscribePath = "/v1/events:subscribe"

// consumeHeader says that a GET is meant to consume a durable subscription. Whoever follows a link, or loads a picture, sends
// a GET, and none of those can add a header.
const consumeHeader = "Straw-Consume"

// A framing is how a stream looks on the wire.
type framing interface {
	contentType() string
	// resume moves a request's start to where a reconnecting caller says that it was.
	resume(h http.Header, req *strawv1.SubscribeRequest)
	// appendHead appends what comes before a message, of which it gets all but the deliveries, and appendTail what comes after.
	appendHead(b []byte, m *strawv1.SubscribeResponse) []byte
	appendTail(b []byte) []byte
	// appendFailure appends the reason why the stream ends.
	appendFailure(b []byte, s *status.Status) []byte
}

// framingFor is the one that a request asks for.
func framingFor(h http.Header) framing {
	if acceptsEvents(h) {
		return &sse{}
	}
	return ndjson{}
}

func (s *subscriber) serve(w http.ResponseWriter, r *http.Request, _ map[string]string) {
	f := framingFor(r.Header)
	req, err := subscribeRequest(r)
	if err != nil {
		fail(w, f, err)
		return
	}
	f.resume(r.Header, req)
	ctx, err := runtime.AnnotateContext(r.Context(), s.mux, r, strawv1.EventService_Subscribe_FullMethodName)
	if err != nil {
		fail(w, f, err)
		return
	}
	stream, err := s.client.Subscribe(ctx, req, grpc.ForceCodecV2(newFrameCodec()))
	if err != nil {
		fail(w, f, err)
		return
	}
	defer watchSilence(r.Context())()
	out := &outlet{w: w, framing: f, turn: s.share.Turn(share.CallerOf(r.Context()))}
	forward(r.Context(), w, out, func(next *frame) error { return stream.RecvMsg(next) })
}

func subscribeRequest(r *http.Request) (*strawv1.SubscribeRequest, error) {
	req := &strawv1.SubscribeRequest{}
	if r.Method == http.MethodPost {
		if err := (&codec{}).NewDecoder(r.Body).Decode(req); err != nil && !errors.Is(err, io.EOF) {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
		return req, nil
	}
	if err := r.ParseForm(); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if err := runtime.PopulateQueryParameters(req, r.Form, &utilities.DoubleArray{}); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if req.GetSubscriptionId() != "" && r.Header.Get(consumeHeader) != "true" {
		return nil, status.Error(codes.InvalidArgument, (&fieldError{"subscription_id",
			"consuming a durable subscription changes it, and a GET doesn't unless it says so: send the header `" + consumeHeader +
				": true`, or POST the same request; a browser's EventSource can do neither, so use fetch"}).Error())
	}
	return req, nil
}

// forward writes messages as they come, each at once, until the stream or the caller ends. The caller's end cancels the
// stream, for it runs under the request's context.
func forward(ctx context.Context, w http.ResponseWriter, out *outlet, receive func(*frame) error) {
	rc := http.NewResponseController(w)
	// A stream may last, and a slow reader may stall it: the server's limit is for answers that end. Every server can lift it.
	_ = rc.SetWriteDeadline(time.Time{})
	begin(w, out.framing)
	for begun := false; ; begun = true {
		err := forwardNext(ctx, out, receive)
		switch {
		case err == nil:
			if rc.Flush() != nil {
				return
			}
		case errors.Is(err, io.EOF), errors.Is(err, errGone):
			return
		case out.cut:
			panic(http.ErrAbortHandler) // so that what was cut doesn't look complete
		case !begun:
			fail(w, out.framing, err)
			return
		default:
			_, s := explain(err)
			out.fail(s)
			return
		}
	}
}

// errGone says that the caller takes nothing more.
var errGone = errors.New("the caller is gone")

// forwardNext passes on one message, and keeps none of it.
func forwardNext(ctx context.Context, out *outlet, receive func(*frame) error) error {
	var next frame
	defer next.release()
	if err := receive(&next); err != nil {
		return err
	}
	return out.write(ctx, &next)
}

// fail answers with an error before the first message: with its HTTP status, which stops an EventSource from trying again,
// and in the form that the caller expects of the stream.
func fail(w http.ResponseWriter, f framing, err error) {
	code, s := explain(err)
	if _, events := f.(*sse); events && s.Code() == codes.Unavailable {
		code = http.StatusOK // it passes, and an EventSource is to try again
	}
	begin(w, f)
	describeHeaders(w.Header(), s)
	w.WriteHeader(code)
	_, _ = w.Write(f.appendFailure(nil, s)) // a caller that is gone needs no error
}

func begin(w http.ResponseWriter, f framing) {
	w.Header().Set("Content-Type", f.contentType())
	w.Header().Set("X-Accel-Buffering", "no") // to proxies that would wait for more
}
