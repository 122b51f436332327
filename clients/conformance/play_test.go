package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// playTimeout bounds a case in one language, longer than any healthy one takes on a busy machine.
	playTimeout = 4 * time.Minute
	// stepTimeout bounds a step: what a client does by itself takes it some seconds, and 20 s at most to notice that a
	// connection brings nothing at all.
	stepTimeout = 45 * time.Second
)

// A stage is what all plays share.
type stage struct {
	files  *files
	passed *passedStore
}

// A play is a script that is being played in one language.
type play struct {
	*stage
	script  *script
	driver  string // path of the language's
	dir     string
	gateway *gateway // nil for the newer one
	newer   *newerGateway
	proxy   *proxy
	drivers map[string]*process
	// cursors are of events that the log may have no more.
	cursors map[string]string
	exports map[string]int64 // sizes by id
}

// perform plays a script from its first step to its last and returns why it failed.
func (st *stage) perform(ctx context.Context, s *script, driverPath, dir string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, playTimeout, fmt.Errorf("the case took more than %v", playTimeout))
	defer cancel()
	p := &play{stage: st, script: s, driver: driverPath, dir: dir, drivers: map[string]*process{}, exports: map[string]int64{}}
	defer p.close()
	if err := p.open(ctx); err != nil {
		return err
	}
	for i := range s.Steps {
		ctx, cancel := context.WithTimeoutCause(ctx, stepTimeout, fmt.Errorf("it took more than %v", stepTimeout))
		err := p.step(ctx, &s.Steps[i])
		cancel()
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

func (p *play) open(ctx context.Context) (err error) {
	store := filepath.Join(p.dir, "gateway")
	var target string
	switch p.script.Gateway {
	case "newer":
		if p.newer, err = startNewerGateway(); err != nil {
			return err
		}
		target = p.newer.addr()
	case "passed":
		if p.cursors, err = p.passed.copy(ctx, store); err != nil {
			return err
		}
		fallthrough
	default:
		if p.gateway, err = newGateway(store, "--export-allow-host", p.files.host); err != nil {
			return err
		}
		target = p.gateway.grpc
	}
	p.proxy, err = newProxy(target)
	return err
}

func (p *play) close() {
	for _, d := range p.drivers {
		d.kill()
	}
	if p.proxy != nil {
		p.proxy.close()
	}
	if p.gateway != nil {
		p.gateway.close()
	}
	if p.newer != nil {
		p.newer.close()
	}
}

// report is what the drivers printed and the gateway logged.
func (p *play) report() string {
	var b strings.Builder
	for _, d := range p.drivers {
		b.WriteString(d.String())
	}
	if p.gateway != nil {
		b.WriteString("the gateway wrote on stderr:\n" + p.gateway.logs.String())
	}
	return b.String()
}

// step does what a step says.
func (p *play) step(ctx context.Context, s *step) error {
	err := p.act(ctx, s)
	if err != nil && (s.Await != nil || s.Expect != nil || s.Settled != nil || s.Owed != nil || s.Holds != nil) {
		return failure{err, p.report()}
	}
	return err
}

// A failure is an error with what helps to understand it.
type failure struct {
	error
	report string
}

func (f failure) Unwrap() error { return f.error }

func (p *play) act(ctx context.Context, s *step) error {
	switch {
	case s.Network != nil:
		p.proxy.treat(s.Network)
		return nil
	case s.Break == "hang":
		p.proxy.hang()
		return nil
	case s.Break == "cut":
		p.proxy.cut()
		return nil
	case s.Arrived > 0:
		return poll(ctx, func() (bool, error) { return p.proxy.passed.Load() >= s.Arrived, nil },
			func() error { return fmt.Errorf("%d bytes passed", p.proxy.passed.Load()) })
	case s.Run != nil:
		return p.run(ctx, s.As, s.Run)
	case s.Await != nil:
		return p.await(ctx, s.As, s.Await)
	case s.Signal != "":
		return p.signal(s.As, s.Signal)
	case s.Expect != nil:
		return p.expect(ctx, s.As, s.Expect)
	case s.Settled != nil:
		return p.settled(ctx, s.Settled)
	case s.Write != nil:
		return p.write(s.Write)
	case s.Holds != nil:
		return p.holds(s.Holds)
	case p.gateway != nil:
		return p.manage(ctx, s)
	}
	return errors.New("this gateway can't do that")
}

// run starts a driver. Of one that had the name before nothing is known any more.
func (p *play) run(ctx context.Context, as string, argument map[string]any) error {
	if before := p.drivers[as]; before != nil {
		before.kill()
	}
	expanded, err := p.expand(ctx, argument)
	if err != nil {
		return err
	}
	whole := expanded.(map[string]any)
	whole["address"] = p.proxy.addr()
	if p.script.Direct {
		whole["address"] = p.gateway.grpc
	}
	p.drivers[as], err = startDriver(p.driver, as, whole)
	return err
}

func (p *play) find(as string) (*process, error) {
	if d := p.drivers[as]; d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("no driver %q was started", as)
}

func (p *play) await(ctx context.Context, as string, a *awaiting) error {
	d, err := p.find(as)
	if err != nil {
		return err
	}
	want, err := p.pattern(ctx, a.Line)
	if err != nil {
		return err
	}
	times := max(a.Times, 1)
	if err := d.await(ctx, func(lines []line) bool { return want.times(lines) >= times }); err != nil {
		lines, _ := d.printed()
		return fmt.Errorf("awaiting %s from %s, %d of %d came: %w", want, as, want.times(lines), times, err)
	}
	return nil
}

func (p *play) signal(as, signal string) error {
	d, err := p.find(as)
	if err != nil {
		return err
	}
	switch signal {
	case "stop":
		return d.stop()
	case "kill":
		d.kill()
		return nil
	case "freeze":
		return d.signal(syscall.SIGSTOP)
	case "thaw":
		return d.signal(syscall.SIGCONT)
	}
	return fmt.Errorf("signal: %q is none", signal)
}

func (p *play) expect(ctx context.Context, as string, e *expectation) error {
	d, err := p.find(as)
	if err != nil {
		return err
	}
	if err := d.end(ctx); err != nil {
		return err
	}
	lines, _ := d.printed()
	if err := errors.Join(checkLines(d.op, lines), checkEnd(d.op, lines)); err != nil {
		return err
	}
	own := *e
	for _, list := range []*[]pattern{&own.Lines, &own.Contains} {
		if *list, err = p.patterns(ctx, *list); err != nil {
			return err
		}
	}
	return own.judge(lines)
}

func (p *play) write(w *writing) error {
	content := []byte(w.Text)
	if w.Export != "" {
		content = exportBytes(w.Export, p.exports[w.Export])
		if w.Bytes > 0 {
			content = content[:w.Bytes]
		}
	}
	return os.WriteFile(filepath.Join(p.dir, w.File), content, 0o600)
}

func (p *play) holds(w *writing) error {
	content, err := os.ReadFile(filepath.Join(p.dir, w.File))
	if err != nil {
		return err
	}
	if string(content) != string(exportBytes(w.Export, p.exports[w.Export])) {
		return fmt.Errorf("the file has %d bytes, and not those of the export", len(content))
	}
	return nil
}
