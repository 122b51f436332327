package app

import "slices"

import "io"

// A stack closes what was opened, the last first. A half-opened gateway unwinds the same way.
type stack struct{ closers []func() error }

func (s *stack) push(c io.Closer) { s.closers = append(s.closers, c.Close) }

// close closes everything once. Errors on the way out have nobody left to act on them; what must be durable is so already.
func (s *stack) close() {
	for _, v := range slices.Backward(s.closers) {
		_ = v()
	}
	s.closers = nil
}
