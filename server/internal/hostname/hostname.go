// Package hostname knows whether a host is one of those that the settings name, whether it stands in a request's Host header
// or in a URL.
//
// It compares names as they are written. It never resolves one: what a name leads to is for whoever owns it to say, and may
// change with each question.
package hostname

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

const maxName = 253 // bytes, of DNS

// A Set is the hosts that settings name, each at every port or at one. The zero value holds none. It doesn't change, and so is
// safe for concurrent use.
type Set struct {
	hosts map[host]struct{}
}

// A host with an empty port is one at every port.
type host struct{ name, port string }

// NewSet takes hosts as settings name them: `hooks.example.com` for every port, or `hooks.example.com:8443` for one. Its error
// completes a sentence that begins with the text.
func NewSet(texts ...string) (Set, error) {
	s := Set{hosts: map[host]struct{}{}}
	for _, text := range texts {
		name, port, ok := Split(text)
		if !ok {
			return Set{}, fmt.Errorf("%q isn't host or host:port, such as straw.example.com or straw.example.com:8443", text)
		}
		s.hosts[host{name, port}] = struct{}{}
	}
	return s, nil
}

// Has reports whether the set has a host, as Split gives its name and port. A host without a port is at one of defaults.
func (s Set) Has(name, port string, defaults ...string) bool {
	if _, ok := s.hosts[host{name: name}]; ok {
		return true
	}
	if port != "" {
		defaults = []string{port}
	}
	for _, port := range defaults {
		if _, ok := s.hosts[host{name, port}]; ok {
			return true
		}
	}
	return false
}

// Split returns the name and the port of what a Host header or the authority of a URL holds: the name in lower case and without
// the dot of a full name, an IP address in its usual form and without brackets, the port in its usual form, empty if there is
// none. It isn't ok if that is no host.
func Split(text string) (name, port string, ok bool) {
	name = text
	if end := strings.LastIndexByte(text, ':'); end >= 0 && !strings.HasSuffix(text, "]") {
		name = text[:end]
		if port = text[end+1:]; port != "" {
			number, err := strconv.ParseUint(port, 10, 16)
			if err != nil {
				return "", "", false
			}
			port = strconv.FormatUint(number, 10)
		}
	}
	name, ok = normal(name)
	return name, port, ok
}

// normal returns the one form of a name or an address.
func normal(name string) (string, bool) {
	if inside, ok := strings.CutPrefix(name, "["); ok {
		inside, closed := strings.CutSuffix(inside, "]")
		address, err := netip.ParseAddr(inside)
		return address.String(), err == nil && closed && address.Is6()
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, isForeign) {
		return "", false
	}
	return name, true
}

// isForeign reports whether a character can't stand in a name or an IPv4 address. Names of other alphabets travel as xn--….
func isForeign(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
}

// IsAddress reports whether a name, as Split gives it, is an IP address.
func IsAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}
