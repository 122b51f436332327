package hostname_test

import (
	"strings"
	"testing"

	"github.com/straw-gateway/straw/server/internal/hostname"
)

func TestSplit(t *testing.T) {
	tests := []struct{ text, name, port string }{
		{"localhost", "localhost", ""},
		{"localhost:9080", "localhost", "9080"},
		{"LocalHost.:9080", "localhost", "9080"},
		{"localhost:", "localhost", ""},
		{"localhost:09080", "localhost", "9080"},
		{"a_b-1.Example.com", "a_b-1.example.com", ""},
		{"127.0.0.1:80", "127.0.0.1", "80"},
		{"[::1]", "::1", ""},
		{"[0:0::1]:80", "::1", "80"},
		{"[::ffff:127.0.0.1]", "::ffff:127.0.0.1", ""},
		{"[fe80::1%eth0]:1", "fe80::1%eth0", "1"},
	}
	for _, tt := range tests {
		if name, port, ok := hostname.Split(tt.text); !ok || name != tt.name || port != tt.port {
			t.Errorf("%q is %q at %q, %v, want %q at %q", tt.text, name, port, ok, tt.name, tt.port)
		}
	}
	for _, text := range []string{
		"", ".", ":80", ".:80", "a:b", "a:-1", "a:65536", "a:1:2", "::1", "[::1", "::1]", "[::1]x", "[127.0.0.1]", "[a]", "[]", "a b", "a/b", "a@b",
		"*.example.com", "a,b", "bücher.example", strings.Repeat("a", 254), "a\x00",
	} {
		if name, port, ok := hostname.Split(text); ok {
			t.Errorf("%q is %q at %q", text, name, port)
		}
	}
}

func TestSet(t *testing.T) {
	s, err := hostname.NewSet("Straw.example.com", "one.example.com:8443", "web.example.com:443")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"straw.example.com": true, "STRAW.example.com.": true, "straw.example.com:1": true,
		"one.example.com:8443": true, "one.example.com:8444": false, "one.example.com": false,
		"web.example.com": true, "web.example.com:443": true, "web.example.com:80": false,
		"a.straw.example.com": false, "example.com": false, "straw.example.com.evil.example": false,
	} {
		name, port, ok := hostname.Split(text)
		if got := s.Has(name, port, "443"); !ok || got != want {
			t.Errorf("%s: %v, %v, want %v", text, got, ok, want)
		}
	}
	if (hostname.Set{}).Has("a", "") {
		t.Error("an empty set has a host")
	}
	for _, text := range []string{"https://a", "*.a", "a b", ""} {
		if _, err := hostname.NewSet("a", text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestIsAddress(t *testing.T) {
	for name, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "fe80::1%eth0": true, "localhost": false, "2130706433": false, "0x7f.1": false, "127.1": false,
		"127.0.0.1.example.com": false, "127.0.0.01": false, "": false,
	} {
		if got := hostname.IsAddress(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}
