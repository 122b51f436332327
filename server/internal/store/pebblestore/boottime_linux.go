package pebblestore

import (
	"time"

	"golang.org/x/sys/unix"
)

// bootTime is the time since the machine was started, suspended or not. Nobody sets it.
func bootTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return time.Since(processStart)
	}
	return time.Duration(t.Nano())
}

var processStart = time.Now()
