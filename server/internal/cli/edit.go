package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// An edit sets one member of a JSON object, however deep.
type edit struct {
	path  []string
	value jsontext.Value
}

// parseEdits reads `data.a=b`. What is JSON is taken as it stands, so that numbers keep their digits; the rest is a string.
func parseEdits(texts []string) (edits []edit, err error) {
	for _, text := range texts {
		path, value, found := strings.Cut(text, "=")
		e := edit{strings.Split(path, "."), jsontext.Value(strings.TrimSpace(value))}
		if !found || slices.Contains(e.path, "") {
			return nil, usage("--set %q isn't PATH=VALUE, such as data.plan_tier=growth", text)
		}
		if !e.value.IsValid() {
			e.value = jsonString(value)
		}
		edits = append(edits, e)
	}
	return edits, nil
}

// applyEdits changes a body; without edits it stays as it is, whatever it is.
func applyEdits(body []byte, edits []edit) ([]byte, error) {
	for _, e := range edits {
		changed, err := setMember(body, e.path, e.value)
		if err != nil {
			return nil, usage("%s can't be set: %w", strings.Join(e.path, "."), err)
		}
		body = changed
	}
	return body, nil
}

// setMember returns the object with the member at path set; everything else keeps its order and spelling.
func setMember(object jsontext.Value, path []string, value jsontext.Value) (jsontext.Value, error) {
	members, err := membersOf(object)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(members, func(m jsonMember) bool { return m.name == path[0] })
	if i < 0 {
		i, members = len(members), append(members, jsonMember{path[0], jsontext.Value("{}")})
	}
	if len(path) > 1 {
		if value, err = setMember(members[i].value, path[1:], value); err != nil {
			return nil, err
		}
	}
	members[i].value = value
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(jsonString(m.name))
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

type jsonMember struct {
	name  string
	value jsontext.Value
}

// membersOf lists an object's members in their order.
func membersOf(object jsontext.Value) (members []jsonMember, err error) {
	d := jsontext.NewDecoder(bytes.NewReader(object))
	start, err := d.ReadToken()
	if err != nil {
		return nil, fmt.Errorf("the body isn't JSON: %w", err)
	}
	if start.Kind() != '{' {
		return nil, fmt.Errorf("there is %s where an object is needed", object)
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, fmt.Errorf("the body isn't JSON: %w", err)
		}
		m := jsonMember{name: name.String()}
		value, err := d.ReadValue()
		if err != nil {
			return nil, fmt.Errorf("the body isn't JSON: %w", err)
		}
		m.value = value.Clone()
		members = append(members, m)
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, fmt.Errorf("the body isn't JSON: %w", err)
	}
	return members, nil
}

// stringMember returns a member of an object if that is a string; empty otherwise.
func stringMember(object []byte, name string) string {
	members, _ := membersOf(object) // what was read before an error counts
	for _, m := range members {
		if m.name == name && m.value.Kind() == '"' {
			text, _ := jsontext.AppendUnquote(nil, m.value)
			return string(text)
		}
	}
	return ""
}

func jsonString(text string) jsontext.Value {
	quoted, _ := jsontext.AppendQuote(nil, text) // invalid UTF-8 is replaced
	return quoted
}
