package rpc_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/hostname"
	"github.com/straw-gateway/straw/server/internal/juicebox"
	"github.com/straw-gateway/straw/server/internal/rpc"
)

// upstreamAPI is a gateway that calls a server in place of Juicebox's.
func upstreamAPI(t *testing.T, key string, serve http.HandlerFunc) (*api, *httptest.Server) {
	t.Helper()
	upstream := httptest.NewServer(serve)
	t.Cleanup(upstream.Close)
	return newAPI(t, setup{more: func(o *rpc.Options) {
		o.RegisterHosts = registerHosts
		o.Juicebox = juicebox.NewClient(juicebox.Options{
			URL: upstream.URL, Key: key, Latest: noQuota{}.Latest, Timeout: 5 * time.Second, Logger: slog.New(slog.DiscardHandler),
		})
	}}), upstream
}

// registerHosts are those that the tests' gateways may register webhooks for.
var registerHosts, _ = hostname.NewSet("hooks.example.com", "one.example.com:8443", "tls.example.com:443") // can't fail

const hooksURL = "https://hooks.example.com/webhooks/juicebox"

func TestRegisterWebhook(t *testing.T) {
	var got string
	a, _ := upstreamAPI(t, "jb_key", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Header.Get("Authorization") + " " + string(body)
		_, _ = io.WriteString(w, `{"data":{"id":"wh_7"}}`)
	})
	resp, err := a.gateway.RegisterWebhook(t.Context(), &strawv1.RegisterWebhookRequest{Url: hooksURL})
	if err != nil || resp.GetId() != "wh_7" || resp.GetUrl() != hooksURL || len(resp.GetSecretFingerprint()) != 12 {
		t.Fatalf("%v, %v", resp, err)
	}
	if diff := cmp.Diff(event.Documented(), resp.GetTypes()); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(got, "Bearer jb_key {") || !strings.Contains(got, `"secret":"a secret of some length"`) || strings.Contains(resp.String(), "a secret") {
		t.Errorf("Juicebox got %s, the caller %s", got, resp)
	}
	for _, url := range []string{"https://HOOKS.example.com.:8443/x", "https://one.example.com:8443/x", "https://tls.example.com/x"} {
		if _, err := a.gateway.RegisterWebhook(t.Context(), &strawv1.RegisterWebhookRequest{Url: url}); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	resp, err = a.gateway.RegisterWebhook(t.Context(), &strawv1.RegisterWebhookRequest{Url: hooksURL, Types: []string{"export.ready", "dataset.updated", "export.ready"}})
	if err != nil || strings.Join(resp.GetTypes(), " ") != "dataset.updated export.ready" {
		t.Errorf("%v, %v", resp, err)
	}
}

func TestRegisterWebhookRefusesWhatCannotWork(t *testing.T) {
	asked := false
	a, _ := upstreamAPI(t, "jb_key", func(http.ResponseWriter, *http.Request) { asked = true })
	for _, url := range []string{"hooks.example.com", "http://hooks.example.com/x", "https://user:pass@example.com/", "https://", "mailto:x@y.z", "https://a/#x"} {
		_, err := a.gateway.RegisterWebhook(t.Context(), &strawv1.RegisterWebhookRequest{Url: url})
		wantError(t, err, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "url"})
	}
	for _, host := range []string{
		"evil.example", "hooks.example.com.evil.example", "evil.hooks.example.com", "one.example.com", "one.example.com:8444", "203.0.113.9", "[2001:db8::1]",
		"localhost", "127.0.0.1",
	} {
		_, err := a.gateway.RegisterWebhook(t.Context(), &strawv1.RegisterWebhookRequest{Url: "https://" + host + "/webhooks/juicebox"})
		wantError(t, err, codes.PermissionDenied, strawv1.ErrorReason_HOST_NOT_ALLOWED, map[string]string{"setting": "allow-register-host"})
		if !strings.Contains(err.Error(), "--allow-register-host") {
			t.Errorf("%v doesn't say what to set", err)
		}
	}
	for _, host := range []string{"h\u00fcte.example", "*.example.com", "a:b"} {
		_, err := a.gateway.RegisterWebhook(t.Context(), &strawv1.RegisterWebhookRequest{Url: "https://" + host + "/webhooks/juicebox"})
		wantError(t, err, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "url"})
	}
	for _, name := range []string{"*", "export.*", "straw.export.stored", ""} {
		_, err := a.gateway.RegisterWebhook(t.Context(), &strawv1.RegisterWebhookRequest{Url: hooksURL, Types: []string{name}})
		wantError(t, err, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "types"})
	}
	_, err := a.gateway.RegisterWebhook(t.Context(), &strawv1.RegisterWebhookRequest{Url: hooksURL, Types: []string{"export.raedy"}})
	wantError(t, err, codes.InvalidArgument, strawv1.ErrorReason_UNKNOWN_EVENT_TYPE, map[string]string{"suggestion": "export.ready"})
	if asked {
		t.Error("Juicebox was asked")
	}
}

func TestRegisterWebhookErrors(t *testing.T) {
	register := func(a *api) error {
		_, err := a.gateway.RegisterWebhook(t.Context(), &strawv1.RegisterWebhookRequest{Url: hooksURL})
		return err
	}
	a, _ := upstreamAPI(t, "jb_wrong", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	wantError(t, register(a), codes.FailedPrecondition, strawv1.ErrorReason_UPSTREAM_REJECTED, map[string]string{"status": "401"})

	a, _ = upstreamAPI(t, "", func(http.ResponseWriter, *http.Request) { t.Error("Juicebox was asked without a key") })
	wantError(t, register(a), codes.FailedPrecondition, strawv1.ErrorReason_UPSTREAM_REJECTED, nil)

	a, upstream := upstreamAPI(t, "jb_key", func(http.ResponseWriter, *http.Request) {})
	upstream.Close()
	wantError(t, register(a), codes.Unavailable, strawv1.ErrorReason_UPSTREAM_UNREACHABLE, nil)

	until := time.Now().Add(48 * time.Hour).UTC().Format(time.DateOnly)
	a, _ = upstreamAPI(t, "jb_key", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"reset_date":"`+until+`"}`)
	})
	status, err := a.gateway.GetStatus(t.Context(), &strawv1.GetStatusRequest{})
	if err != nil || status.JuiceboxHoldUntil != nil {
		t.Errorf("before: held until %v, %v", status.GetJuiceboxHoldUntil(), err)
	}
	for range 2 {
		wantError(t, register(a), codes.ResourceExhausted, strawv1.ErrorReason_UPSTREAM_HELD, map[string]string{"until": until + "T00:00:00Z"})
	}
	status, err = a.gateway.GetStatus(t.Context(), &strawv1.GetStatusRequest{})
	if err != nil || status.GetJuiceboxHoldUntil().AsTime().Format(time.RFC3339) != until+"T00:00:00Z" {
		t.Errorf("held until %v, %v", status.GetJuiceboxHoldUntil(), err)
	}
}
