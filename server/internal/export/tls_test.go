package export_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/straw-gateway/straw/server/internal/export"
)

// serveTLS starts a server over TLS, and a client that trusts it and may ask it.
func serveTLS(t *testing.T, handler http.HandlerFunc, allow ...string) (client *export.Client, hostPort string) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = discard
	server.StartTLS()
	t.Cleanup(server.Close)
	hostPort = strings.TrimPrefix(server.URL, "https://")
	client = newClient(t, export.Options{}, append(allow, hostPort)...)
	client.Trust(server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs)
	return client, hostPort
}

func TestTLS(t *testing.T) {
	client, hostPort := serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("the protocol is %s", r.Proto)
		}
		_, _ = w.Write([]byte("over TLS"))
	})
	if _, body, err := get(t, client, "https://"+hostPort+"/?"+secret, export.Resume{}); err != nil || string(body) != "over TLS" {
		t.Errorf("got %q, %v", body, err)
	}
	// The system doesn't know the test's authority.
	stranger := newClient(t, export.Options{}, hostPort)
	_, _, err := get(t, stranger, "https://"+hostPort+"/?"+secret, export.Resume{})
	fails(t, err, export.ErrTemporary, "its certificate isn't valid")

	_, plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	_, _, err = get(t, newClient(t, export.Options{}, plain), "https://"+plain+"/?"+secret, export.Resume{})
	fails(t, err, export.ErrTemporary, "doesn't speak TLS")
}
