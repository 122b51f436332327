package straw

import (
	"sync"

	"google.golang.org/grpc"
)

// A link is the connection of one subscription or consumer: the client's, until that falls silent. Then it is one of its own:
// what made the one before deaf, perhaps a proxy that answers pings for a dead gateway, may stay so for as long as it lives.
// Safe for concurrent use.
type link struct {
	client *Client

	mu  sync.Mutex
	own *grpc.ClientConn
}

func (l *link) conn() *grpc.ClientConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.own != nil {
		return l.own
	}
	return l.client.conn
}

// renew makes a new connection. Calls on one that the link owned before end with CANCELED.
func (l *link) renew() error {
	l.close()
	conn, err := l.client.dial()
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.own = conn
	return nil
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.own != nil {
		_ = l.own.Close() // a second Close is all that it could complain about
		l.own = nil
	}
}
