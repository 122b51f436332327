// Package export fetches the files that Juicebox announces. Its Client downloads from a link that somebody on the internet
// chose: it asks allowed hosts at addresses on the internet only, bounds bytes and time, and tells nobody the link. Fetch brings
// a download into the blob store, over interruptions. The Fetcher reads the log and does so for each announcement, once, and
// appends how that ended.
//
// It never decompresses, never sends credentials or cookies, and never uses a proxy.
package export

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// Limits of a download, where Options doesn't say otherwise.
const (
	DefaultMaxBytes     = 2 << 30
	DefaultTimeout      = 15 * time.Minute
	DefaultStallTimeout = 30 * time.Second
)

const (
	maxRedirects   = 3
	dialTimeout    = 10 * time.Second
	tlsTimeout     = 10 * time.Second
	headerTimeout  = 30 * time.Second
	maxHeaderBytes = 64 << 10
	// progress is how many bytes must come within Options.StallTimeout.
	progress = 64 << 10
)

// Options are a client's limits. A zero means the default.
type Options struct {
	// AllowHosts are host[:port], besides the hosts under juicebox.ai, which may be asked over https at port 443. A host that
	// is named may be asked over plain http and at a loopback address, too; at any port if none is named.
	AllowHosts []string
	// MaxBytes is the largest file.
	MaxBytes int64
	// Timeout bounds a download from the first connection to the last byte.
	Timeout time.Duration
	// StallTimeout bounds how long the server may take for 64 KiB; the time that the reader takes doesn't count.
	StallTimeout time.Duration
}

// A Client downloads files. Safe for concurrent use; it holds no connections between downloads.
type Client struct {
	options  Options
	policy   policy
	resolver *net.Resolver  // nil: the system's
	roots    *x509.CertPool // nil: the system's
	// observe is told of each address that control allows, and may refuse it. Tests set it.
	observe func(netip.AddrPort) error
}

// NewClient returns a client. It fails if an allowed host isn't of the form host[:port].
func NewClient(options Options) (*Client, error) {
	p, err := newPolicy(options.AllowHosts)
	if err != nil {
		return nil, err
	}
	if options.MaxBytes == 0 {
		options.MaxBytes = DefaultMaxBytes
	}
	if options.Timeout == 0 {
		options.Timeout = DefaultTimeout
	}
	if options.StallTimeout == 0 {
		options.StallTimeout = DefaultStallTimeout
	}
	return &Client{options: options, policy: p}, nil
}

// Get begins to download a link. from says what is there already; the download begins at its offset if the server still has
// the same file and can do so, at zero otherwise: see Download.Offset. ctx and the timeout count until the body is closed.
// Errors are DownloadErrors.
func (c *Client) Get(ctx context.Context, link string, from Resume) (*Download, error) {
	u, err := url.Parse(link)
	if err != nil || u.Opaque != "" {
		return nil, denied("", "it is not a URL that can be read") // the cause quotes the link
	}
	ctx, stop := context.WithTimeoutCause(ctx, c.options.Timeout, ErrTooSlow)
	ctx, cancel := context.WithCancelCause(ctx)
	end := func(cause error) { cancel(cause); stop() }

	download, err := c.begin(ctx, u, from)
	if err == nil && download == nil {
		download, err = c.begin(ctx, u, Resume{})
	}
	if err != nil {
		end(nil)
		return nil, err
	}
	download.Body.(*body).watch(ctx, end)
	return download, nil
}

// begin sends the request along its redirects and judges the answer. Without an error or a download the server can't continue
// the file: ask for all of it.
func (c *Client) begin(ctx context.Context, link *url.URL, from Resume) (*Download, error) {
	var previous *url.URL
	for range maxRedirects + 1 {
		t, err := c.policy.check(link, previous)
		if err != nil {
			return nil, err
		}
		answer, err := c.send(ctx, t, link, from)
		if err != nil {
			return nil, c.failure(ctx, t.host, err)
		}
		if !redirects(answer.StatusCode) {
			return c.judge(t.host, answer, from)
		}
		_ = answer.Body.Close()
		next, err := link.Parse(answer.Header.Get("Location"))
		if err != nil || answer.Header.Get("Location") == "" || next.Opaque != "" {
			return nil, denied(t.host, "it redirects to what can't be read as a URL") // the cause quotes it
		}
		previous, link = link, next
	}
	return nil, denied(link.Hostname(), "it redirects more than %d times", maxRedirects)
}

func redirects(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// send sends one request over a connection of its own. There is no http.Client: that would add cookies and a Referer, follow
// redirects, and put the link into its errors.
func (c *Client) send(ctx context.Context, t target, link *url.URL, from Resume) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, link.String(), nil)
	if err != nil {
		return nil, denied(t.host, "it is not a URL that can be asked for")
	}
	request.Header.Set("User-Agent", "straw")
	request.Header.Set("Accept-Encoding", "identity")
	if from.usable() {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", from.Offset))
		request.Header.Set("If-Range", from.ETag)
	}
	return c.transport(t).RoundTrip(request)
}

// transport connects to one target.
func (c *Client) transport(t target) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout, Resolver: c.resolver, Control: c.control(t)}
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.roots},
		TLSHandshakeTimeout:    tlsTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableKeepAlives:      true,
		DisableCompression:     true,
	}
}

func (c *Client) control(t target) func(network, address string, raw syscall.RawConn) error {
	if c.observe == nil {
		return t.control
	}
	return func(network, address string, raw syscall.RawConn) error {
		if err := t.control(network, address, raw); err != nil {
			return err
		}
		return c.observe(netip.MustParseAddrPort(address))
	}
}
