package export_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore"
)

// TestFetcherBoundsWhatWaits: of many announced exports few wait in memory, and all are stored, once, over a restart too.
func TestFetcherBoundsWhatWaits(t *testing.T) {
	gate := make(chan struct{})
	_, host := serve(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-gate:
			fmt.Fprint(w, "x")
		case <-r.Context().Done():
		}
	})
	h := newHouse(t, host, pebblestore.Options{})
	h.room = 1500 // about five, and the long one alone
	h.run()
	const count = 60
	id := func(i int) string {
		if i == 7 {
			return strings.Repeat("long", 1000)
		}
		return fmt.Sprint("exp_", i)
	}
	for i := range count {
		h.announce(fmt.Sprint("evt_", i), id(i), link(host))
	}
	bounded := func() {
		t.Helper()
		eventually(t, "nothing was left out", func() bool {
			n, full := h.fetcher.Waiting()
			if n > 6 {
				t.Fatalf("%d exports wait in memory", n)
			}
			return full
		})
	}
	bounded()
	h.stop()
	h.run()
	bounded()
	close(gate)
	for i := range count {
		if x := h.settled(id(i), 1); x.Record.GetState() != strawv1.Export_AVAILABLE {
			t.Errorf("%v", x)
		}
	}
	if own := h.own(); len(own) != count {
		t.Errorf("%d events for %d exports", len(own), count)
	}
}
