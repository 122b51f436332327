package config

import (
	"errors"
	"fmt"
	"net/netip"
)

// Prefixes are networks of IP addresses.
type Prefixes []netip.Prefix

// set reads addresses and networks in CIDR notation. Its errors complete a sentence that begins with the text, if there is one.
func (p *Prefixes) set(texts []string) error {
	*p = nil
	var errs []error
	for _, text := range texts {
		prefix, err := parsePrefix(text)
		if err != nil && len(texts) > 1 {
			err = fmt.Errorf("has %q, which %w", text, err)
		}
		*p, errs = append(*p, prefix), append(errs, err)
	}
	return errors.Join(errs...)
}

func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil || prefix.Addr().Is4In6() {
		return netip.Prefix{}, errors.New("isn't an IP address or a network such as 10.0.0.0/8")
	}
	return prefix.Masked(), nil
}
