package export

import (
	"context"
	"errors"
	"io"
	"time"
)

// A body reads what a server sends within the limits, and knows whether it was all.
type body struct {
	client    *Client
	host      string
	source    io.ReadCloser
	left      int64 // bytes that are yet to come; negative: the server didn't say
	allowance int64 // bytes that may yet come
	failure   error // sticky, io.EOF included

	ctx      context.Context
	end      func(cause error)
	timer    *time.Timer // ends ctx when the server has taken too long
	patience time.Duration
	came     int // bytes since patience was renewed
}

// watch lets the body end its context when it stalls or is closed.
func (b *body) watch(ctx context.Context, end func(cause error)) {
	b.ctx, b.end = ctx, end
	b.patience = b.client.options.StallTimeout
	b.timer = time.AfterFunc(b.patience, func() { end(errStalled) })
	b.timer.Stop()
}

func (b *body) Read(p []byte) (int, error) {
	if b.failure != nil || len(p) == 0 {
		return 0, b.failure
	}
	if b.allowance < int64(len(p)) {
		p = p[:b.allowance+1] // one more shows that there is more
	}
	n, err := b.await(p)
	if int64(n) > b.allowance {
		b.failure = b.tooMuch()
		return int(b.allowance), b.failure
	}
	b.allowance -= int64(n)
	b.left -= min(int64(n), max(b.left, 0))
	switch {
	case err == nil:
	case !errors.Is(err, io.EOF):
		b.failure = b.client.failure(b.ctx, b.host, err)
	case b.left > 0:
		b.failure = b.client.failure(b.ctx, b.host, io.ErrUnexpectedEOF)
	default:
		b.failure = io.EOF
	}
	return n, b.failure
}

// tooMuch is about a byte beyond the allowance: the limit's, or what the server announced.
func (b *body) tooMuch() error {
	if b.left >= 0 {
		return &DownloadError{Kind: ErrTemporary, Host: b.host, Detail: "it sends more bytes than it announced"}
	}
	return b.client.tooLarge(b.host)
}

// await reads from the server while its patience lasts. Only waiting for the server uses patience up, and each stretch of
// progress bytes renews it.
func (b *body) await(p []byte) (int, error) {
	began := time.Now()
	b.timer.Reset(b.patience)
	n, err := b.source.Read(p)
	b.timer.Stop()
	b.patience = max(b.patience-time.Since(began), 0)
	if b.came += n; b.came >= progress {
		b.came, b.patience = 0, b.client.options.StallTimeout
	}
	return n, err
}

// Close gives the connection up. Idempotent.
func (b *body) Close() error {
	b.timer.Stop()
	b.end(nil)
	if b.failure == nil {
		b.failure = &DownloadError{Kind: ErrTemporary, Host: b.host, Detail: "it was closed"}
	}
	return b.source.Close()
}
