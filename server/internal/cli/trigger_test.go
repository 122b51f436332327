package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/signature"
)

func TestSetMember(t *testing.T) {
	const body = `{"id":"e", "type":"t","data":{"b":1e400,"a":"x","é":[1]}}`
	for _, tc := range []struct{ set, want string }{
		{"data.a=y", `{"id":"e","type":"t","data":{"b":1e400,"a":"y","é":[1]}}`},
		{"data.b=9007199254740993", `{"id":"e","type":"t","data":{"b":9007199254740993,"a":"x","é":[1]}}`},
		{"data.new={\"k\":null}", `{"id":"e","type":"t","data":{"b":1e400,"a":"x","é":[1],"new":{"k":null}}}`},
		{"data.a=", `{"id":"e","type":"t","data":{"b":1e400,"a":"","é":[1]}}`},
		{"data.a=not json", `{"id":"e","type":"t","data":{"b":1e400,"a":"not json","é":[1]}}`},
		{"data.a=x=y", `{"id":"e","type":"t","data":{"b":1e400,"a":"x=y","é":[1]}}`},
		{"meta.deep.er=true", `{"id":"e","type":"t","data":{"b":1e400,"a":"x","é":[1]},"meta":{"deep":{"er":true}}}`},
		{"data=[]", `{"id":"e","type":"t","data":[]}`},
	} {
		edits, err := parseEdits([]string{tc.set})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := applyEdits([]byte(body), edits); string(got) != tc.want || err != nil {
			t.Errorf("--set %s gives %s, %v\nwant %s", tc.set, got, err, tc.want)
		}
	}
	for _, set := range []string{"nothing", "=x", "data.=x", "id.x=1", "data.é.x=1"} {
		edits, err := parseEdits([]string{set})
		if err == nil {
			_, err = applyEdits([]byte(body), edits)
		}
		if err == nil {
			t.Errorf("--set %s was taken", set)
		}
	}
}

// An endpoint that answers as told and keeps what it was sent.
func endpoint(t *testing.T, status int, answer string) (url string, body *string) {
	t.Helper()
	set, err := signature.NewSet([]string{"s"})
	if err != nil {
		t.Fatal(err)
	}
	body = new(string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, err := io.ReadAll(r.Body)
		*body = string(content)
		if _, badSignature := set.Verify(r.Header.Values(signature.Header), content); err != nil || badSignature != nil || r.Method != http.MethodPost {
			t.Errorf("%s: %v, %v", r.Method, err, badSignature)
		}
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return server.URL, body
}

func TestTriggerSendsEachDocumentedType(t *testing.T) {
	url, body := endpoint(t, 200, `{"received":true}`)
	for _, eventType := range event.Documented() {
		r := run(t, []string{"STRAW_WEBHOOK_SECRET=s"}, "", "trigger", eventType, "--url", url, "--id", "evt_7", "--set", "data.extra=1", "-o", "json")
		var sent struct {
			ID, Type string
			Data     map[string]any
		}
		if err := json.Unmarshal([]byte(*body), &sent); err != nil || sent.ID != "evt_7" || sent.Type != eventType || sent.Data["extra"] != 1.0 || len(sent.Data) < 3 {
			t.Errorf("sent %s: %v", *body, err)
		}
		const want = "{\n  \"id\": \"evt_7\",\n  \"type\": \"TYPE\",\n  \"status\": 200,\n  \"body\": {\n    \"received\": true\n  }\n}\n"
		if r.code != 0 || r.stderr != "" || r.stdout != strings.Replace(want, "TYPE", eventType, 1) {
			t.Errorf("%+v", r)
		}
	}
}

func TestTriggerFile(t *testing.T) {
	url, body := endpoint(t, 200, `{"received":true}`)
	const odd = "{ \"type\" : \"quota.warning\",\n\"id\":\"x\",\"id\":\"y\"} trailing"
	path := filepath.Join(t.TempDir(), "body.json")
	if err := os.WriteFile(path, []byte(odd), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"STRAW_WEBHOOK_SECRET=s", "STRAW_WEBHOOK_URL=" + url}
	if r := run(t, environ, "", "trigger", "quota.warning", "--file", path); r.code != 0 || *body != odd {
		t.Errorf("%+v, sent %q", r, *body)
	}
	if r := run(t, environ, `{"id":"x", "type":"t"}`, "trigger", "quota.warning", "--file", "-", "--id", "z"); r.code != 0 || *body != `{"id":"z","type":"quota.warning"}` {
		t.Errorf("%+v, sent %q", r, *body)
	}
	if r := run(t, environ, "", "trigger", "quota.warning", "--file", path, "--set", "a=1"); r.code != 2 {
		t.Errorf("a malformed body was changed: %+v, sent %q", r, *body)
	}
	if r := run(t, environ, "", "trigger", "quota.warning", "--file", path+"x"); r.code != 1 {
		t.Errorf("a missing file: %+v", r)
	}
}

func TestTriggerOfAnotherType(t *testing.T) {
	url, body := endpoint(t, 200, `{"received":true}`)
	environ := []string{"STRAW_WEBHOOK_SECRET=s"}
	if r := run(t, environ, "", "trigger", "profile.enriched", "--url", url, "--set", "data.profile_id=7"); r.code != 0 || !strings.Contains(*body, `"data":{"profile_id":7}`) {
		t.Errorf("%+v, sent %s", r, *body)
	}
	if r := run(t, environ, "", "trigger", "export.raedy", "--url", url); r.code != 2 || !strings.Contains(r.stderr, "export.ready") {
		t.Errorf("a misspelled type: %+v", r)
	}
}

func TestTriggerRefusals(t *testing.T) {
	for _, tc := range []struct {
		status int
		answer string
		want   string
	}{
		{401, `{"error":"Invalid signature"}`, "fingerprint 043a718774c5"},
		{503, `busy`, "try again in 5 s"},
		{404, `no`, "not a webhook endpoint"},
		{413, ``, "did not take the webhook"},
	} {
		url, _ := endpoint(t, tc.status, tc.answer)
		r := run(t, nil, "", "trigger", "search.alert", "--url", url, "--webhook-secret", "s")
		if r.code != 1 || !strings.HasPrefix(r.stdout, strconv.Itoa(tc.status)) || !strings.Contains(r.stderr, tc.want) {
			t.Errorf("%d: %+v", tc.status, r)
		}
	}
	r := run(t, nil, "", "trigger", "search.alert", "--url", "http://127.0.0.1:1/", "--webhook-secret", "s")
	if r.code != 1 || !strings.Contains(r.stderr, "straw dev") {
		t.Errorf("nobody listens: %+v", r)
	}
	if r := run(t, nil, "", "trigger", "search.alert"); r.code != 2 || !strings.Contains(r.stderr, "no webhook secret") {
		t.Errorf("no secret: %+v", r)
	}
}

func TestWebhookVerify(t *testing.T) {
	body := `{"id":"evt_1"}`
	header := signature.Sign([]byte("s"), []byte(body))
	path := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(path, []byte(body+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"JUICEBOX_WEBHOOK_SECRET=s"}
	for _, tc := range []struct {
		name, stdin string
		args        []string
		code        int
		want        string
	}{
		{"good", body, []string{"--header", header, "--body", "-"}, 0, "verifies with the secret 043a718774c5"},
		{"with its name", body, []string{"--header", "X-Juicebox-Signature: sha256=" + header, "--body", "-"}, 0, "verifies"},
		{"a newline too many", "", []string{"--header", header, "--body", path}, 1, "newline"},
		{"twice", body, []string{"--header", header, "--header", header, "--body", "-"}, 1, "more than one signature"},
		{"as JSON", body, []string{"--header", header, "--body", "-", "-o", "jsonl"}, 0, `{"verified":true,"fingerprint":"043a718774c5","detail":`},
		{"as JSON, wrong", body, []string{"--header", "x", "--body", "-", "-o", "jsonl"}, 1, `{"verified":false,"cause":"malformed"`},
	} {
		r := run(t, environ, tc.stdin, append([]string{"webhook", "verify"}, tc.args...)...)
		if r.code != tc.code || !strings.Contains(r.stdout, tc.want) || r.stderr != "" {
			t.Errorf("%s: %+v", tc.name, r)
		}
	}
}
