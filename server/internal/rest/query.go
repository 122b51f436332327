package rest

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// A queryParser fills a request from query parameters, as grpc-gateway's own does, but lets none pass that the request
// doesn't have.
type queryParser struct{ runtime.DefaultQueryParser }

// Parse sets a field of the request for each parameter. elsewhere holds the fields that the path or the body sets.
func (p *queryParser) Parse(m proto.Message, values url.Values, elsewhere *utilities.DoubleArray) error {
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		path, field := fieldAt(m.ProtoReflect().Descriptor(), name)
		if field == nil {
			return &fieldError{name, "there is no such query parameter"}
		}
		if elsewhere.HasCommonPrefix(path) {
			return &fieldError{name, "the path or the body sets it already"}
		}
		spelled := strings.Join(path, ".")
		if other, ok := seen[spelled]; ok {
			return &fieldError{name, fmt.Sprintf("%s sets it already", other)}
		}
		seen[spelled] = name
		if err := p.DefaultQueryParser.Parse(m, url.Values{spelled: inSnakeCase(field, values[name])}, elsewhere); err != nil {
			return &fieldError{name, err.Error() + hint(values[name])}
		}
	}
	return nil
}

// unread is the error for a query where none is read.
func unread(u *url.URL) error {
	for _, name := range slices.Sorted(maps.Keys(u.Query())) {
		return &fieldError{name, "there is no such query parameter"}
	}
	return &fieldError{"request", "its query can't be read"}
}

// fieldAt finds the field that a parameter names, such as `page_size`, `pageSize` or `subscription.id`; nil if there is none.
func fieldAt(m protoreflect.MessageDescriptor, name string) ([]string, protoreflect.FieldDescriptor) {
	var path []string
	var field protoreflect.FieldDescriptor
	for part := range strings.SplitSeq(name, ".") {
		if m == nil {
			return nil, nil
		}
		if field = m.Fields().ByTextName(part); field == nil {
			if field = m.Fields().ByJSONName(part); field == nil {
				return nil, nil
			}
		}
		path = append(path, string(field.Name()))
		m = field.Message()
	}
	return path, field
}

// inSnakeCase spells the paths of a field mask as the API knows them; protojson takes them in lowerCamelCase.
func inSnakeCase(field protoreflect.FieldDescriptor, values []string) []string {
	if field.Message() == nil || field.Message().FullName() != (&fieldmaskpb.FieldMask{}).ProtoReflect().Descriptor().FullName() {
		return values
	}
	spelled := make([]string, len(values))
	for i, v := range values {
		var b strings.Builder
		for _, r := range v {
			if unicode.IsUpper(r) {
				b.WriteByte('_')
			}
			b.WriteRune(unicode.ToLower(r))
		}
		spelled[i] = b.String()
	}
	return spelled
}

// hint tells of the usual slip: an unescaped + arrives as a space.
func hint(values []string) string {
	if strings.Contains(strings.Join(values, ""), " ") {
		return "; a + in a URL must be written %2B"
	}
	return ""
}
