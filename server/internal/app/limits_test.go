package app

import (
	"strings"
	"testing"

	"github.com/straw-gateway/straw/server/internal/config"
)

// The store's files, and those of everything else, fit beside the connections, whatever the limit is.
func TestDescriptorsAreShared(t *testing.T) {
	for _, descriptors := range []int{256, 512, 1024, 4096, 20_000, 65_536, 1 << 20, 0} {
		l, err := share(descriptors, &config.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if descriptors != 0 && l.needed() > descriptors {
			t.Errorf("of %d descriptors %d are given out: %+v", descriptors, l.needed(), l)
		}
		for name, of := range map[string]listenerLimits{webhookListener: l.webhook, grpcListener: l.grpc, httpListener: l.http} {
			if of.total < 10 || of.perAddress < 1 || of.perAddress > of.total/2 {
				t.Errorf("of %d descriptors the %s port gets %+v", descriptors, name, of)
			}
		}
	}
	l, err := share(20_000, &config.Config{MaxConnections: 100, MaxConnectionsPerAddress: 7})
	if want := (listenerLimits{100, 7}); err != nil || l.webhook != want || l.grpc != want || l.http != want {
		t.Errorf("set limits become %+v, %v", l, err)
	}
	if l, err := share(20_000, &config.Config{}); err != nil || l.grpc.total < 11_000 {
		t.Errorf("of 20,000 descriptors subscribers get %+v, %v", l.grpc, err)
	}
	if _, err := share(255, &config.Config{}); err == nil || !strings.Contains(err.Error(), "256") || !strings.Contains(err.Error(), "ulimit") {
		t.Errorf("too few: %v", err)
	}
}
