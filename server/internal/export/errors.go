package export

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// What can become of a download. Each but ErrTemporary stays as it is however often it is tried.
var (
	// ErrDenied: the policy forbids the link, a redirect of it, or the address that its host has.
	ErrDenied = errors.New("the link is not allowed")
	// ErrLinkDead: the server says that the link leads to nothing, or no longer may be used.
	ErrLinkDead = errors.New("the link is dead")
	// ErrRefused: the server answered with something that is no file.
	ErrRefused = errors.New("the server sent no file")
	// ErrTooLarge: the file has more bytes than Options.MaxBytes.
	ErrTooLarge = errors.New("the file is too large")
	// ErrTooSlow: it took longer than Options.Timeout.
	ErrTooSlow = errors.New("the download took too long")
	// ErrTemporary: trying again may help, and may go on where this try ended.
	ErrTemporary = errors.New("the download failed")
)

// A DownloadError says what became of a download. Links carry secrets, so its text has only their host, and neither it nor
// what it wraps holds anything else of a link or of the bytes that a server answered with.
type DownloadError struct {
	// Kind is one of the errors above.
	Kind error
	// Host is what was asked; empty if the link has none that can be read.
	Host string
	// Status is the HTTP status, zero if it didn't come to that.
	Status int
	// RetryAfter is how long the server asks to be left alone; zero if it doesn't.
	RetryAfter time.Duration
	// Detail is the sentence that tells more.
	Detail string

	context error // why the context ended, if that was it
}

func (e *DownloadError) Error() string {
	if e.Host == "" {
		return fmt.Sprintf("%v: %s", e.Kind, e.Detail)
	}
	return fmt.Sprintf("%v: %s: %s", e.Kind, e.Host, e.Detail)
}

// Unwrap returns the kind, and the context's error if that ended the download.
func (e *DownloadError) Unwrap() []error {
	if e.context == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.context}
}

// Permanent says whether trying again is pointless.
func Permanent(err error) bool {
	e, ok := errors.AsType[*DownloadError](err)
	return ok && !errors.Is(e.Kind, ErrTemporary)
}

func denied(host, format string, args ...any) *DownloadError {
	return &DownloadError{Kind: ErrDenied, Host: host, Detail: fmt.Sprintf(format, args...)}
}

// errStalled is why the context of a download ends that gets no further.
var errStalled = errors.New("stalled")

// failure says why a connection, a request or a body failed. It takes nothing over from err but what is known to hold no part
// of the link: servers can make the rest say what they like.
func (c *Client) failure(ctx context.Context, host string, err error) error {
	if e, ok := errors.AsType[*DownloadError](err); ok {
		return e
	}
	if ctx.Err() == nil {
		return &DownloadError{Kind: ErrTemporary, Host: host, Detail: describe(err)}
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, ErrTooSlow):
		return &DownloadError{Kind: ErrTooSlow, Host: host, Detail: fmt.Sprintf("it was given up after %s", c.options.Timeout)}
	case errors.Is(cause, errStalled):
		return &DownloadError{Kind: ErrTemporary, Host: host, Detail: fmt.Sprintf("fewer than %d bytes came in %s", progress, c.options.StallTimeout)}
	}
	return &DownloadError{Kind: ErrTemporary, Host: host, Detail: "it was interrupted", context: ctx.Err()}
}

// describe puts the errors that may be told into words.
func describe(err error) string {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return "its name can't be resolved: " + e.Err
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Sprintf("its certificate isn't valid: %v", e.Err)
	}
	if e, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "it doesn't speak TLS: " + e.Msg
	}
	if e, ok := errors.AsType[tls.AlertError](err); ok {
		return fmt.Sprintf("the TLS handshake failed: %v", e)
	}
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		return e.Error()
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return "it didn't answer in time"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the connection ended too early"
	}
	return "its answer is not HTTP that can be understood"
}
