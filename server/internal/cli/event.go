package cli

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	straw "github.com/straw-gateway/straw/clients/go"
)

// timeLayout is RFC 3339 to the millisecond; times are in UTC.
const timeLayout = "2006-01-02T15:04:05.000Z"

// printEvent writes an event on one line: when it was received, its type, its id and what it says.
func (p painter) printEvent(w io.Writer, e *straw.Event) error {
	kind := cyan
	payload, _ := straw.Payload(e).(proto.Message)
	if _, untyped := payload.(*straw.Unrecognized); untyped || payload == nil {
		kind = yellow
	}
	_, err := fmt.Fprintf(w, "%s  %s  %s%s\n",
		p.paint(dim, e.GetReceiveTime().AsTime().Format(timeLayout)),
		p.paint(kind, fmt.Sprintf("%-18s", word(e.GetType()))),
		p.paint(bold, word(e.GetId())),
		p.members(payload))
	return err
}

// members lists what is set in a payload, as ` name=value`.
func (p painter) members(m proto.Message) string {
	if m == nil {
		return ""
	}
	var b strings.Builder
	r := m.ProtoReflect()
	for i := range r.Descriptor().Fields().Len() {
		field := r.Descriptor().Fields().Get(i)
		if r.Has(field) {
			b.WriteString("  " + p.paint(dim, string(field.Name())+"=") + member(field, r.Get(field)))
		}
	}
	return b.String()
}

func member(field protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch field.Kind() {
	case protoreflect.EnumKind:
		return string(field.Enum().Values().ByNumber(v.Enum()).Name())
	case protoreflect.MessageKind:
		if t, ok := v.Message().Interface().(*timestamppb.Timestamp); ok {
			return t.AsTime().Format(time.RFC3339)
		}
	case protoreflect.StringKind:
		if field.Name() == "download_url" {
			return word(withoutQuery(v.String()))
		}
		return word(v.String())
	}
	return v.String()
}

// withoutQuery hides the part of a link that lets anyone download; -o json shows it.
func withoutQuery(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return "…"
	}
	if u.RawQuery != "" {
		u.RawQuery = ""
		return u.Redacted() + "?…"
	}
	return u.Redacted()
}

// word returns a text that somebody else chose so that it stays one word and can't steer a terminal.
func word(text string) string {
	plain := func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) && r != '"' && r != '\\' }
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return strconv.Quote(text)
	}
	return text
}
