// Command mutants asks whether the tests would notice. mutants.yaml lists changes that break a promise, a line each, and for
// each the test that must fail with it; this program makes one change after another and runs its test.
//
// It never touches the source: the go command is told to read a changed copy in a file's stead (`-overlay`), so nothing needs
// to be put back, whenever it is interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

// list is where the mutants are, from the repository's root.
const list = "server/mutants/mutants.yaml"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		stop()
		os.Exit(1)
	}
}

// run runs the mutants whose name, file or test matches the argument, all of them without one. It fails unless a test kills
// each.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	only := flags.String("only", "", "a regular expression for the name, file or test of the mutants to run; all if empty")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	choice, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	all, err := load(".", list)
	if err != nil {
		return err
	}
	var chosen []mutant
	for _, m := range all {
		if choice.MatchString(m.Name + "\n" + m.File + "\n" + m.Package + "\n" + m.Run) {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("none of the %d mutants matches %q", len(all), *only)
	}
	l := &laboratory{root: "."}
	return l.try(ctx, chosen, out)
}

// try runs the mutants, one after the other, and prints a line for each as it ends.
func (l *laboratory) try(ctx context.Context, mutants []mutant, out io.Writer) error {
	l.mutants = mutants
	counts := map[verdict]int{}
	for _, m := range mutants {
		began := time.Now()
		got, detail, err := l.examine(ctx, m)
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted after %d of %d mutants", sum(counts), len(mutants))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		counts[got]++
		fmt.Fprintf(out, "%-9s %5.1fs  %s\n", got, time.Since(began).Seconds(), m.Name)
		if got != killed {
			fmt.Fprintf(out, "           in %s, by %s in %s: %s\n", m.File, m.Run, m.Package, detail)
		}
	}
	fmt.Fprintf(out, "%d killed, %d survived, %d invalid\n", counts[killed], counts[survived], counts[invalid])
	if counts[killed] < len(mutants) {
		return fmt.Errorf("%d of %d mutants were not killed: a test that would notice is missing, or %s is out of date", len(mutants)-counts[killed], len(mutants), list)
	}
	return nil
}

func sum(counts map[verdict]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}
