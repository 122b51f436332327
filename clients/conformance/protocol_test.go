package conformance

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// A form is a kind of line that drivers print: the member that tells it, and those that may stand beside it.
type form struct {
	member string
	always []string // beside it
	maybe  []string
}

// forms are the lines of each operation.
var forms = map[string][]form{
	"subscribe": {
		{member: "connected"}, {member: "event", always: []string{"type", "payload", "cursor"}, maybe: []string{"raw"}},
		{member: "gap"}, {member: "disconnected"}, {member: "end"}, {member: "error"},
	},
	"consume": {
		{member: "connected"}, {member: "event", always: []string{"attempt"}}, {member: "done", always: []string{"status"}},
		{member: "gap"}, {member: "disconnected"}, {member: "end"}, {member: "error"},
	},
	"settle": {{member: "deliveries"}, {member: "results"}, {member: "end"}, {member: "error"}},
	"manage": {
		{member: "created"}, {member: "got"}, {member: "listed"}, {member: "paused"}, {member: "owed"}, {member: "deleted"},
		{member: "error"},
	},
	"download": {{member: "bytes", always: []string{"sha256"}}, {member: "error"}},
	"get":      {{member: "event", always: []string{"type", "payload", "cursor"}, maybe: []string{"raw"}}, {member: "error"}},
	"verify":   {{member: "valid"}, {member: "error"}},
	"status":   {{member: "version"}, {member: "error"}},
}

// checkLines says which line isn't one that the operation may print.
func checkLines(op string, lines []line) error {
	for _, l := range lines {
		i := slices.IndexFunc(forms[op], func(f form) bool { _, ok := l.has[f.member]; return ok })
		if i < 0 {
			return fmt.Errorf("the driver printed %s, which %q doesn't", l.text, op)
		}
		f := forms[op][i]
		for _, name := range f.always {
			if _, ok := l.has[name]; !ok {
				return fmt.Errorf("the driver printed %s, without %s", l.text, name)
			}
		}
		for name := range maps.Keys(l.has) {
			if name != f.member && !slices.Contains(f.always, name) && !slices.Contains(f.maybe, name) {
				return fmt.Errorf("the driver printed %s, with a %s that it doesn't have", l.text, name)
			}
		}
		if problem, ok := l.has["error"]; ok {
			// It is empty for what is no error of a call, such as an empty secret.
			if _, ok := problem.(map[string]any)["code"].(string); !ok {
				return fmt.Errorf("the driver printed %s, an error without a code", l.text)
			}
		}
	}
	return nil
}

// checkEnd says what is wrong with the last line of a stream.
func checkEnd(op string, lines []line) error {
	if op != "subscribe" && op != "consume" {
		return nil
	}
	if len(lines) == 0 {
		return errors.New("the driver printed nothing")
	}
	for i, l := range lines {
		_, ended := l.has["end"]
		_, failed := l.has["error"]
		if (ended || failed) != (i == len(lines)-1) {
			return fmt.Errorf("the driver printed %s as line %d of %d", l.text, i+1, len(lines))
		}
	}
	return nil
}
