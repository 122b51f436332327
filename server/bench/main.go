package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if code, ran := roleMain(os.Args); ran {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// Bench is one run of the benchmark.
type Bench struct {
	scale Scale
	straw string // the gateway's binary
	dir   string // holds every store; removed at the end
	log   io.Writer
	began time.Time
	seed  uint64              // of the last webhooks that were generated
	kept  map[string]*preload // stores that were filled, by what they hold
	raw   map[string]Measured // every sample, by row
}

// rows are the table, in its order.
var rows = []struct {
	name string
	run  func(*Bench, context.Context) ([]Result, error)
}{
	{"ingest", (*Bench).ingest},
	{"stored", (*Bench).stored},
	{"open", (*Bench).open},
	{"replay", (*Bench).replay},
	{"durable", (*Bench).durable},
	{"fanout", (*Bench).fanout},
	{"live", (*Bench).live},
	{"crowd", (*Bench).crowd},
	{"latency", (*Bench).latency},
	{"idle", (*Bench).idle},
	{"blocked", (*Bench).blocked},
	{"stalled", (*Bench).stalled},
	{"download", (*Bench).download},
	{"exports", (*Bench).exports},
}

type settings struct {
	rows, straw, dir, out string
	rounds                int
	quick, limits         bool
}

func parseFlags(args []string, usage io.Writer) (s settings, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(usage)
	names := make([]string, len(rows))
	for i, row := range rows {
		names[i] = row.name
	}
	flags.StringVar(&s.rows, "rows", "", "rows to measure, comma-separated, of "+strings.Join(names, ", ")+"; all if empty")
	flags.StringVar(&s.straw, "straw", "", "the gateway's binary; built from ./server/cmd/straw if empty")
	flags.StringVar(&s.dir, "dir", "", "where the stores lie while they are measured; a temporary directory if empty")
	flags.StringVar(&s.out, "out", "bench.json", "where the figures of every round go")
	flags.IntVar(&s.rounds, "rounds", 0, "rounds of each row; the scale's own if 0")
	flags.BoolVar(&s.quick, "quick", false, "a rough table within two minutes")
	flags.BoolVar(&s.limits, "limits", false, "measure the limits alone, without Straw")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	for name := range strings.SplitSeq(s.rows, ",") {
		if name != "" && !slices.Contains(names, name) {
			return s, fmt.Errorf("there is no row %q; the rows are %s", name, strings.Join(names, ", "))
		}
	}
	return s, nil
}

func run(ctx context.Context, args []string, out, log io.Writer) (err error) {
	s, err := parseFlags(args, log)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	scale := full
	if s.quick {
		scale = quick
	}
	if s.rounds > 0 {
		scale.Rounds = s.rounds
	}
	b, err := newBench(scale, s.dir, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if b.straw = s.straw; b.straw == "" && !s.limits {
		if err := b.build(ctx); err != nil {
			return err
		}
	}
	machine, err := describeMachine(b.dir, scale.Syncs)
	if err != nil {
		return err
	}
	results, failures := b.measure(ctx, s.rows)
	return errors.Join(failures, b.report(out, s.out, machine, results))
}

func newBench(scale Scale, dir string, log io.Writer) (*Bench, error) {
	if err := raiseOpenFiles(); err != nil {
		return nil, fmt.Errorf("raising the limit of open files: %w", err)
	}
	dir, err := os.MkdirTemp(dir, "straw-bench-")
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &Bench{
		scale: scale, dir: dir, log: log, began: now,
		// Seeds grow with time, so that no run repeats the ids of an earlier one.
		seed: uint64(now.Unix()) << 8 & (1<<32 - 1),
		kept: map[string]*preload{}, raw: map[string]Measured{},
	}, nil
}

func (b *Bench) close() error { return os.RemoveAll(b.dir) }

func (b *Bench) build(ctx context.Context) error {
	b.progress("building straw")
	b.straw = filepath.Join(b.dir, "straw")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", b.straw, "github.com/straw-gateway/straw/server/cmd/straw")
	build.Stdout, build.Stderr = b.log, b.log
	if err := build.Run(); err != nil {
		return fmt.Errorf("building straw: %w", err)
	}
	return nil
}

// measure measures the rows asked for. A row that fails doesn't keep the others from being measured.
func (b *Bench) measure(ctx context.Context, names string) (results []Result, failures error) {
	for _, row := range rows {
		if names != "" && !slices.Contains(strings.Split(names, ","), row.name) {
			continue
		}
		found, err := row.run(b, ctx)
		results = append(results, found...)
		if ctx.Err() != nil {
			return results, errors.Join(failures, ctx.Err())
		}
		if err != nil {
			failures = errors.Join(failures, fmt.Errorf("row %s: %w", row.name, err))
		}
	}
	return results, failures
}

func (b *Bench) progress(format string, args ...any) {
	fmt.Fprintf(b.log, "%5.0fs  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, args...))
}

// nextSeed seeds webhooks whose ids no earlier ones have.
func (b *Bench) nextSeed() uint64 { b.seed++; return b.seed }

// Report is what bench.json holds.
type Report struct {
	Machine Machine
	Scale   Scale
	Seconds float64
	Results []Result
	// Rounds holds every sample: row, side, name, then rounds in their order.
	Rounds map[string]Measured
}

func (b *Bench) report(out io.Writer, path string, machine Machine, results []Result) error {
	fmt.Fprintf(out, "%s, %d cores, %.0f GB; Linux %s; %s; fdatasync p50 %.2f ms, p99 %.2f ms\n",
		machine.CPU, machine.Cores, machine.MemoryGB, machine.Kernel, machine.Go, machine.SyncP50, machine.SyncP99)
	fmt.Fprintf(out, "%s scale, median of %d rounds [lowest–highest]\n\n", b.scale.Name, b.scale.Rounds)
	if err := printTable(out, results); err != nil {
		return err
	}
	report := Report{machine, b.scale, time.Since(b.began).Seconds(), results, b.raw}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
