//go:build !linux

package pebblestore

import "time"

// bootTime is the time since the process was started.
func bootTime() time.Duration { return time.Since(processStart) }

var processStart = time.Now()
