package convert

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/straw-gateway/straw/server/internal/event"
)

// filled reads a field that must be there: a string that isn't empty. problem is a sentence that says why it isn't.
func (m *members) filled(f field) (value, problem string) {
	name, v := m.find(f)
	switch {
	case v == nil:
		return "", name + " is missing."
	case v.Kind() != '"':
		return "", fmt.Sprintf("%s is %s instead of a string.", name, describe(v))
	case absent(v):
		return "", name + " is empty."
	}
	return unquote(v), ""
}

// name reads an id or a type: a string of 1 to event.MaxID bytes without control characters. It returns a string's value
// even if there is a problem with it, so that a claim to a reserved name can be told.
func (m *members) name(f field) (value, problem string) {
	value, problem = m.filled(f)
	switch {
	case problem != "":
	case len(value) > event.MaxID:
		problem = fmt.Sprintf("%s has %d bytes; at most %d are allowed.", names[f][snake], len(value), event.MaxID)
	case strings.ContainsFunc(value, unicode.IsControl):
		problem = fmt.Sprintf("%s is %q; control characters are not allowed in it.", names[f][snake], clip(value))
	}
	return value, problem
}

// createTime reads when Juicebox created the event: the first of created_at and timestamp that is a time.
func (m *members) createTime() (time.Time, bool) {
	for _, f := range []field{fieldCreatedAt, fieldTimestamp} {
		for _, v := range m[f] {
			if t, ok := timeOf(v); ok {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

// milliseconds is from where on a number counts milliseconds since 1970 instead of seconds: seconds get there in the year
// 5138, milliseconds were there in March 1973.
const milliseconds = 1e11

// timeOf reads an RFC 3339 string or a number of seconds or milliseconds since 1970, to the microsecond. What isn't one,
// and a time before 1970 or after 9999, is none.
func timeOf(v jsontext.Value) (t time.Time, ok bool) {
	if absent(v) {
		return t, false
	}
	var err error
	switch v.Kind() {
	case '"':
		t, err = time.Parse(time.RFC3339, unquote(v))
	case '0':
		var n float64
		if n, err = strconv.ParseFloat(string(v), 64); n < milliseconds {
			n *= 1e3
		}
		whole, fraction := math.Modf(n)
		if whole > math.MaxInt64/1e3 {
			return t, false
		}
		t = time.UnixMilli(int64(whole)).Add(time.Duration(math.Round(fraction*1e3)) * time.Microsecond)
	default:
		return t, false
	}
	t = t.UTC()
	return t, err == nil && t.Unix() > 0 && t.Year() <= 9999
}

// integer reads a JSON number that is exactly an int64, in whatever way it is written: 3, 3.0 and 30e-1 are the same.
func integer(number string) (int64, bool) {
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(number), "e")
	whole, fraction, pointed := strings.Cut(mantissa, ".")
	if !scientific && !pointed {
		n, err := strconv.ParseInt(number, 10, 64)
		return n, err == nil
	}
	digits, negative := strings.CutPrefix(whole+fraction, "-")
	digits = strings.TrimLeft(digits, "0")
	if digits == "" {
		return 0, true
	}
	var shift int
	if scientific {
		var err error
		if shift, err = strconv.Atoi(exponent); err != nil || shift < -event.MaxBody || shift > event.MaxBody {
			return 0, false
		}
	}
	significant := strings.TrimRight(digits, "0")
	shift += len(digits) - len(significant) - len(fraction)
	if shift < 0 || len(significant)+shift > 19 {
		return 0, false
	}
	sign := ""
	if negative {
		sign = "-"
	}
	n, err := strconv.ParseInt(sign+significant+strings.Repeat("0", shift), 10, 64)
	return n, err == nil
}

// unquote returns a JSON string's value, which aliases the body unless it has escapes. The parser has checked it, so that
// nothing can be wrong with it.
func unquote(v jsontext.Value) string {
	inner := v[1 : len(v)-1]
	if bytes.IndexByte(inner, '\\') >= 0 {
		inner, _ = jsontext.AppendUnquote(nil, v)
	}
	return alias(inner)
}

// alias makes a string of bytes that stay as they are while it is used: a message is encoded and dropped before Convert
// returns, and copying a long query first would be a third of all the garbage that a webhook makes.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// describe names what kind of JSON value was found.
func describe(v jsontext.Value) string {
	switch v.Kind() {
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	return string(v) // null, true or false
}
