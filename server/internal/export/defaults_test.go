package export_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/straw-gateway/straw/server/internal/export"
)

// TestDefaultLimits: whoever sets no limits gets those that the reference names.
func TestDefaultLimits(t *testing.T) {
	const most = 2 << 30
	var announced int64
	_, host := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.FormatInt(announced, 10))
		w.WriteHeader(http.StatusOK)
	})
	client := newClient(t, export.Options{}, host)
	announced = most + 1
	_, _, err := get(t, client, link(host), export.Resume{})
	fails(t, err, export.ErrTooLarge, "more than 2147483648 bytes")
	announced = most
	d, err := client.Get(t.Context(), link(host), export.Resume{})
	if err != nil || d.Size != most {
		t.Fatalf("a file of the largest size: %+v, %v", d, err)
	}
	d.Body.Close()
	if timeout, stall := client.Patience(); timeout != 15*time.Minute || stall != 30*time.Second {
		t.Errorf("a download may take %v, and %v for 64 KiB; want 15 min, and 30 s", timeout, stall)
	}
	if n := export.Downloads(); n != 4 {
		t.Errorf("%d exports are downloaded at once, want 4", n)
	}
}
