package export

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

// domain is whose hosts need not be named.
const domain = "juicebox.ai"

const httpsPort = "443"

// A policy says which hosts may be asked. What it doesn't allow is denied.
type policy struct {
	named []rule
}

// A rule allows a host that the operator named: over plain http, too, and at a loopback address.
type rule struct {
	host string
	port string // empty: any
}

// A target is a host that may be asked.
type target struct {
	host, port string
	named      bool
}

func newPolicy(allow []string) (policy, error) {
	var p policy
	for _, text := range allow {
		r, err := parseRule(text)
		if err != nil {
			return policy{}, err
		}
		p.named = append(p.named, r)
	}
	return p, nil
}

// parseRule reads host[:port]; an IPv6 address with a port stands in brackets.
func parseRule(text string) (rule, error) {
	host, port := text, ""
	if h, p, err := net.SplitHostPort(text); err == nil {
		if host, port = h, p; !validPort(port) {
			return rule{}, fmt.Errorf("the allowed export host %q: the port must be 1 to 65535", text)
		}
	}
	host, problem := canonical(strings.Trim(host, "[]"))
	if problem != "" {
		return rule{}, fmt.Errorf("the allowed export host %q: %s; write host or host:port", text, problem)
	}
	return rule{host, port}, nil
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// canonical gives a host its one spelling, or says what is wrong with it. Spellings of an address that resolvers understand
// and people overlook (octal, decimal, short) are wrong, and so is a trailing dot, which makes another name of a host.
func canonical(host string) (name, problem string) {
	if addr, err := netip.ParseAddr(host); err == nil {
		switch {
		case addr.Zone() != "":
			return "", "its address has a zone"
		case addr.Is4In6():
			return "", "its address is one of IPv4 written as IPv6"
		}
		return addr.String(), ""
	}
	host = strings.ToLower(host)
	switch {
	case host == "":
		return "", "it has no host"
	case strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "":
		return "", "its host has a character that is neither a letter, a digit, '-', '_' nor '.'"
	case strings.HasSuffix(host, "."):
		return "", "its host ends with a dot"
	case strings.HasPrefix(host, "."), strings.Contains(host, ".."):
		return "", "its host has an empty part"
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return "", "its host is a number, and not an address as it should be written"
	}
	return host, ""
}

// check says whether a link may be followed. from is where a redirect came from, nil for the link itself.
func (p policy) check(link, from *url.URL) (target, error) {
	host, problem := canonical(link.Hostname())
	switch {
	case problem != "":
		return target{}, denied("", "%s", problem)
	case link.User != nil:
		return target{}, denied(host, "it has a user name or password")
	case link.Scheme != "https" && link.Scheme != "http":
		return target{}, denied(host, "it is neither https nor http")
	case link.Port() != "" && !validPort(link.Port()):
		return target{}, denied(host, "its port is not 1 to 65535")
	}
	t := target{host: host, port: portOf(link)}
	if t.named = p.names(t); t.named {
		return t, checkRedirect(link, from, p.pinned(t))
	}
	switch {
	case host != domain && !strings.HasSuffix(host, "."+domain):
		return target{}, denied(host, "the host is not under %s; name it with --export-allow-host if it is meant", domain)
	case link.Scheme != "https":
		return target{}, denied(host, "it is not https")
	case t.port != httpsPort:
		return target{}, denied(host, "its port is %s, not %s", t.port, httpsPort)
	}
	return t, nil
}

// checkRedirect keeps a redirect from leaving https, and from picking a port of a host that was named without one.
func checkRedirect(link, from *url.URL, pinned bool) error {
	switch {
	case from == nil:
		return nil
	case from.Scheme == "https" && link.Scheme != "https":
		return denied(link.Hostname(), "a redirect leads from https to http")
	case !pinned && link.Port() != "" && (link.Port() != from.Port() || !strings.EqualFold(link.Hostname(), from.Hostname())):
		return denied(link.Hostname(), "a redirect leads to port %s", link.Port())
	}
	return nil
}

func portOf(link *url.URL) string {
	switch {
	case link.Port() != "":
		return link.Port()
	case link.Scheme == "https":
		return httpsPort
	}
	return "80"
}

// names says whether the operator named the host, and its port if a port was named.
func (p policy) names(t target) bool {
	for _, r := range p.named {
		if r.host == t.host && (r.port == "" || r.port == t.port) {
			return true
		}
	}
	return false
}

// pinned says whether the operator named the host with this very port.
func (p policy) pinned(t target) bool {
	for _, r := range p.named {
		if r.host == t.host && r.port == t.port {
			return true
		}
	}
	return false
}

// control is asked with each address before a connection is made to it, so no other address than the one it judged is ever
// connected to, whatever a name resolves to the next time.
func (t target) control(_, address string, _ syscall.RawConn) error {
	addrPort, err := netip.ParseAddrPort(address)
	if err != nil {
		return denied(t.host, "it resolves to something that is no address")
	}
	addr := addrPort.Addr()
	what := forbidden(addr)
	if what == "" || t.named && addr.IsLoopback() && !addr.Is4In6() {
		return nil
	}
	return denied(t.host, "its address %s is forbidden (%s)", addr, what)
}
