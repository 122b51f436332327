package rpc

import (
	"context"
	"errors"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// validate holds a request to the rules beside its fields in the API, and names the first field that breaks one.
func validate(m proto.Message) error {
	err := protovalidate.Validate(m)
	var broken *protovalidate.ValidationError
	if !errors.As(err, &broken) || len(broken.Violations) == 0 {
		return answer(err)
	}
	v := broken.Violations[0].Proto
	return invalidField(protovalidate.FieldPathString(v.GetField()), "%s", v.GetMessage())
}

func validateUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if m, ok := req.(proto.Message); ok {
		if err := validate(m); err != nil {
			return nil, err
		}
	}
	resp, err := next(ctx, req)
	return resp, answer(err)
}
