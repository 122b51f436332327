package export_test

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/straw-gateway/straw/server/internal/export"
)

// forbidden are addresses that no name may lead to, and what the error says of them.
var forbidden = map[string]string{
	"0.0.0.0":                "this network",
	"0.1.2.3":                "this network",
	"10.0.0.1":               "private",
	"100.64.0.1":             "carrier-grade NAT",
	"100.127.255.255":        "carrier-grade NAT",
	"127.0.0.1":              "loopback",
	"127.255.255.254":        "loopback",
	"169.254.169.254":        "link-local",
	"172.16.0.1":             "private",
	"172.31.255.255":         "private",
	"192.0.0.1":              "protocol assignments",
	"192.0.2.1":              "documentation",
	"192.31.196.1":           "AS112",
	"192.52.193.1":           "AMT",
	"192.88.99.1":            "6to4 relay",
	"192.168.1.1":            "private",
	"192.175.48.1":           "AS112",
	"198.18.0.1":             "benchmarking",
	"198.19.255.255":         "benchmarking",
	"198.51.100.1":           "documentation",
	"203.0.113.1":            "documentation",
	"224.0.0.1":              "multicast",
	"240.0.0.1":              "reserved",
	"255.255.255.255":        "reserved",
	"::":                     "unspecified",
	"::1":                    "loopback",
	"::127.0.0.1":            "not on the internet",
	"64:ff9b::7f00:1":        "NAT64",
	"64:ff9b:1::7f00:1":      "NAT64",
	"100::1":                 "not on the internet",
	"2001::7f00:1":           "Teredo",
	"2001:2::1":              "protocol assignments",
	"2001:db8::1":            "documentation",
	"2002:7f00:1::":          "6to4",
	"2620:4f:8000::1":        "AS112",
	"3fff::1":                "documentation",
	"5f00::1":                "not on the internet",
	"fc00::1":                "private",
	"fd12:3456:789a::1":      "private",
	"fe80::1":                "link-local",
	"fec0::1":                "not on the internet",
	"ff02::1":                "multicast",
	"::ffff:127.0.0.1":       "loopback", // Go dials it as IPv4
	"::ffff:169.254.169.254": "link-local",
}

// errNotSent keeps the tests from connecting to the internet.
var errNotSent = errors.New("the test connects to nothing")

// resolved makes a client for which the name resolves to the answers, one after the other, and which notes where it would
// connect to without doing so.
func resolved(t *testing.T, options export.Options, name string, answers ...[]netip.Addr) (client *export.Client, tried func() []string) {
	t.Helper()
	client = newClient(t, options)
	server := &dns{answers: map[string][][]netip.Addr{name: answers}}
	client.Resolve(server.resolver(t))
	var mu sync.Mutex
	var list []string
	client.Observe(func(addr netip.AddrPort) error {
		mu.Lock()
		defer mu.Unlock()
		list = append(list, addr.String())
		return errNotSent
	})
	return client, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(list)
	}
}

func addrs(texts ...string) (list []netip.Addr) {
	for _, text := range texts {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

func TestForbiddenAddressesAreDeniedWhenDialled(t *testing.T) {
	for text, what := range forbidden {
		client, tried := resolved(t, export.Options{}, "files.juicebox.ai", addrs(text))
		_, _, err := get(t, client, "https://files.juicebox.ai/f?"+secret, export.Resume{})
		fails(t, err, export.ErrDenied, what)
		if len(tried()) > 0 {
			t.Errorf("%s: it would connect to %v", text, tried())
		}
	}
}

func TestAddressesOnTheInternetAreAllowed(t *testing.T) {
	for _, text := range []string{"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.255.255", "172.32.0.1", "192.167.255.255", "198.17.255.255", "198.20.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::1", "2001:4860::8888", "3ffe::1"} {
		client, tried := resolved(t, export.Options{}, "files.juicebox.ai", addrs(text))
		_, _, err := get(t, client, "https://files.juicebox.ai/f?"+secret, export.Resume{})
		if want := netip.AddrPortFrom(netip.MustParseAddr(text), 443).String(); !slices.Equal(tried(), []string{want}) {
			t.Errorf("%s: it would connect to %v (%v)", text, tried(), err)
		}
		keepsSecret(t, err)
	}
}

// TestRebinding: what a name resolved to before doesn't count, and neither does a good address beside a bad one.
func TestRebinding(t *testing.T) {
	client, tried := resolved(t, export.Options{}, "files.juicebox.ai", addrs("8.8.8.8"), addrs("127.0.0.1"), addrs("8.8.4.4", "127.0.0.1"))
	const link = "https://files.juicebox.ai/f?" + secret
	_, _, err := get(t, client, link, export.Resume{})
	fails(t, err, export.ErrTemporary, "")
	_, _, err = get(t, client, link, export.Resume{})
	fails(t, err, export.ErrDenied, "loopback")
	_, _, err = get(t, client, link, export.Resume{})
	keepsSecret(t, err)
	if want := []string{"8.8.8.8:443", "8.8.4.4:443"}; !slices.Equal(tried(), want) {
		t.Errorf("it would connect to %v, want %v", tried(), want)
	}
}

// TestNamedHosts: naming a host permits loopback for it, and no other address that isn't on the internet.
func TestNamedHosts(t *testing.T) {
	_, hostPort := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.Host)) })
	_, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		t.Fatal(err)
	}
	server := &dns{answers: map[string][][]netip.Addr{
		"files.example.com":   {addrs("127.0.0.1")},
		"inside.example.com":  {addrs("10.0.0.1")},
		"mapped.example.com":  {addrs("::ffff:10.0.0.1")},
		"unnamed.example.com": {addrs("127.0.0.1")},
		"files.juicebox.ai":   {addrs("127.0.0.1")},
	}}
	resolver := server.resolver(t)
	for _, test := range []struct {
		allow, host string
		says        string // of the denial; empty: it works
	}{
		{"files.example.com", "files.example.com", ""},
		{"FILES.example.com", "files.EXAMPLE.com", ""},
		{"files.example.com:" + port, "files.example.com", ""},
		{"files.example.com:1", "files.example.com", "not under juicebox.ai"},
		{"example.com", "files.example.com", "not under juicebox.ai"},
		{"inside.example.com", "inside.example.com", "private"},
		{"mapped.example.com", "mapped.example.com", "private"},
		{"files.example.com", "unnamed.example.com", "not under juicebox.ai"},
		{"files.juicebox.ai", "files.juicebox.ai", ""},
		{"127.0.0.1", "127.0.0.1", ""},
		{"files.juicebox.ai", "127.0.0.1", "not under juicebox.ai"},
	} {
		client := newClient(t, export.Options{}, test.allow)
		client.Resolve(resolver)
		_, body, err := get(t, client, link(net.JoinHostPort(test.host, port)), export.Resume{})
		switch {
		case test.says != "":
			fails(t, err, export.ErrDenied, test.says)
		case err != nil || len(body) == 0:
			t.Errorf("%s with %s allowed: %v", test.host, test.allow, err)
		}
	}
}

// TestLoopbackOfIPv6 connects to nothing, for not every machine has that loopback.
func TestLoopbackOfIPv6(t *testing.T) {
	for _, allow := range []string{"[::1]:8080", "::1", "[::1]", "0:0:0:0:0:0:0:1"} {
		client, tried := resolved(t, export.Options{AllowHosts: []string{allow}}, "unused.juicebox.ai", nil)
		_, _, err := get(t, client, "http://[::1]:8080/?"+secret, export.Resume{})
		if !slices.Equal(tried(), []string{"[::1]:8080"}) {
			t.Errorf("%s: it would connect to %v (%v)", allow, tried(), err)
		}
		keepsSecret(t, err)
	}
}

func TestNameThatDoesNotResolve(t *testing.T) {
	client, _ := resolved(t, export.Options{}, "other.juicebox.ai", addrs("8.8.8.8"))
	_, _, err := get(t, client, "https://files.juicebox.ai/f?"+secret, export.Resume{})
	fails(t, err, export.ErrTemporary, "files.juicebox.ai: its name can't be resolved: no such host")
}
