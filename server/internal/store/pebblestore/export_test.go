package pebblestore

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/straw-gateway/straw/server/internal/store"
	"github.com/straw-gateway/straw/server/internal/store/storetest"
)

func TestExports(t *testing.T) {
	storetest.RunExports(t, func(t *testing.T) storetest.ExportsHarness {
		h := harness(vfs.NewMem(), "store")
		return func(t storetest.TB) (store.Log, store.Exports) {
			l := h.Open(t, storetest.Setup{})
			e, err := OpenExports(l.(*Log))
			if err != nil {
				t.Fatalf("open the exports: %v", err)
			}
			return l, e
		}
	})
}
