// Package ingest is the public port: it takes Juicebox's webhooks, verifies them, converts them and answers 200 once the log
// has made them durable. It serves nothing else but /healthz.
//
// It never stores what isn't authentic, never answers 200 for what isn't durable, never tells a sender why a signature was
// refused, and never logs a body or a secret. What arrives is bounded: headers, bodies, the memory that bodies take
// together, and every wait. Nobody can keep a webhook out by what he sends himself.
package ingest

import (
	"context"
	"log/slog"
	"time"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/listen"
	"github.com/straw-gateway/straw/server/internal/share"
	"github.com/straw-gateway/straw/server/internal/signature"
	"github.com/straw-gateway/straw/server/internal/store"
)

// Paths that the port serves.
const (
	Path       = "/webhooks/juicebox"
	HealthPath = "/healthz"
)

// An Appender is the log as ingest needs it; see store.Log.Append.
type Appender interface {
	Append(ctx context.Context, d *event.Draft) (store.Receipt, error)
}

// A Verifier decides whether a webhook is authentic; see signature.Set.
type Verifier interface {
	Verify(header []string, body []byte) (fingerprint string, err error)
}

// An Outcome is what became of a request to Path. Its text serves as a metric label.
type Outcome string

// The outcomes.
const (
	Stored              Outcome = "stored"
	Duplicate           Outcome = "duplicate"            // stored before, with the same body
	Conflict            Outcome = "conflict"             // stored before, with another body; the first stays
	Unauthorized        Outcome = "unauthorized"         // the signature doesn't verify
	TooLarge            Outcome = "too_large"            // the body is over event.MaxBody
	UnsupportedEncoding Outcome = "unsupported_encoding" // Content-Encoding is present
	BadMethod           Outcome = "bad_method"           // not POST
	BadRequest          Outcome = "bad_request"          // the body ended early, came too slowly, or is framed wrongly
	Unavailable         Outcome = "unavailable"          // it can't be made durable now
)

// Outcomes lists every Outcome.
func Outcomes() []Outcome {
	return []Outcome{Stored, Duplicate, Conflict, Unauthorized, TooLarge, UnsupportedEncoding, BadMethod, BadRequest, Unavailable}
}

// An Observer is told of what the port does, for metrics. Its methods must not block.
type Observer interface {
	// Received: a request to Path was answered. cause is why an Unauthorized one was refused, and empty for all others. took is
	// the time from the end of its headers to the answer.
	Received(o Outcome, cause signature.Cause, took time.Duration)
	// Appended: the log has made an event durable, or known it as a duplicate; took is what the sender waited for that.
	Appended(took time.Duration)
}

// Options say how the port behaves. Log and Secrets are required; zero means the default for all others.
type Options struct {
	Log     Appender
	Secrets Verifier
	// Share is told of webhooks, so that readers make way for them; nil for none.
	Share *share.Share
	// Observer is told of every request; nil for nobody.
	Observer Observer
	// Logger takes what operators should know; nil for slog.Default().
	Logger *slog.Logger

	// AppendTimeout is how long the log may take to make an event durable before the answer is 503. Default 8 s.
	AppendTimeout time.Duration
	// ReadHeaderTimeout and ReadTimeout bound how long a request's headers, and all of it, may take to arrive. Default 5 s, 10 s.
	ReadHeaderTimeout, ReadTimeout time.Duration
	// WriteTimeout bounds the time from the end of a request's headers to the end of its answer. Default 15 s; at least 2 s.
	WriteTimeout time.Duration
	// IdleTimeout is how long a connection may wait for its next request. Default 60 s.
	IdleTimeout time.Duration
	// MaxMemory bounds the bodies above 16 KiB that are held at once, in bytes; a request beyond it is answered 503. Smaller
	// ones are bounded by the number of connections. Default 64 MiB.
	MaxMemory int64
	// MinRate is how fast a body above 16 KiB must come, in bytes a second, over any few seconds; a slower one is answered 408.
	// Default 16 KiB.
	MinRate int64
	// Peers says which addresses may use all of MaxMemory; any other gets half of it.
	Peers listen.Peers
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	orDefault(&o.AppendTimeout, 8*time.Second)
	orDefault(&o.ReadHeaderTimeout, 5*time.Second)
	orDefault(&o.ReadTimeout, 10*time.Second)
	orDefault(&o.WriteTimeout, 15*time.Second)
	orDefault(&o.IdleTimeout, time.Minute)
	orDefault(&o.MaxMemory, 64<<20)
	orDefault(&o.MinRate, 16<<10)
	return o
}

func orDefault[T time.Duration | int64](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

type nobody struct{}

func (nobody) Received(Outcome, signature.Cause, time.Duration) {}
func (nobody) Appended(time.Duration)                           {}
