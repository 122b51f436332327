package export

import (
	"crypto/x509"
	"net"
	"net/netip"
	"time"
)

// Resolve lets the client resolve names with a resolver of the test's.
func (c *Client) Resolve(r *net.Resolver) { c.resolver = r }

// Trust lets the client trust other roots than the system's.
func (c *Client) Trust(roots *x509.CertPool) { c.roots = roots }

// Observe calls f with each address that the client is about to connect to; an error keeps it from doing so.
func (c *Client) Observe(f func(netip.AddrPort) error) { c.observe = f }

// Bound bounds the memory of what waits, in bytes. Call it before Run.
func (f *Fetcher) Bound(most int) { f.tasks = newTasks(most) }

// Waiting is how many exports wait in memory, and whether some were left out.
func (f *Fetcher) Waiting() (n int, full bool) {
	f.tasks.mu.Lock()
	defer f.tasks.mu.Unlock()
	return len(f.tasks.known), f.tasks.full
}

// Patience is how long a download may take, and how long it may stall.
func (c *Client) Patience() (timeout, stall time.Duration) {
	return c.options.Timeout, c.options.StallTimeout
}

// Downloads is how many run at once.
func Downloads() int { return cap(NewFetcher(FetcherOptions{}).turns) }
