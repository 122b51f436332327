package main

import (
	"bytes"
	"fmt"
	"net"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A loadConn is a keep-alive connection of the load generator, with at most one request on its way.
type loadConn struct {
	fd      int
	sentAt  time.Duration
	pending bool
	buf     []byte
	n       int
}

// dialLoopback opens a non-blocking connection to this machine, and to no other.
func dialLoopback(addr *net.TCPAddr) (int, error) {
	if !addr.IP.IsLoopback() {
		return -1, fmt.Errorf("%s is not a loopback address; load goes nowhere else", addr)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	to := &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(addr.IP.To4())}
	for _, step := range []func() error{
		func() error { return unix.Connect(fd, to) },
		func() error { return unix.SetNonblock(fd, true) },
		func() error { return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) },
	} {
		if err := step(); err != nil {
			_ = unix.Close(fd)
			return -1, err
		}
	}
	return fd, nil
}

var (
	endOfHeader   = []byte("\r\n\r\n")
	contentLength = []byte("Content-Length: ")
)

// parseAnswer reads an HTTP/1.1 answer as net/http writes it: a status line, and a Content-Length.
func parseAnswer(b []byte) (status int, complete bool, err error) {
	head := bytes.Index(b, endOfHeader)
	if head < 0 {
		return 0, false, nil
	}
	at := bytes.Index(b[:head], contentLength)
	if at < 0 || !bytes.HasPrefix(b, []byte("HTTP/1.1 ")) {
		return 0, false, fmt.Errorf("an answer that isn't HTTP/1.1 with a Content-Length: %q", b)
	}
	digits, _, _ := bytes.Cut(b[at+len(contentLength):], []byte("\r\n"))
	length, err := strconv.Atoi(string(digits))
	if err != nil {
		return 0, false, fmt.Errorf("an answer's Content-Length: %w", err)
	}
	status, err = strconv.Atoi(string(b[9:12]))
	return status, len(b) >= head+len(endOfHeader)+length, err
}
