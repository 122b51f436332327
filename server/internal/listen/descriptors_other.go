//go:build !unix

package listen

// Descriptors is how many descriptors the process may have open; this system doesn't say.
func Descriptors() (limit int, ok bool) { return 0, false }
