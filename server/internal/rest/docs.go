package rest

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/straw-gateway/straw/gen/openapi"
)

// The reference page is one file that needs nothing else: it is rendered here once, from the OpenAPI document, and its script
// only adds the forms for trying calls.
var (
	//go:embed docs/page.tmpl.html
	pageTemplate string
	//go:embed docs/style.css
	pageStyle string
	//go:embed docs/try.js
	pageScript string
)

// newDocs renders the page and serves it. Its policy lets the browser run this script and style, and call this gateway;
// nothing else.
func newDocs() (http.Handler, error) {
	page, err := renderDocs(openapi.JSON)
	if err != nil {
		return nil, fmt.Errorf("render /docs: %w", err)
	}
	policy := fmt.Sprintf("default-src 'none'; script-src '%s'; style-src '%s'; img-src data:; connect-src 'self'; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'", hashOf(pageScript), hashOf(pageStyle))
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Referrer-Policy", "no-referrer")
		_, _ = w.Write(page) // a reader that is gone needs no page
	}), nil
}

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func renderDocs(description []byte) ([]byte, error) {
	var d document
	if err := json.Unmarshal(description, &d); err != nil {
		return nil, err
	}
	page, err := template.New("docs").Funcs(template.FuncMap{
		"prose": prose, "typeOf": typeOf, "curl": curl, "lower": strings.ToLower, "body": bodyOf, "inputs": inputsOf, "streams": streams,
		"inputType": func(p *parameter) template.HTML { return typeOf(&p.schema) }, "choices": func(p *parameter) []string { return choices(&p.schema) },
	}).Parse(pageTemplate)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = page.Execute(&out, map[string]any{
		"Info": d.Info, "Services": services(&d), "Definitions": d.Definitions,
		// Ours, and embedded.
		"Style": template.CSS(pageStyle), "Script": template.JS(pageScript),
	})
	return out.Bytes(), err
}

// A service is a tag with its operations.
type service struct {
	Name, Description string
	Operations        []*operation
}

func services(d *document) []service {
	var all []service
	for _, tag := range d.Tags {
		s := service{Name: tag.Name, Description: tag.Description}
		for _, op := range d.operations() {
			if slices.Contains(op.Tags, tag.Name) {
				s.Operations = append(s.Operations, op)
			}
		}
		all = append(all, s)
	}
	return all
}

// bodyOf is what an operation's body holds; nil if it has none.
func bodyOf(op *operation) *schema {
	for _, p := range op.Parameters {
		if p.In == "body" {
			return p.Schema
		}
	}
	return nil
}

// inputsOf are an operation's parameters but its body.
func inputsOf(op *operation) []*parameter {
	return slices.DeleteFunc(slices.Clone(op.Parameters), func(p *parameter) bool { return p.In == "body" })
}

// streams reports whether an operation answers for as long as it is let.
func streams(op *operation) bool {
	return slices.ContainsFunc(op.Responses, func(r member[*response]) bool {
		return r.Value.Schema != nil && strings.HasPrefix(r.Value.Schema.Title, "Stream result of ")
	})
}
