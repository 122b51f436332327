package rest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/straw-gateway/straw/server/internal/rest"
)

// TestLimitsOfTheServer: the port waits for nobody longer than this, and takes no larger headers.
func TestLimitsOfTheServer(t *testing.T) {
	s := rest.NewServer(http.NotFoundHandler())
	for _, c := range []struct {
		name      string
		got, want time.Duration
	}{
		{"headers", s.ReadHeaderTimeout, 5 * time.Second},
		{"request", s.ReadTimeout, 10 * time.Second},
		{"answer", s.WriteTimeout, 15 * time.Second},
		{"idle", s.IdleTimeout, time.Minute},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	if s.MaxHeaderBytes != 16<<10 {
		t.Errorf("headers may have %d bytes, want 16 KiB", s.MaxHeaderBytes)
	}
}
