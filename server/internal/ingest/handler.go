package ingest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/straw-gateway/straw/server/internal/convert"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/signature"
)

// answerReserve is kept of WriteTimeout for writing the answer after a failed append.
const answerReserve = time.Second

type handler struct {
	Options
	memory   *budget
	refusals throttle // of log lines about signatures
	failures throttle // of log lines about the store
}

func newHandler(o Options) *handler {
	return &handler{Options: o, memory: newBudget(o.MaxMemory)}
}

// A result is what became of a request, and what to answer.
type result struct {
	outcome Outcome
	answer  *answer
	cause   signature.Cause
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case Path:
		start := time.Now()
		got := h.receive(w, r, start)
		got.answer.write(w)
		h.Observer.Received(got.outcome, got.cause, time.Since(start))
	case HealthPath:
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			useGet.write(w)
			return
		}
		healthy.write(w)
	default:
		notFound.write(w)
	}
}

// receive takes one webhook. Everything that can be refused without its body is refused before the body is read, and nothing
// of the body is believed before its signature verifies.
func (h *handler) receive(w http.ResponseWriter, r *http.Request, start time.Time) result {
	switch {
	case r.Method != http.MethodPost:
		return result{outcome: BadMethod, answer: usePost}
	case len(r.Header["Content-Encoding"]) > 0:
		return result{outcome: UnsupportedEncoding, answer: unsupportedEncoding}
	case r.ContentLength > event.MaxBody:
		return result{outcome: TooLarge, answer: tooLarge}
	case r.ContentLength < 0 && ambiguous(r):
		return result{outcome: BadRequest, answer: badFraming}
	}
	in := incoming{handler: h, w: w, r: r}
	body, err := in.read()
	defer in.release()
	if err != nil {
		return h.unread(err)
	}
	conn := limitedConn(r)
	if conn != nil {
		conn.Busy() // all of it is here
	}
	if _, err := h.Secrets.Verify(r.Header[signature.Header], body); err != nil {
		return h.unauthorized(r, err)
	}
	if conn != nil {
		conn.Prove()
	}
	h.Share.Ingest()
	received := time.Now()
	draft := convert.Convert(body, convert.Request{ReceiveTime: received, Traceparent: only(r.Header["Traceparent"])})
	// The sender may hang up; what it has sent is stored all the same, or its retry would be the first that is.
	deadline := received.Add(h.AppendTimeout)
	if latest := start.Add(h.WriteTimeout - answerReserve); latest.Before(deadline) {
		deadline = latest
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(r.Context()), deadline)
	defer cancel()
	return h.commit(ctx, draft)
}

func (h *handler) commit(ctx context.Context, d *event.Draft) result {
	began := time.Now()
	receipt, err := h.Log.Append(ctx, d)
	if err == nil {
		h.Observer.Appended(time.Since(began))
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return h.unavailable(errors.New("the log didn't make it durable in time"))
	case err != nil:
		return h.unavailable(err)
	case receipt.Conflict:
		h.Logger.Warn("a webhook has the id of another with a different body; the first stays",
			"id", d.ID, "type", d.Type, "stored_as", receipt.Seq)
		return result{outcome: Conflict, answer: duplicate}
	case receipt.Duplicate:
		return result{outcome: Duplicate, answer: duplicate}
	}
	if h.Logger.Enabled(ctx, slog.LevelDebug) {
		h.Logger.DebugContext(ctx, "webhook stored", "id", d.ID, "type", d.Type, "sequence", receipt.Seq, "unrecognized", d.Unrecognized)
	}
	return result{outcome: Stored, answer: stored}
}

// unread answers a request whose body could not be read.
func (h *handler) unread(err error) result {
	var tooMany *http.MaxBytesError
	switch {
	case errors.As(err, &tooMany):
		return result{outcome: TooLarge, answer: tooLarge}
	case errors.Is(err, errNoMemory):
		return h.unavailable(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return result{outcome: BadRequest, answer: tooSlow}
	}
	return result{outcome: BadRequest, answer: badFraming} // it ended early, or its chunks are malformed
}

func (h *handler) unauthorized(r *http.Request, err error) result {
	cause, _ := errors.AsType[signature.Cause](err)
	if held, ok := h.refusals.allow(time.Now()); ok {
		h.Logger.Warn("a webhook was refused, for its signature doesn't verify",
			"cause", cause, "remote", r.RemoteAddr, "more_like_it", held)
	}
	return result{outcome: Unauthorized, answer: unauthorized, cause: cause}
}

func (h *handler) unavailable(err error) result {
	if held, ok := h.failures.allow(time.Now()); ok {
		h.Logger.Error("a webhook could not be stored; its sender was told to try again", "error", err, "more_like_it", held)
	}
	answer := tryLater
	switch {
	case errors.Is(err, event.ErrOverloaded), errors.Is(err, errNoMemory):
		answer = trySoon
	case errors.Is(err, event.ErrFull):
		answer = tryMuchLater
	}
	return result{outcome: Unavailable, answer: answer}
}

// only is the value of a header that must not be repeated; empty if it is or isn't there.
func only(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}
