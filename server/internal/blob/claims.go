package blob

import (
	"fmt"
	"sync"
)

// Claims lets an engine give out each name to one writer at a time. The zero value is ready.
type Claims struct {
	mu    sync.Mutex
	names map[Name]bool
}

// Claim takes a name until release is called, which may be called again. Errors: ErrBusy if it is taken.
func (c *Claims) Claim(name Name) (release func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names[name] {
		return nil, fmt.Errorf("%w: %s", ErrBusy, name)
	}
	if c.names == nil {
		c.names = map[Name]bool{}
	}
	c.names[name] = true
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.names, name)
	}), nil
}
