package cli

import (
	"errors"
	"io"
	"os/signal"
	"syscall"
)

// outlivePipes keeps the process going when the readers of stdout and stderr have gone away, as whoever takes webhooks must. By
// default Go ends it by SIGPIPE, which is right for the commands that are read by `head`.
func outlivePipes() { signal.Ignore(syscall.SIGPIPE) }

// unheard is a writer whose reader may go away: what is written then is lost.
type unheard struct{ io.Writer }

func (u unheard) Write(b []byte) (int, error) {
	n, err := u.Writer.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		return len(b), nil
	}
	return n, err
}
