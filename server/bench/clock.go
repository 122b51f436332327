package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// monotonic is CLOCK_MONOTONIC, which all processes of a machine share: one process can stamp a sending and another the
// receipt.
func monotonic() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic(fmt.Sprintf("reading the monotonic clock: %v", err))
	}
	return time.Duration(now.Nano())
}

// cpuTime is the CPU time, user and system, that a process has used: what its rusage would say, to the nanosecond and
// readable from outside (clock_getcpuclockid(3)).
func cpuTime(pid int) (time.Duration, error) {
	const cpuClockSched = 2
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|cpuClockSched), &used); err != nil {
		return 0, fmt.Errorf("reading the CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(used.Nano()), nil
}

// residentBytes is a process's resident memory.
func residentBytes(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/%d/statm has %d fields instead of at least 2", pid, len(fields))
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
