package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/straw-gateway/straw/gen/openapi"
)

// openAPI serves the API's description as it was generated.
func openAPI() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(openapi.JSON) // a caller that is gone needs no answer
	})
}

// A document is as much of an OpenAPI 2.0 document as the docs show.
type document struct {
	Info struct {
		Title, Description, Version string
	}
	Tags []struct {
		Name, Description string
	}
	Paths       ordered[ordered[*operation]]
	Definitions ordered[*schema]
}

// An operation is one method of one path. Method and Path are filled in by operations.
type operation struct {
	Method, Path string
	OperationID  string
	Summary      string
	Description  string
	Tags         []string
	Produces     []string
	Parameters   []*parameter
	Responses    ordered[*response]
}

// Name is the method's name in the API; the id of a second path to one method ends in a number.
func (op *operation) Name() string { return strings.TrimRight(op.OperationID, "0123456789") }

type parameter struct {
	schema
	Name     string
	In       string
	Required bool
	Schema   *schema
}

type response struct {
	Description string
	Schema      *schema
}

type schema struct {
	Ref                  string `json:"$ref"`
	Title                string
	Description          string
	Type                 string
	Format               string
	Enum                 []string
	Items                *schema
	AllOf                []*schema
	Properties           ordered[*schema]
	AdditionalProperties values
}

// values are what a map holds; nothing if a schema is no map.
type values struct{ *schema }

// UnmarshalJSON reads a schema. A bool in its place only says whether unknown members are allowed.
func (v *values) UnmarshalJSON(b []byte) error {
	if b[0] != '{' {
		return nil
	}
	v.schema = new(schema)
	return json.Unmarshal(b, v.schema)
}

// operations lists the document's operations in its order.
func (d *document) operations() []*operation {
	var all []*operation
	for _, path := range d.Paths {
		for _, method := range path.Value {
			op := method.Value
			op.Method, op.Path = strings.ToUpper(method.Key), path.Key
			all = append(all, op)
		}
	}
	return all
}

// An ordered is a JSON object whose members keep their order.
type ordered[V any] []member[V]

type member[V any] struct {
	Key   string
	Value V
}

// UnmarshalJSON reads an object.
func (o *ordered[V]) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("want an object: %v, %w", t, err)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		m := member[V]{Key: fmt.Sprint(key)}
		if err := d.Decode(&m.Value); err != nil {
			return fmt.Errorf("%s: %w", m.Key, err)
		}
		*o = append(*o, m)
	}
	return nil
}
