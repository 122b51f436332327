package rest

import (
	"encoding/json"
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/gen/openapi"
)

func described(t *testing.T) *document {
	t.Helper()
	var d document
	if err := json.Unmarshal(openapi.JSON, &d); err != nil {
		t.Fatal(err)
	}
	if len(d.operations()) < 20 || len(d.Definitions) < 20 {
		t.Fatalf("the document has %d operations and %d definitions", len(d.operations()), len(d.Definitions))
	}
	return &d
}

func docsPage(t *testing.T) (http.Header, string) {
	t.Helper()
	resp, body := serve(t, &api{}).do("GET", "/docs", "")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%s, %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	return resp.Header, body
}

func TestOpenAPIIsServedAsGenerated(t *testing.T) {
	resp, body := serve(t, &api{}).do("GET", "/openapi.json", "")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" || body != string(openapi.JSON) {
		t.Errorf("%s, %s, %d bytes, want %d", resp.Status, resp.Header.Get("Content-Type"), len(body), len(openapi.JSON))
	}
}

// TestOperationsKeepTheirOrder compares with the order in which the document's own bytes name them.
func TestOperationsKeepTheirOrder(t *testing.T) {
	var got, want []string
	for _, op := range described(t).operations() {
		got = append(got, op.OperationID)
	}
	for _, m := range regexp.MustCompile(`"operationId": "(\w+)"`).FindAllStringSubmatch(string(openapi.JSON), -1) {
		want = append(want, m[1])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}

func TestDocsShowEveryOperation(t *testing.T) {
	_, page := docsPage(t)
	d := described(t)
	for _, op := range d.operations() {
		_, article, ok := strings.Cut(page, `<article id="`+op.OperationID+`">`)
		article, _, closed := strings.Cut(article, "</article>")
		if !ok || !closed {
			t.Errorf("no article for %s", op.OperationID)
			continue
		}
		if !strings.Contains(page, `<li><a href="#`+op.OperationID+`">`) {
			t.Errorf("%s isn't in the list of links", op.OperationID)
		}
		for _, want := range []string{"<code>" + op.Path + "</code>", op.Method, "<pre>curl ", string(prose(op.Summary))} {
			if !strings.Contains(article, want) {
				t.Errorf("%s doesn't show %q", op.OperationID, want)
			}
		}
		for _, p := range inputsOf(op) {
			if !strings.Contains(article, "<code>"+p.Name+"</code>") || p.Description == "" {
				t.Errorf("%s doesn't describe %s", op.OperationID, p.Name)
			}
			if op.Method == http.MethodGet && len(op.Produces) == 0 && !strings.Contains(article, `name="`+p.Name+`" data-in="`+p.In+`"`) {
				t.Errorf("%s has no field to try %s", op.OperationID, p.Name)
			}
		}
	}
	for _, s := range d.Definitions {
		if !strings.Contains(page, `<article id="schema-`+s.Key+`">`) {
			t.Errorf("no article for the schema %s", s.Key)
		}
	}
}

func TestDocsLinksLeadSomewhere(t *testing.T) {
	_, page := docsPage(t)
	served := []string{"/openapi.json", "/v1/status", "/readyz", "/metrics"}
	links := regexp.MustCompile(`(?:href|src|action)="([^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(links) < 100 {
		t.Fatalf("found only %d links", len(links))
	}
	for _, m := range links {
		link := html.UnescapeString(m[1])
		anchor, isAnchor := strings.CutPrefix(link, "#")
		switch {
		case isAnchor && strings.Contains(page, `id="`+html.EscapeString(anchor)+`"`):
		case slices.Contains(served, link):
		case strings.HasPrefix(link, "data:image/svg+xml,"):
		default:
			t.Errorf("a link to %q", link)
		}
	}
}

func TestDocsNeedNothingFromElsewhere(t *testing.T) {
	_, page := docsPage(t)
	// An XML namespace, and addresses that are shown in text, load nothing.
	allowed := regexp.MustCompile(`^(http://www\.w3\.org/2000/svg|http://127\.0\.0\.1:9080|https://hooks\.example\.com/)`)
	for _, url := range regexp.MustCompile(`(?:https?:)?//[A-Za-z0-9.-]+[^\s"'<]*`).FindAllString(page, -1) {
		if strings.HasPrefix(url, "http") && !allowed.MatchString(url) {
			t.Errorf("the page mentions %s", url)
		}
	}
	for _, loader := range []string{"@import", "url(", "<iframe", "<img", "<link rel=\"stylesheet", " onclick=", " style=", "eval("} {
		if strings.Contains(page, loader) {
			t.Errorf("the page has %q", loader)
		}
	}
}

func TestDocsPolicyAllowsJustThePage(t *testing.T) {
	header, page := docsPage(t)
	between := func(from, to string) string {
		_, rest, ok := strings.Cut(page, from)
		content, _, closed := strings.Cut(rest, to)
		if !ok || !closed {
			t.Fatalf("no %s", from)
		}
		return content
	}
	want := "default-src 'none'; script-src '" + hashOf(between("<script>", "</script>")) + "'; style-src '" + hashOf(between("<style>", "</style>")) +
		"'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	if got := header.Get("Content-Security-Policy"); got != want {
		t.Errorf("the policy is\n%s, want\n%s", got, want)
	}
	if strings.Count(page, "<script") != 1 || strings.Count(page, "<style") != 1 {
		t.Error("there is more than one script or style")
	}
}

// bodyMessage is the message that an operation's body is read into.
func bodyMessage(t *testing.T, op *operation) protoreflect.MessageDescriptor {
	t.Helper()
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName("straw.v1." + op.Tags[0]))
	if err != nil {
		t.Fatal(err)
	}
	method := d.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(op.Name()))
	for _, rule := range rulesOf(method) {
		if field := method.Input().Fields().ByName(protoreflect.Name(rule.GetBody())); field != nil {
			return field.Message()
		}
	}
	return method.Input()
}

func TestExamplesAreWhatTheAPITakes(t *testing.T) {
	a := frames(nil)
	a.listEvents = func(*strawv1.ListEventsRequest) (*strawv1.ListEventsResponse, error) {
		return &strawv1.ListEventsResponse{}, nil
	}
	p := serve(t, a)
	for _, op := range described(t).operations() {
		if path := examplePath(op); strings.ContainsAny(path, "{}") {
			t.Errorf("%s has no example for each part of %s", op.OperationID, op.Path)
		}
		example, ok := bodyExamples[op.OperationID]
		if ok != (bodyOf(op) != nil) {
			t.Errorf("%s: has an example of a body: %v, has a body: %v", op.OperationID, ok, !ok)
		}
		if ok {
			if err := protojson.Unmarshal([]byte(example), dynamicpb.NewMessage(bodyMessage(t, op))); err != nil {
				t.Errorf("%s: the example %s is wrong: %v", op.OperationID, example, err)
			}
		}
		if query, ok := queryExamples[op.OperationID]; ok {
			if resp, body := p.do("GET", examplePath(op)+query, ""); resp.StatusCode != http.StatusOK {
				t.Errorf("%s: the example %s is wrong: %s", op.OperationID, query, body)
			}
		}
	}
}

func TestProse(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", ""},
		{"One `a<b>` & two\nlines.", "<p>One <code>a&lt;b&gt;</code> &amp; two lines.</p>"},
		{"First.\n\nSecond.", "<p>First.</p><p>Second.</p>"},
		{"Default.\n\n - A: one\nmore\n - B: two", "<p>Default.</p><ul><li>A: one more</li><li>B: two</li></ul>"},
		{"<script>", "<p>&lt;script&gt;</p>"},
	}
	for _, tt := range tests {
		if got := string(prose(tt.text)); got != tt.want {
			t.Errorf("prose(%q) = %s, want %s", tt.text, got, tt.want)
		}
	}
}

func TestBadDocumentsAreRefused(t *testing.T) {
	for _, text := range []string{"", "[]", `{"paths": []}`, `{"paths": {"/": {"get": []}}}`} {
		if page, err := renderDocs([]byte(text)); err == nil {
			t.Errorf("%q gives a page of %d bytes", text, len(page))
		}
	}
}
