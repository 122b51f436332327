package listen

import (
	"net"
	"net/netip"
)

// Peers says whom an address stands for. The peer is the other end of the TCP connection; what a header says is no identity,
// for anybody can write one.
type Peers struct {
	// Trusted are the addresses of proxies, which connect for many. They are exempt from an address's share, as loopback
	// addresses are.
	Trusted []netip.Prefix
	// CountLoopback counts loopback addresses as any others. Tests, which have no other addresses, set it.
	CountLoopback bool
}

// subscriberBits are the bits of an IPv6 address that a subscriber of a network gets at least: within them everybody has as
// many addresses as he likes.
const subscriberBits = 64

// Of returns the address that a peer counts for, the network's in IPv6, and whether it is exempt from an address's share.
func (p Peers) Of(a net.Addr) (addr netip.Addr, exempt bool) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}, false
	}
	return p.OfAddr(tcp.AddrPort().Addr())
}

// OfAddr is Of for an address without a port.
func (p Peers) OfAddr(addr netip.Addr) (of netip.Addr, exempt bool) {
	addr = addr.Unmap().WithZone("")
	exempt = addr.IsLoopback() && !p.CountLoopback
	for _, trusted := range p.Trusted {
		exempt = exempt || trusted.Contains(addr)
	}
	if addr.Is6() {
		if network, err := addr.Prefix(subscriberBits); err == nil {
			addr = network.Addr()
		}
	}
	return addr, exempt
}
