package app

import (
	"fmt"

	"github.com/straw-gateway/straw/server/internal/config"
	"github.com/straw-gateway/straw/server/internal/listen"
)

// Limits are what the parts may take of the descriptors, and of the memory that connections cost.
type limits struct {
	descriptors int // of the process; 0 where the system doesn't say
	tables      int // that the store may keep open
	// connections, by listener, and how many of them from one address
	webhook, grpc, http listenerLimits
}

type listenerLimits struct{ total, perAddress int }

const (
	webhookListener = "webhook"
	grpcListener    = "grpc"
	httpListener    = "http"
)

const (
	// fewestDescriptors is the least that the gateway can work with.
	fewestDescriptors = 256
	// otherDescriptors are for what is neither a table nor a connection: the store's logs and what it writes, exports and their
	// downloads, files that are read again.
	otherDescriptors = 64
	mostTables       = 500
	// A connection costs memory too, whoever makes it: some 20 KiB on the HTTP ports, and what it sends of a small body; some
	// 36 KiB with a stream. These are bounds whatever the number of descriptors.
	mostHTTPConnections = 8192
	mostGRPCConnections = 16384
	// An address gets a quarter.
	addressShare = 4
)

// share divides the descriptors. Subscribers have a connection each, for as long as they live; senders come and go.
func share(descriptors int, c *config.Config) (limits, error) {
	l := limits{descriptors: descriptors}
	if descriptors == 0 {
		descriptors = listen.MaxDescriptors
	}
	if descriptors < fewestDescriptors {
		return l, fmt.Errorf("the process may have %d files open, and needs %d at least: raise the limit, such as by `ulimit -n 65536`, or LimitNOFILE= in a unit of systemd",
			descriptors, fewestDescriptors)
	}
	l.tables = min(mostTables, descriptors/3)
	free := descriptors - l.tables - otherDescriptors
	for _, part := range []struct {
		of             *listenerLimits
		percent, bound int
	}{{&l.webhook, 25, mostHTTPConnections}, {&l.grpc, 60, mostGRPCConnections}, {&l.http, 15, mostHTTPConnections}} {
		total := min(free*part.percent/100, part.bound)
		if c.MaxConnections != 0 {
			total = int(c.MaxConnections)
		}
		perAddress := max(1, total/addressShare)
		if c.MaxConnectionsPerAddress != 0 {
			perAddress = int(c.MaxConnectionsPerAddress)
		}
		*part.of = listenerLimits{total, perAddress}
	}
	return l, nil
}

// needed is how many descriptors the limits may take together.
func (l limits) needed() int {
	return l.tables + otherDescriptors + l.webhook.total + l.grpc.total + l.http.total
}

// openLimits finds out what there is, and says so.
func (g *gateway) openLimits() (err error) {
	descriptors, _ := listen.Descriptors()
	if g.limits, err = share(descriptors, g.config); err != nil {
		return err
	}
	l := g.limits
	g.logger.Info("limits", "open_files", l.descriptors, "store_tables", l.tables,
		"webhook_connections", l.webhook.total, "grpc_connections", l.grpc.total, "http_connections", l.http.total)
	if l.descriptors != 0 && l.needed() > l.descriptors {
		g.logger.Warn("the limits on connections are more than the process may have files open; when those are used up, connections are refused before the limits are reached",
			"max_connections", int(g.config.MaxConnections), "open_files", l.descriptors, "needed", l.needed())
	}
	g.peers = listen.Peers{Trusted: g.config.TrustedProxies, CountLoopback: g.options.CountLoopback}
	return nil
}

// listen opens a listener; the error names the flag to change. HTTP servers make room for new connections; see listen.Attach.
func (g *gateway) listen(name, flag, addr string, l listenerLimits, evict bool) (*listen.Listener, error) {
	opened, err := listen.Open(addr, listen.Options{
		Name: name, Max: l.total, MaxPerAddress: l.perAddress, Peers: g.peers, Evict: evict, Observer: g.metrics, Logger: g.logger,
	})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; choose another address with --%s, or port 0 for any free one", addr, err, flag)
	}
	g.closing.push(opened)
	g.metrics.ObserveConnections(name, opened.Open)
	return opened, nil
}
