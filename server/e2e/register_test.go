package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestRegisterWithJuicebox registers the gateway, by the command, with a server that behaves as Juicebox's documentation says.
func TestRegisterWithJuicebox(t *testing.T) {
	const key = "jb_e2e_key"
	var refuse atomic.Pointer[http.HandlerFunc]
	var calls atomic.Int32
	var got atomic.Pointer[map[string]any]
	juicebox := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if f := refuse.Load(); f != nil {
			(*f)(w, r)
			return
		}
		if r.Method != http.MethodPost || r.URL.Path != "/v1/webhooks" || r.Header.Get("Authorization") != "Bearer "+key {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		got.Store(&body)
		_, _ = io.WriteString(w, `{"id":"wh_1"}`)
	}))
	t.Cleanup(juicebox.Close)
	t.Setenv("JUICEBOX_API_KEY", key)
	g := startGateway(t, t.TempDir(), "--juicebox-api-url", juicebox.URL, "--allow-register-host", "hooks.example.com")
	bin, err := buildStraw()
	if err != nil {
		t.Fatal(err)
	}
	straw := func(args ...string) (string, int) {
		cmd := exec.CommandContext(t.Context(), bin, append(args, "--addr", g.grpc)...)
		out, _ := cmd.CombinedOutput() // its code says whether it failed
		return string(out), cmd.ProcessState.ExitCode()
	}
	register := func() (string, int) {
		return straw("webhook", "register", "--url", "https://hooks.example.com/webhooks/juicebox", "--type", "export.ready")
	}

	if out, code := register(); code != 0 || !strings.HasPrefix(out, "registered wh_1 https://hooks.example.com/webhooks/juicebox for export.ready, signed with the secret ") {
		t.Errorf("%d: %s", code, out)
	}
	want := map[string]any{"url": "https://hooks.example.com/webhooks/juicebox", "events": []any{"export.ready"}, "secret": secret}
	if diff := cmp.Diff(want, *got.Load()); diff != "" {
		t.Errorf("Juicebox got (-want +got):\n%s", diff)
	}
	before := calls.Load()
	if out, code := straw("webhook", "register", "--url", "https://elsewhere.example/webhooks/juicebox"); code != 64+7 ||
		!strings.Contains(out, "HOST_NOT_ALLOWED") || !strings.Contains(out, "--allow-register-host elsewhere.example") || calls.Load() != before {
		t.Errorf("%d: %s", code, out)
	}
	if out, code := straw("webhook", "register"); code != 2 || !strings.Contains(out, "--url is needed") {
		t.Errorf("%d: %s", code, out)
	}
	if out, code := straw("webhook", "register", "--url", "http://hooks.example.com/"); code != 64+3 || !strings.Contains(out, "https://") {
		t.Errorf("%d: %s", code, out)
	}

	unauthorized := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	refuse.Store(&unauthorized)
	if out, code := register(); code != 64+9 || !strings.Contains(out, "JUICEBOX_API_KEY") || !strings.Contains(out, "UPSTREAM_REJECTED") {
		t.Errorf("%d: %s", code, out)
	}

	reset := time.Now().Add(72 * time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
	limited := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"error":"Quota exceeded","reset_date":"`+reset+`"}`)
	})
	refuse.Store(&limited)
	before = calls.Load()
	for range 3 {
		if out, code := register(); code != 64+8 || !strings.Contains(out, "UPSTREAM_HELD") || !strings.Contains(out, reset) {
			t.Errorf("%d: %s", code, out)
		}
	}
	if made := calls.Load() - before; made != 1 {
		t.Errorf("%d calls were made while they are held", made)
	}
	if out, _ := straw("status"); !strings.Contains(out, "held until "+reset) {
		t.Errorf("the status doesn't show the hold:\n%s", out)
	}
	if strings.Contains(g.logs.String(), key) || strings.Contains(g.logs.String(), secret) {
		t.Errorf("a secret is in the log:\n%s", g.logs)
	}
}

// TestQuotaWarningHoldsCalls shows that a quota.warning at 100 % holds calls, over a restart too, and one below lets them go.
func TestQuotaWarningHoldsCalls(t *testing.T) {
	var calls atomic.Int32
	juicebox := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		_, _ = io.WriteString(w, `{"id":"wh_1"}`)
	}))
	t.Cleanup(juicebox.Close)
	t.Setenv("JUICEBOX_API_KEY", "key")
	dir := t.TempDir()
	start := func() *gateway {
		return startGateway(t, dir, "--juicebox-api-url", juicebox.URL, "--allow-register-host", "hooks.example.com")
	}
	reset := time.Now().Add(48 * time.Hour).UTC().Format(time.DateOnly)
	warn := func(g *gateway, id, percent string) {
		g.mustPost(`{"id":"` + id + `","type":"quota.warning","data":{"usage_percent":` + percent + `,"reset_date":"` + reset + `"}}`)
	}
	register := func(g *gateway) (status int, body string) {
		resp, err := http.Post(g.http+"/v1/webhooks", "application/json", strings.NewReader(`{"url":"https://hooks.example.com/x"}`))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	g := start()
	warn(g, "evt_1", "100")
	await(t, "calls aren't held", func() bool { status, _ := register(g); return status == http.StatusTooManyRequests })
	g.kill()
	g = start()
	await(t, "calls aren't held after a restart", func() bool { status, _ := register(g); return status == http.StatusTooManyRequests })
	if _, body := register(g); !strings.Contains(body, "UPSTREAM_HELD") || !strings.Contains(body, reset) {
		t.Errorf("%s", body)
	}
	warn(g, "evt_2", "1.5")
	await(t, "calls are held with quota left", func() bool { status, _ := register(g); return status == http.StatusOK })
	if calls.Load() == 0 {
		t.Error("Juicebox was never called")
	}
}
