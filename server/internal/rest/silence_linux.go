package rest

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// silentTries is how many probes or repetitions in a row make a silence. A peer with a closed window answers each probe.
const silentTries = 3

// isSilent reports whether the kernel hears nothing from a connection's peer, whatever it sends.
func isSilent(c net.Conn) bool {
	if outer, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = outer.NetConn()
	}
	socket, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	silent := false
	_ = raw.Control(func(fd uintptr) { // an error is a connection that is closed
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		silent = err == nil && max(info.Retransmits, info.Probes) >= silentTries &&
			time.Duration(info.Last_ack_recv)*time.Millisecond >= silenceLimit
	})
	return silent
}
