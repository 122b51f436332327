package cli

import (
	"bytes"
	"errors"
	"io"
	"os/signal"
	"syscall"
	"time"
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

// patience is how long a reader of stderr is waited for by whoever must not stand still.
const patience = 2 * time.Second

// A patient writer's reader may stand still: a write that it doesn't take in time goes on behind the writer's back, and what comes
// meanwhile is lost. The log doesn't go through one, for it counts what it loses.
type patient struct {
	io.Writer
	turn chan struct{} // holds a token while a write goes on
}

func newPatient(w io.Writer) patient { return patient{w, make(chan struct{}, 1)} }

func (p patient) Write(b []byte) (int, error) {
	timeout := time.After(patience)
	select {
	case p.turn <- struct{}{}:
	case <-timeout:
		return len(b), nil
	}
	done := make(chan error, 1)
	text := bytes.Clone(b) // the caller's may change once this returns
	go func() {
		_, err := p.Writer.Write(text)
		<-p.turn
		done <- err
	}()
	select {
	case err := <-done:
		return len(b), err
	case <-timeout:
		return len(b), nil
	}
}
