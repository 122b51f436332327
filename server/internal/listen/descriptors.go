package listen

import "net"

// MaxDescriptors is how many descriptors are counted with at most, where the system sets no bound that matters.
const MaxDescriptors = 1 << 20

// spare is how many of the process's descriptors are never used for a connection, by what its limit is: whoever asks for too
// many connections must not end the store, which can't go on without a file. What the store needs for good is left to it by
// the limits' defaults; this is for what it needs next.
func spare(limit int) int { return min(max(limit/16, 16), 512) }

// scarce reports whether the process is about to run out of descriptors: the system gives out the lowest that is free, so that
// the number of a new one says how many are in use at least.
func scarce(c *net.TCPConn) bool {
	limit, ok := Descriptors()
	if !ok {
		return false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var number uintptr
	if err := raw.Control(func(fd uintptr) { number = fd }); err != nil {
		return false
	}
	return int(number) >= limit-spare(limit)
}
