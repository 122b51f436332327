package rest

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/grpc/status"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

const eventStream = "text/event-stream"

// acceptsEvents reports whether a request asks for server-sent events.
func acceptsEvents(h http.Header) bool {
	for part := range strings.SplitSeq(strings.Join(h.Values("Accept"), ","), ",") {
		kind, params, err := mime.ParseMediaType(part)
		if err != nil || kind != eventStream {
			continue
		}
		if q, err := strconv.ParseFloat(params["q"], 64); err != nil || q > 0 {
			return true
		}
	}
	return false
}

// ndjson writes a line for each message, and a last one for a failure.
type ndjson struct{}

func (ndjson) contentType() string { return "application/x-ndjson" }

// resume changes nothing: whoever reads lines says where to start in the request.
func (ndjson) resume(http.Header, *strawv1.SubscribeRequest) {}

func (ndjson) appendHead(b []byte, _ *strawv1.SubscribeResponse) []byte {
	return append(b, `{"result":`...)
}

func (ndjson) appendTail(b []byte) []byte { return append(b, "}\n"...) }

func (ndjson) appendFailure(b []byte, s *status.Status) []byte {
	return fmt.Appendf(b, "{\"error\":%s}\n", marshalStatus(s))
}

// sse writes an event for each message, with its cursor as the id that a browser resumes from, and an event of its own kind
// for a failure. JSON has no line feeds, so each fits one data line.
type sse struct{ begun bool }

// reconnect is after how many milliseconds a browser tries again, until a going_away says otherwise.
const reconnect = 1000

func (*sse) contentType() string { return eventStream }

// resume follows the id that a browser sends when it reconnects, over any start in the URL. Durable streams keep their own
// position.
func (*sse) resume(h http.Header, req *strawv1.SubscribeRequest) {
	if last := h.Get("Last-Event-Id"); last != "" && req.GetSubscriptionId() == "" {
		req.Start = &strawv1.SubscribeRequest_After{After: last}
	}
}

func (s *sse) appendHead(b []byte, m *strawv1.SubscribeResponse) []byte {
	if away := m.GetGoingAway(); away != nil {
		b = fmt.Appendf(b, "retry: %d\n", max(1, away.GetRetryDelay().AsDuration().Milliseconds()))
	} else if !s.begun {
		b = fmt.Appendf(b, "retry: %d\n", reconnect)
	}
	s.begun = true
	if m.GetCursor() != "" {
		b = fmt.Appendf(b, "id: %s\n", m.GetCursor())
	}
	return append(b, "data: "...)
}

func (*sse) appendTail(b []byte) []byte { return append(b, "\n\n"...) }

func (*sse) appendFailure(b []byte, s *status.Status) []byte {
	return fmt.Appendf(b, "event: straw-error\ndata: %s\n\n", marshalStatus(s))
}
