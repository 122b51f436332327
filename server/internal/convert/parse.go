package convert

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

const maxDepth = 64

// A webhook is what was found in a body. Its values alias the body.
type webhook struct {
	members
	// object tells that data is an object, whose members were read.
	object bool
	// problem is the first thing that is wrong with the members of data; empty if nothing is.
	problem string
}

// A parser is a decoder that reads a body in place.
type parser struct {
	buf bytes.Buffer
	*jsontext.Decoder
}

var parsers = sync.Pool{New: func() any { return &parser{Decoder: new(jsontext.Decoder)} }}

// parse reads the body in one pass and says in a sentence why it isn't a strict JSON object; empty if it is one.
func (w *webhook) parse(body []byte) (problem string) {
	if tooDeep(body) {
		return fmt.Sprintf("The body is nested deeper than %d.", maxDepth)
	}
	p := parsers.Get().(*parser)
	p.reset(body)
	problem = w.read(p, body)
	p.reset(nil) // or the pool would keep the body alive
	parsers.Put(p)
	return problem
}

func (p *parser) reset(body []byte) {
	p.buf = *bytes.NewBuffer(body)
	p.Reset(&p.buf)
}

func (w *webhook) read(p *parser, body []byte) (problem string) {
	if p.PeekKind() != '{' {
		v, err := p.ReadValue()
		if err != nil {
			return explain(err)
		}
		return fmt.Sprintf("The body is %s instead of an object.", describe(v))
	}
	if err := w.readEnvelope(p); err != nil {
		return explain(err)
	}
	end := p.InputOffset()
	if rest := bytes.TrimLeft(body[end:], " \t\r\n"); len(rest) > 0 {
		return fmt.Sprintf("The body goes on after the end of its object, at byte %d.", len(body)-len(rest))
	}
	return ""
}

func (w *webhook) readEnvelope(p *parser) error {
	return readObject(p, envelopeSlots, func(s slot) error {
		if s.field != fieldData || p.PeekKind() != '{' {
			return w.readValue(p, s)
		}
		w.object = true
		return readObject(p, dataSlots, func(s slot) error { return w.readValue(p, s) })
	})
}

func (w *webhook) readValue(p *parser, s slot) error {
	v, err := p.ReadValue()
	w.set(s, v)
	return err
}

// readObject calls value with the slot of each of the object's members, to read what it holds. Members that mean nothing
// have the zero slot.
func readObject(p *parser, slots map[string]slot, value func(slot) error) error {
	if _, err := p.ReadToken(); err != nil {
		return err
	}
	for p.PeekKind() != '}' {
		name, err := p.ReadValue()
		if err != nil {
			return err
		}
		var s slot
		if bytes.IndexByte(name, '\\') < 0 {
			s = slots[string(name[1:len(name)-1])]
		} else {
			s = slots[unquote(name)]
		}
		if err := value(s); err != nil {
			return err
		}
	}
	_, err := p.ReadToken()
	return err
}

// tooDeep reports whether more than maxDepth objects and arrays are open at once. It is right for strict JSON, and for
// anything else it doesn't matter which problem is named.
func tooDeep(body []byte) bool {
	if bytes.Count(body, []byte{'{'})+bytes.Count(body, []byte{'['}) <= maxDepth {
		return false
	}
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '{', c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}', c == ']':
			depth--
		}
	}
	return false
}

// explain puts a parser's error into a sentence.
func explain(err error) string {
	if errors.Is(err, io.EOF) {
		return "The body is empty."
	}
	var syntax *jsontext.SyntacticError
	if !errors.As(err, &syntax) {
		return "The body isn't strict JSON."
	}
	where := fmt.Sprintf("at byte %d", syntax.ByteOffset)
	within := clip(strings.ToValidUTF8(string(syntax.JSONPointer), "\ufffd"))
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return fmt.Sprintf("The body has the member %q twice, again %s.", within, where)
	}
	if within != "" {
		where += fmt.Sprintf(", in %q", within)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Sprintf("The body ends too early %s.", where)
	}
	return fmt.Sprintf("The body isn't strict JSON: %s %s.", clip(strings.ToValidUTF8(syntax.Err.Error(), "\ufffd")), where)
}
