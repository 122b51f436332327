package rest

import (
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// A route is a method and a path template, as the API's annotations spell them: "GET /v1/events/{id}".
type route string

// routeOf is the route that a request was matched to; empty if it was to none.
func routeOf(r *http.Request) route {
	pattern, ok := runtime.HTTPPattern(r.Context())
	if !ok {
		return ""
	}
	return route(r.Method + " " + strings.ReplaceAll(pattern.String(), "=*}", "}"))
}

// withoutQuery finds the routes whose paths and bodies set all that the request has. Generated code doesn't look at their
// query, and so can't refuse what stands there.
func withoutQuery() map[route]bool {
	found := map[route]bool{}
	pkg := strawv1.File_straw_v1_event_proto.Package()
	protoregistry.GlobalFiles.RangeFilesByPackage(pkg, func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				for _, rule := range rulesOf(methods.Get(j)) {
					if r, path := routeOfRule(rule); !takesQuery(rule, path, methods.Get(j).Input().Fields()) {
						found[r] = true
					}
				}
			}
		}
		return true
	})
	return found
}

func rulesOf(m protoreflect.MethodDescriptor) []*annotations.HttpRule {
	rule, ok := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
	if !ok || rule == nil {
		return nil
	}
	return append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...)
}

func routeOfRule(rule *annotations.HttpRule) (r route, path string) {
	method := ""
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		method, path = http.MethodGet, p.Get
	case *annotations.HttpRule_Post:
		method, path = http.MethodPost, p.Post
	case *annotations.HttpRule_Patch:
		method, path = http.MethodPatch, p.Patch
	case *annotations.HttpRule_Delete:
		method, path = http.MethodDelete, p.Delete
	case *annotations.HttpRule_Put:
		method, path = http.MethodPut, p.Put
	}
	return route(method + " " + path), path
}

func takesQuery(rule *annotations.HttpRule, path string, fields protoreflect.FieldDescriptors) bool {
	if rule.GetBody() == "*" {
		return false
	}
	for i := range fields.Len() {
		name := string(fields.Get(i).Name())
		if name != rule.GetBody() && !strings.Contains(path, "{"+name+"}") {
			return true
		}
	}
	return false
}
