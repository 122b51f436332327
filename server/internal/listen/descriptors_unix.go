//go:build unix

package listen

import "syscall"

// Descriptors is how many descriptors the process may have open now; false where that isn't known. Go's runtime has raised the
// soft limit to the hard one at the start.
func Descriptors() (limit int, ok bool) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, false
	}
	if l.Cur > MaxDescriptors {
		return MaxDescriptors, true
	}
	return int(l.Cur), true
}
