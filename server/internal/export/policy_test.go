package export_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/straw-gateway/straw/server/internal/export"
)

func TestLinksThatAreDenied(t *testing.T) {
	var hits atomic.Int32
	_, hostPort := serve(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	port := hostPort[strings.LastIndexByte(hostPort, ':')+1:]
	for link, says := range map[string]string{
		"http://127.0.0.1:PORT/":               "not under juicebox.ai",
		"http://localhost:PORT/":               "not under juicebox.ai",
		"http://LOCALHOST:PORT/":               "not under juicebox.ai",
		"http://[::1]:PORT/":                   "not under juicebox.ai",
		"http://0x7f.0.0.1:PORT/":              "is a number",
		"http://0177.0.0.01:PORT/":             "is a number",
		"http://127.1:PORT/":                   "is a number",
		"http://2130706433:PORT/":              "is a number",
		"http://0x7f000001:PORT/":              "is a number",
		"http://017700000001:PORT/":            "is a number",
		"http://[::ffff:127.0.0.1]:PORT/":      "IPv4 written as IPv6",
		"http://[::ffff:7f00:1]:PORT/":         "IPv4 written as IPv6",
		"http://[fe80::1%25lo]:PORT/":          "zone",
		"http://localhost.:PORT/":              "ends with a dot",
		"https://files.juicebox.ai./":          "ends with a dot",
		"https://127.0.0.1.juicebox.ai.:443/":  "ends with a dot",
		"https://juicebox.ai..evil.com/":       "empty part",
		"https://.juicebox.ai/":                "empty part",
		"https://juicebox.ai.evil.com/":        "not under juicebox.ai",
		"https://notjuicebox.ai/":              "not under juicebox.ai",
		"https://evil.com/juicebox.ai":         "not under juicebox.ai",
		"https://evil.com#.juicebox.ai":        "not under juicebox.ai",
		"https://juicebox.ai@evil.com/":        "user name",
		"https://user:pass@files.juicebox.ai/": "user name",
		"https://user@files.juicebox.ai/":      "user name",
		"https://juiceb\u00f6x.ai/":            "neither a letter",
		"https://juicebox.ai\u3002evil.com/":   "neither a letter",
		"https://files_%00.juicebox.ai/":       "not a URL",
		"http://files.juicebox.ai/":            "not https",
		"https://files.juicebox.ai:8443/":      "port is 8443",
		"https://files.juicebox.ai:80/":        "port is 80",
		"https://files.juicebox.ai:0/":         "port is not 1 to 65535",
		"https://files.juicebox.ai:99999/":     "port is not 1 to 65535",
		"https://files.juicebox.ai:x/":         "not a URL",
		"ftp://files.juicebox.ai/":             "neither https nor http",
		"file:///etc/passwd":                   "no host",
		"file://files.juicebox.ai/etc/passwd":  "neither https nor http",
		"gopher://127.0.0.1:PORT/":             "neither https nor http",
		"javascript:alert(1)":                  "not a URL",
		"https:files.juicebox.ai":              "not a URL",
		"https:///path":                        "no host",
		"//files.juicebox.ai/":                 "neither https nor http",
		"/path":                                "no host",
		"":                                     "no host",
		"https://files.juicebox.ai/\x7f":       "not a URL",
		" https://files.juicebox.ai/":          "not a URL",
	} {
		link = strings.ReplaceAll(link, "PORT", port)
		client := newClient(t, export.Options{})
		_, err := client.Get(t.Context(), link+"?"+secret, export.Resume{})
		t.Run(link, func(t *testing.T) { fails(t, err, export.ErrDenied, says) })
	}
	if hits.Load() > 0 {
		t.Errorf("%d requests came through", hits.Load())
	}
}

func TestNamedHostsAreChecked(t *testing.T) {
	for _, text := range []string{"", "https://h", "h:", "h:0", "h:99999", "h:x", "h/path", "user@h", "*.juicebox.ai", "h.", "0x7f.1", "127.1", "fe80::1%lo", "::ffff:1.2.3.4", "h h"} {
		if _, err := export.NewClient(export.Options{AllowHosts: []string{text}}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", text)) {
			t.Errorf("%q is allowed as a host: %v", text, err)
		}
	}
}

// TestNamedHostsArePlain: the port that was named holds, and other schemes don't come with it.
func TestNamedHostsArePlain(t *testing.T) {
	client := newClient(t, export.Options{}, "127.0.0.1:1")
	for link, says := range map[string]string{
		"http://127.0.0.1:2/":    "not under juicebox.ai",
		"http://127.0.0.1/":      "not under juicebox.ai",
		"ftp://127.0.0.1:1/":     "neither https nor http",
		"http://u:p@127.0.0.1:1": "user name",
	} {
		_, err := client.Get(t.Context(), link+"?"+secret, export.Resume{})
		fails(t, err, export.ErrDenied, says)
	}
}

// TestRedirects leads to where a link itself mustn't, and to where a redirect mustn't.
func TestRedirects(t *testing.T) {
	_, elsewhere := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("elsewhere")) })
	var location atomic.Value
	_, hostPort := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/arrived" {
			_, _ = fmt.Fprintf(w, "arrived with %q", r.Header)
			return
		}
		w.Header().Set("Set-Cookie", "session=1")
		w.Header().Set("Location", location.Load().(string))
		w.WriteHeader(http.StatusFound)
	})
	for target, says := range map[string]string{
		"http://169.254.169.254/latest/meta-data?" + secret: "not under juicebox.ai",
		"https://169.254.169.254/?" + secret:                "not under juicebox.ai",
		"http://files.juicebox.ai/?" + secret:               "not https",
		"https://files.juicebox.ai:8443/?" + secret:         "port is 8443",
		"https://u:p@files.juicebox.ai/?" + secret:          "user name",
		"file:///etc/passwd?" + secret:                      "no host",
		"http://" + elsewhere + "/?" + secret:               "leads to port",
		"//" + elsewhere + "/?" + secret:                    "leads to port",
		"http://[::ffff:127.0.0.1]/?" + secret:              "IPv4 written as IPv6",
		"":                                                  "can't be read as a URL",
		"https://a b/?" + secret:                            "can't be read as a URL",
		"javascript:" + secret:                              "can't be read as a URL",
		"/again?" + secret:                                  "more than 3 times",
	} {
		location.Store(target)
		client := newClient(t, export.Options{}, "127.0.0.1")
		_, err := client.Get(t.Context(), link(hostPort), export.Resume{})
		t.Run(target, func(t *testing.T) { fails(t, err, export.ErrDenied, says) })
	}

	location.Store("/arrived?" + secret)
	client := newClient(t, export.Options{}, "127.0.0.1")
	_, body, err := get(t, client, link(hostPort), export.Resume{})
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range []string{"Referer", "Cookie", "Authorization", "hush"} {
		if strings.Contains(string(body), header) {
			t.Errorf("a redirected request has a %s: %s", header, body)
		}
	}
	// A port that the operator named is one that a redirect may pick.
	location.Store("http://" + elsewhere + "/")
	client = newClient(t, export.Options{}, "127.0.0.1", elsewhere)
	if _, body, err := get(t, client, link(hostPort), export.Resume{}); err != nil || string(body) != "elsewhere" {
		t.Errorf("got %q, %v", body, err)
	}
}

func TestThreeRedirectsAreFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		arrival := "/file.csv"
		_, hostPort := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == arrival {
				_, _ = w.Write([]byte("arrived"))
				return
			}
			http.Redirect(w, r, r.URL.Path+"x", status)
		})
		client := newClient(t, export.Options{}, hostPort)
		arrival = "/file.csvxxx"
		if _, body, err := get(t, client, link(hostPort), export.Resume{}); err != nil || string(body) != "arrived" {
			t.Errorf("%d: got %q, %v", status, body, err)
		}
		arrival = "/file.csvxxxx"
		_, _, err := get(t, client, link(hostPort), export.Resume{})
		fails(t, err, export.ErrDenied, "more than 3 times")
	}
}

// TestDowngrade: no redirect leads from https to http, not even of a host that may be asked over both.
func TestDowngrade(t *testing.T) {
	_, plain := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it came through") })
	client, hostPort := serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+plain+"/?"+secret, http.StatusFound)
	}, plain)
	_, err := client.Get(t.Context(), "https://"+hostPort+"/?"+secret, export.Resume{})
	fails(t, err, export.ErrDenied, "from https to http")
}

// TestNoProxy runs itself in a process of its own, for the proxy's settings would be read once per process.
func TestNoProxy(t *testing.T) {
	const proxy = "http://127.0.0.1:1"
	if os.Getenv("HTTP_PROXY") != proxy {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNoProxy$", "-test.v")
		for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"} {
			child.Env = append(child.Env, name+"="+proxy)
		}
		if said, err := child.CombinedOutput(); err != nil || !strings.Contains(string(said), "--- PASS: TestNoProxy") {
			t.Errorf("%v:\n%s", err, said)
		}
		return
	}
	client, tried := resolved(t, export.Options{AllowHosts: []string{"files.example.com"}}, "files.example.com", addrs("8.8.8.8"))
	_, err := client.Get(t.Context(), "http://files.example.com/?"+secret, export.Resume{})
	keepsSecret(t, err)
	if got := tried(); len(got) != 1 || got[0] != "8.8.8.8:80" {
		t.Errorf("it would connect to %v (%v)", got, err)
	}
}
