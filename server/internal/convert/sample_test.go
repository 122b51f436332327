package convert_test

import (
	"testing"

	"github.com/straw-gateway/straw/server/internal/convert"
	"github.com/straw-gateway/straw/server/internal/event"
)

func TestSamplesAreTyped(t *testing.T) {
	for _, typ := range event.Documented() {
		id := convert.SampleID()
		body, ok := convert.Sample(typ, id, request.ReceiveTime)
		if !ok {
			t.Fatalf("there is no sample of %s", typ)
		}
		d := convert.Convert(body, request)
		e := decode(t, body, d)
		if d.Unrecognized || d.ID != id || d.Type != typ {
			t.Errorf("the sample of %s becomes %v", typ, e)
		}
		if !e.GetCreateTime().AsTime().Equal(request.ReceiveTime) {
			t.Errorf("created at %v", e.GetCreateTime().AsTime())
		}
		if other, _ := convert.Sample(typ, convert.SampleID(), request.ReceiveTime); string(other) == string(body) {
			t.Errorf("two samples of %s are the same", typ)
		}
	}
	for _, id := range []string{"evt_1", `"},"type":"x`, "../\n", "ü"} {
		body, _ := convert.Sample(event.TypeExportReady, id, request.ReceiveTime)
		if e := decode(t, body, convert.Convert(body, request)); e.GetExportReady() == nil && id != "../\n" {
			t.Errorf("the sample with the id %q becomes %v", id, e)
		}
	}
	if _, ok := convert.Sample("search.completed", "evt_1", request.ReceiveTime); ok {
		t.Error("there is a sample of a type that isn't documented")
	}
}
