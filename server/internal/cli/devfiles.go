package cli

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// A fileServer stands for Juicebox's: it serves a small export on loopback, so that `straw dev` needs no internet to show an
// export being stored. Every path is the same file, as JSON if it ends so and as CSV otherwise.
type fileServer struct {
	server   *http.Server
	listener net.Listener
}

// startFiles starts serving on a free port.
func startFiles() (*fileServer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve a sample export: %w", err)
	}
	f := &fileServer{listener: listener, server: &http.Server{Handler: http.HandlerFunc(serveSample), ReadHeaderTimeout: 5 * time.Second}}
	go func() { _ = f.server.Serve(listener) }() // ends with close
	return f, nil
}

// host is what the gateway must be allowed to ask.
func (f *fileServer) host() string { return f.listener.Addr().String() }

// link is where an export of a format can be downloaded; it carries a token, as Juicebox's do.
func (f *fileServer) link(name, format string) string {
	return fmt.Sprintf("http://%s/%s.%s?token=sample", f.host(), name, format)
}

func (f *fileServer) close() { _ = f.server.Close() }

func serveSample(w http.ResponseWriter, r *http.Request) {
	var b strings.Builder
	asJSON := strings.HasSuffix(r.URL.Path, ".json")
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	if asJSON {
		w.Header().Set("Content-Type", "application/json")
		b.WriteString("[\n")
	} else {
		b.WriteString("name,title,city\n")
	}
	const rows = 48
	for i := 1; i <= rows; i++ {
		switch {
		case !asJSON:
			fmt.Fprintf(&b, "Candidate %d,Staff Platform Engineer,Berlin\n", i)
		case i < rows:
			fmt.Fprintf(&b, "  {\"name\": \"Candidate %d\", \"title\": \"Staff Platform Engineer\", \"city\": \"Berlin\"},\n", i)
		default:
			fmt.Fprintf(&b, "  {\"name\": \"Candidate %d\", \"title\": \"Staff Platform Engineer\", \"city\": \"Berlin\"}\n]\n", i)
		}
	}
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(b.String()))
}
