package straw_test

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	straw "github.com/straw-gateway/straw/clients/go"
)

// Payload knows every member of the oneof, also one that is added later.
func TestPayload(t *testing.T) {
	if got := straw.Payload(&straw.Event{}); got != nil {
		t.Errorf("no payload gave %v", got)
	}
	oneof := (&straw.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("payload")
	for i := range oneof.Fields().Len() {
		field := oneof.Fields().Get(i)
		e := new(straw.Event)
		message := e.ProtoReflect().NewField(field)
		e.ProtoReflect().Set(field, message)
		got, ok := straw.Payload(e).(protoreflect.ProtoMessage)
		if !ok || got.ProtoReflect() != message.Message() {
			t.Errorf("%s gave %v", field.Name(), straw.Payload(e))
		}
	}
}
