// Package cli is the command line. Each command has a file; what they share stands in program.go, output.go and client.go.
//
// Data goes to stdout and everything else to stderr. Commands that ask a gateway do so through clients/go alone, as any
// program would; none reads the store or the gateway's memory.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	straw "github.com/straw-gateway/straw/clients/go"
)

// A program is one run of the command line.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	name           string // as it was called
	version        string // from the build; may be empty
	// terminal tells whether stdout and stderr are one.
	terminal struct{ stdout, stderr bool }

	began bool // the command line is right, and the command has begun
}

// Main runs the command of os.Args and returns the exit code.
func Main(version string) int {
	ctx, stop := withSignals(context.Background())
	defer stop()
	p := &program{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		environ: os.Environ(), name: os.Args[0], version: version,
	}
	p.terminal.stdout, p.terminal.stderr = term.IsTerminal(int(os.Stdout.Fd())), term.IsTerminal(int(os.Stderr.Fd()))
	return p.run(ctx, os.Args[1:])
}

var (
	errInterrupted = errors.New("interrupted")
	errTerminated  = errors.New("terminated")
)

// withSignals ends the context at the first SIGINT or SIGTERM; the second one ends the process.
func withSignals(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			if s == os.Interrupt {
				cancel(errInterrupted)
			}
			cancel(errTerminated)
		case <-ctx.Done():
			signal.Stop(signals)
		}
	}()
	return ctx, func() { cancel(nil) }
}

func (p *program) run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	code := p.exitCode(ctx, err)
	var last strings.Builder
	if err != nil && !errors.Is(err, errInterrupted) && !errors.Is(err, errTerminated) && !errors.Is(err, errSaid) {
		fmt.Fprintf(&last, "straw: %s\n", strings.ReplaceAll(err.Error(), "\n", "\nstraw: "))
	}
	if code == exitUsage && !p.began {
		last.WriteString("Run `straw help` for the commands and `straw COMMAND --help` for one.\n")
	}
	if last.Len() > 0 {
		_, _ = io.WriteString(newPatient(p.stderr), last.String()) // there is nobody else to tell
	}
	return code
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "straw",
		Short: "Straw streams Juicebox webhooks to your programs",
		Long: "Straw takes Juicebox's webhooks, keeps them, and streams them to your programs: typed, in order, and resumable.\n" +
			"To see it work, run `straw dev`.",
		SilenceErrors:    true,
		SilenceUsage:     true,
		PersistentPreRun: func(*cobra.Command, []string) { p.began = true },
	}
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.AddCommand(p.serve(), p.dev(), p.tail(), p.trigger(), p.subscription(), p.deadLetter(), p.export(), p.store(), p.status(), p.webhook(), p.config(), p.versionCommand())
	return root
}

// Exit codes. A call that the gateway refused ends with exitGRPC plus its code.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitGRPC        = 64
	exitInterrupted = 128 + int(syscall.SIGINT)
	exitTerminated  = 128 + int(syscall.SIGTERM)
)

// errSaid is a failure that the command's output has told of already.
var errSaid = errors.New("said already")

// A usageError is a command that can't be carried out as it was given.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func (p *program) exitCode(ctx context.Context, err error) int {
	if errors.Is(context.Cause(ctx), errInterrupted) {
		return exitInterrupted
	}
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*straw.Error](err); ok {
		return exitGRPC + int(e.Code)
	}
	if _, ok := errors.AsType[usageError](err); ok || !p.began {
		return exitUsage
	}
	if errors.Is(err, errTerminated) {
		return exitTerminated
	}
	return exitFailure
}

// getenv returns a variable of the environment; empty if it isn't set.
func (p *program) getenv(name string) string {
	for _, variable := range p.environ {
		if text, found := strings.CutPrefix(variable, name+"="); found {
			return text
		}
	}
	return ""
}
