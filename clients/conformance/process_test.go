package conformance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A line is one that a process has printed.
type line struct {
	at   time.Time
	text string
	has  map[string]any // what a driver says in it
}

// A process is a driver, or another program that uses a client.
type process struct {
	name   string
	op     string // of a driver
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	parse  func(printed string) (has map[string]any, err error)
	logs   tail // of stderr
	killed bool

	mu      sync.Mutex
	lines   []line
	changed chan struct{} // closed at the next line
	exited  chan struct{}
	err     error // of Wait, or of what was printed; read it after exited
}

// start runs a command in a process group of its own, so that a signal also meets what it has started.
func start(name, op string, cmd *exec.Cmd, parse func(printed string) (map[string]any, error)) (*process, error) {
	p := &process{name: name, op: op, cmd: cmd, parse: parse, changed: make(chan struct{}), exited: make(chan struct{})}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go p.follow(stdout, stderr)
	return p, nil
}

func (p *process) follow(stdout, stderr io.Reader) {
	var logs sync.WaitGroup
	logs.Go(func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			p.logs.add(lines.Text())
		}
		_, _ = io.Copy(io.Discard, stderr) // what came after a line that was too long
	})
	err := p.read(stdout)
	logs.Wait()
	p.err = errors.Join(err, p.cmd.Wait())
	close(p.exited)
}

// read notes what the process prints. After the first line that can't be parsed, the rest is thrown away.
func (p *process) read(stdout io.Reader) error {
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		l := line{at: time.Now(), text: lines.Text()}
		var err error
		if l.has, err = p.parse(l.text); err != nil {
			_, _ = io.Copy(io.Discard, stdout)
			return err
		}
		p.mu.Lock()
		p.lines = append(p.lines, l)
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
	}
	return lines.Err()
}

// printed returns the lines so far, and what closes with the next one.
func (p *process) printed() ([]line, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines), p.changed
}

// await waits until its lines are as they should be.
func (p *process) await(ctx context.Context, enough func([]line) bool) error {
	for {
		lines, more := p.printed()
		if enough(lines) {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.exited:
			if lines, _ := p.printed(); enough(lines) {
				return nil
			}
			return fmt.Errorf("it ended before that (%s)", p.ending())
		}
	}
}

// end waits until the process has ended by itself, which must be with exit code 0.
func (p *process) end(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("it hasn't ended: %w", context.Cause(ctx))
	case <-p.exited:
	}
	if p.err != nil {
		return fmt.Errorf("it failed: %w", p.err)
	}
	return nil
}

func (p *process) ending() string {
	if p.err != nil {
		return p.err.Error()
	}
	return "exit code 0"
}

// stop asks a driver to end as a program does that uses the client.
func (p *process) stop() error { return p.stdin.Close() }

// signal sends a signal to the process and to all that it has started. It does nothing once they are gone: until then the
// process isn't waited for, so its id is no other's.
func (p *process) signal(s syscall.Signal) error {
	select {
	case <-p.exited:
		return nil
	default:
		return syscall.Kill(-p.cmd.Process.Pid, s)
	}
}

// kill returns when the process is gone. It may be already.
func (p *process) kill() {
	p.killed = true
	_ = p.signal(syscall.SIGKILL)
	<-p.exited
}

// String is what the process has printed, shortened, for who looks into a failure.
func (p *process) String() string {
	const most = 12
	lines, _ := p.printed()
	text := fmt.Sprintf("%s printed %d lines:\n", p.name, len(lines))
	for i, l := range lines {
		if i == most && len(lines) > 2*most {
			text += fmt.Sprintf("\t… %d more\n", len(lines)-2*most)
		}
		if i < most || i >= len(lines)-most {
			text += "\t" + l.text + "\n"
		}
	}
	return text + p.name + " wrote on stderr:\n" + p.logs.String()
}
