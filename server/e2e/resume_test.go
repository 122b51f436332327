package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// sse reads server-sent events from a fresh stream until it has met so many deliveries, and returns what the deliveries say
// and the last id that came.
func (g *gateway) sse(t *testing.T, lastEventID string, deliveries int) (data, lastID string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.http+"/v1/events:subscribe?startPosition=EARLIEST", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	if lastEventID != "" {
		req.Header.Set("Last-Event-ID", lastEventID)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if ct := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || !strings.HasPrefix(ct, "text/event-stream") {
		t.Fatalf("%s, %s", resp.Status, ct)
	}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if line, ok := strings.CutPrefix(lines.Text(), "data:"); ok {
			data += line
		}
		if id, ok := strings.CutPrefix(lines.Text(), "id:"); ok {
			lastID = strings.TrimSpace(id)
		}
		if lines.Text() == "" && strings.Count(data, `"event":`) >= deliveries {
			return data, lastID
		}
	}
	t.Fatalf("the stream ended after %s", data)
	return "", ""
}

// TestEventSourceResumes reads as a browser's EventSource would: it sends the last id that it saw when it comes back, also to
// a gateway that was killed meanwhile.
func TestEventSourceResumes(t *testing.T) {
	dir := t.TempDir()
	g := startGateway(t, dir)
	for i := range 3 {
		g.mustPost(fmt.Sprintf(`{"id":"first-%d","type":"search.alert","data":{"alert_id":"a"}}`, i))
	}
	data, lastID := g.sse(t, "", 3)
	if !strings.Contains(data, "first-0") || !strings.Contains(data, "first-2") || lastID == "" {
		t.Fatalf("the first stream had %s, and the id %q", data, lastID)
	}
	g.kill()
	g = startGateway(t, dir)
	g.mustPost(`{"id":"second-0","type":"search.alert","data":{"alert_id":"a"}}`)
	data, _ = g.sse(t, lastID, 1)
	if !strings.Contains(data, "second-0") || strings.Contains(data, "first-") {
		t.Errorf("the resumed stream had %s", data)
	}
}

// TestIDsAreExactInPaths asks for events by ids that a careless path would change.
func TestIDsAreExactInPaths(t *testing.T) {
	g := startGateway(t, t.TempDir())
	for i, id := range []string{"a/b", "a:b", "a%2Fb", "../x", "with space", "ü", "a//b", "evt:subscribe"} {
		g.mustPost(fmt.Sprintf(`{"id":%q,"type":"search.alert","data":{"alert_id":"alert-%d"}}`, id, i))
		resp, err := http.Get(g.http + "/v1/events/" + escape(id))
		if err != nil {
			t.Fatal(err)
		}
		var body [4096]byte
		n, _ := resp.Body.Read(body[:])
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || !strings.Contains(string(body[:n]), fmt.Sprintf("alert-%d", i)) {
			t.Errorf("GET of %q: %s %s", id, resp.Status, body[:n])
		}
	}
}

// escape percent-encodes an id, `/` and `:` too.
func escape(id string) string {
	var b strings.Builder
	for _, c := range []byte(id) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
