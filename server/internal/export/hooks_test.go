package export

import (
	"crypto/x509"
	"net"
	"net/netip"
)

// Resolve lets the client resolve names with a resolver of the test's.
func (c *Client) Resolve(r *net.Resolver) { c.resolver = r }

// Trust lets the client trust other roots than the system's.
func (c *Client) Trust(roots *x509.CertPool) { c.roots = roots }

// Observe calls f with each address that the client is about to connect to; an error keeps it from doing so.
func (c *Client) Observe(f func(netip.AddrPort) error) { c.observe = f }
