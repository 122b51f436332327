package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Process is a child of the benchmark in a process group of its own. It dies with its parent, however that ends.
type Process struct {
	Name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	log  *tailWriter
	done chan struct{} // closed once the process has ended
	err  error         // how it ended; read after done
}

// start runs a program until it ends, is killed, or the context ends. Its stderr is kept, the last of it, for errors; onLine, if not nil, also sees each line of it.
func start(ctx context.Context, name string, onLine func(string), env []string, program string, args ...string) (*Process, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &Process{Name: name, cmd: cmd, log: &tailWriter{onLine: onLine}, done: make(chan struct{})}
	cmd.Cancel = func() error { p.signalKill(); return nil }
	cmd.Stderr = p.log
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p.in, p.out = in, bufio.NewReaderSize(out, 1<<20)
	return p, nil
}

// startRole runs this same program as one of its roles and waits until it is ready; ready receives what it then says.
func startRole(ctx context.Context, role string, config, ready any, env ...string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := start(ctx, role, nil, env, self, roleArgument, role)
	if err != nil {
		return nil, err
	}
	if err := p.call(ctx, "", config, ready); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

// call sends a role one request and waits for its reply; result may be nil. Calls are made one at a time. When the context
// ends first the process is killed, for its replies could no longer be told apart.
func (p *Process) call(ctx context.Context, verb string, args, result any) error {
	stop := context.AfterFunc(ctx, p.signalKill)
	defer stop()
	err := p.exchange(verb, args, result)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	return fmt.Errorf("%s: %s: %w%s", p.Name, verb, err, p.log.tail())
}

func (p *Process) exchange(verb string, args, result any) error {
	packed, err := json.Marshal(args)
	if err != nil {
		return err
	}
	line, err := json.Marshal(request{Verb: verb, Args: packed})
	if err != nil {
		return err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return p.hungUp(err)
	}
	answer, err := p.out.ReadBytes('\n')
	if err != nil {
		return p.hungUp(err)
	}
	var rep reply
	if err := json.Unmarshal(answer, &rep); err != nil {
		return fmt.Errorf("its answer can't be read: %w", err)
	}
	if rep.Error != "" {
		return errors.New(rep.Error)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(rep.Result, result)
}

// hungUp is the error of a process that can't be talked to any more. Once that is gone all is there that it said last.
func (p *Process) hungUp(err error) error {
	p.Kill()
	return fmt.Errorf("it ended instead of answering: %w", err)
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// CPU is the CPU time that it has used.
func (p *Process) CPU() (time.Duration, error) { return cpuTime(p.PID()) }

func (p *Process) signalKill() { _ = syscall.Kill(-p.PID(), syscall.SIGKILL) }

// Kill ends the process and its group at once, and waits until it is gone. Idempotent.
func (p *Process) Kill() {
	p.signalKill()
	p.wait()
}

// Terminate asks the process to end, and kills it if it hasn't after the grace.
func (p *Process) Terminate(grace time.Duration) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(grace, p.signalKill)
	defer timer.Stop()
	p.wait()
}

func (p *Process) wait() {
	select {
	case <-p.done:
		return
	default:
	}
	_ = p.in.Close()
	_, _ = io.Copy(io.Discard, p.out)
	p.err = p.cmd.Wait()
	close(p.done)
}

// tailWriter keeps the last lines of what a process says on stderr.
type tailWriter struct {
	mu      sync.Mutex
	partial []byte
	lines   []string
	onLine  func(string)
}

const tailLines = 20

func (w *tailWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.partial = append(w.partial, b...)
	for {
		line, rest, found := bytes.Cut(w.partial, []byte{'\n'})
		if !found {
			return len(b), nil
		}
		w.lines = append(w.lines, string(line))
		w.lines = w.lines[max(0, len(w.lines)-tailLines):]
		if w.onLine != nil {
			w.onLine(string(line))
		}
		w.partial = append([]byte(nil), rest...)
	}
}

// tail is what to append to an error: empty if the process said nothing.
func (w *tailWriter) tail() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lines) == 0 {
		return ""
	}
	return "\n    " + strings.Join(w.lines, "\n    ")
}
