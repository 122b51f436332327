package share

import (
	"context"
	"net/netip"
)

// subscriberBits are the bits of an IPv6 address that a subscriber of a network gets: within them one machine has addresses at
// will.
const subscriberBits = 64

// Account is who pays for the work of a caller from an address without a port: the address, or of IPv6 the network. What is no
// address pays for itself.
func Account(host string) string {
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Unmap().Is4() {
		return host
	}
	network, err := addr.WithZone("").Prefix(subscriberBits)
	if err != nil {
		return host
	}
	return network.String()
}

type callerKey struct{}

// WithCaller returns a context whose work is on the account of a caller; see Account.
func WithCaller(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, callerKey{}, name)
}

// CallerOf returns who a context's work is for; empty, for the gateway itself, if nobody was named.
func CallerOf(ctx context.Context) string {
	name, _ := ctx.Value(callerKey{}).(string)
	return name
}
