package rest

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"unicode"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// A codec speaks protojson with its defaults: unset fields are left out, names are lowerCamelCase out and either spelling
// in, and an unknown field is an error.
type codec struct{ runtime.JSONPb }

// NewDecoder reads one message and nothing after it. An empty body is io.EOF, which generated code takes as an empty message.
func (*codec) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		body, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(body)) == 0 {
			return io.EOF
		}
		m, err := messageIn(v)
		if err != nil {
			return err
		}
		return bodyError(protojson.Unmarshal(body, m))
	})
}

// messageIn is v, or what v points to: generated code passes a pointer to a request, or to the field that the body is for.
func messageIn(v any) (proto.Message, error) {
	if m, ok := v.(proto.Message); ok {
		return m, nil
	}
	field := reflect.ValueOf(v)
	if field.Kind() != reflect.Pointer || field.Elem().Kind() != reflect.Pointer {
		return nil, fmt.Errorf("a body can't be read into a %T", v)
	}
	if field.Elem().IsNil() {
		field.Elem().Set(reflect.New(field.Type().Elem().Elem()))
	}
	m, ok := reflect.TypeAssert[proto.Message](field.Elem())
	if !ok {
		return nil, fmt.Errorf("a body can't be read into a %T", v)
	}
	return m, nil
}

var bodyFieldOf = regexp.MustCompile(`(?:unknown|duplicate|for [a-z0-9]+|enum) field "?([A-Za-z0-9_.\[\]]+)"?`)

// bodyError names the field that protojson stumbled over, if it says so.
func bodyError(err error) error {
	if err == nil {
		return nil
	}
	problem := strings.TrimLeftFunc(strings.TrimPrefix(err.Error(), "proto:"), unicode.IsSpace)
	if field := bodyFieldOf.FindStringSubmatch(problem); field != nil {
		return &fieldError{field[1], problem}
	}
	return &fieldError{"body", problem}
}
