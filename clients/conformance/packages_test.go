package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// installTimeout bounds building and installing one package: a first time compiles all that the client depends on.
const installTimeout = 15 * time.Minute

// programs are the languages' complete programs in a README: how a block is marked, and what tells one from a fragment.
var programs = map[string]struct{ fence, whole string }{
	"go":         {"go", "package main"},
	"typescript": {"(?:typescript|ts)", "import "},
	"python":     {"(?:python|py)", "import "},
	"java":       {"java", " main("},
	"rust":       {"rust", "fn main("},
}

// readmeAddress is where the READMEs' programs look for a gateway. It is the one thing in them that the tests change.
const readmeAddress = "127.0.0.1:9090"

// A readme is what a client's README tells a newcomer to do.
type readme struct {
	quickstart string   // a program that subscribes
	consumer   string   // one that consumes a durable subscription
	commands   []string // `straw subscription create …`
}

// readReadme takes the first complete program, and the first one after it that consumes.
func readReadme(language string) (*readme, error) {
	text, err := os.ReadFile(filepath.Join("..", language, "README.md"))
	if err != nil {
		return nil, err
	}
	r, form := &readme{}, programs[language]
	for _, m := range regexp.MustCompile("(?s)```"+form.fence+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		block := m[1]
		switch whole := strings.Contains(block, form.whole) && strings.Contains(block, readmeAddress); {
		case !whole:
		case r.quickstart == "":
			r.quickstart = block
		case r.consumer == "" && regexp.MustCompile("(?i)consume|deliver").MatchString(block):
			r.consumer = block
		}
	}
	r.commands = regexp.MustCompile("straw subscription create [^`\n]+").FindAllString(string(text), -1)
	if r.quickstart == "" {
		return nil, fmt.Errorf("README has no complete program that connects to %s", readmeAddress)
	}
	return r, nil
}

// A project is an empty one, into which a client was installed from its package as its users would. What to do for that in each
// language is said by packages/<language>.sh.
type project struct {
	language string
	dir      string
}

// newProject builds a client's package and installs it.
func newProject(ctx context.Context, t *testing.T, language string) *project {
	t.Helper()
	p := &project{language: language, dir: t.TempDir()}
	if err := p.do(ctx, "install"); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *project) command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	script, err := filepath.Abs(filepath.Join("packages", p.language+".sh"))
	if err != nil {
		return nil, err
	}
	repository, err := filepath.Abs(filepath.Join("..", ".."))
	cmd := exec.CommandContext(ctx, script, args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "REPOSITORY="+repository, "SCRATCH="+filepath.Join(scratch, p.language))
	return cmd, err
}

func (p *project) do(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	cmd, err := p.command(ctx, args...)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(scratch, p.language), 0o700); err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("packages/%s.sh %s: %w\n%s", p.language, strings.Join(args, " "), err, out)
	}
	return nil
}

// program builds a program whose source is this.
func (p *project) program(ctx context.Context, name, source string) error {
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(source), 0o600); err != nil {
		return err
	}
	return p.do(ctx, "build", name)
}

// run starts a program that was built.
func (p *project) run(t *testing.T, name string) *process {
	t.Helper()
	cmd, err := p.command(context.WithoutCancel(t.Context()), "run", name)
	if err != nil {
		t.Fatal(err)
	}
	running, err := start(p.language+" "+name, "", cmd, func(string) (map[string]any, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.kill)
	return running
}

// TestPackages installs each client from its built package into an empty project, and runs there the programs of its README,
// verbatim but for the gateway's address.
func TestPackages(t *testing.T) {
	for _, language := range chosen(t) {
		t.Run(language, func(t *testing.T) {
			r, err := readReadme(language)
			if err != nil {
				t.Fatal(err)
			}
			p := newProject(t.Context(), t, language)
			t.Run("quickstart", func(t *testing.T) { p.survive(t, &newcomer{name: "quickstart", source: r.quickstart, once: true}) })
			t.Run("consumer", func(t *testing.T) {
				if r.consumer == "" {
					t.Fatalf("README has no complete program that connects to %s and consumes a durable subscription", readmeAddress)
				}
				p.survive(t, &newcomer{name: "consumer", source: r.consumer, commands: r.commands})
			})
		})
	}
}

// A newcomer is a program as one writes it who has read nothing but the README.
type newcomer struct {
	name     string
	source   string
	commands []string // for the gateway, before
	once     bool     // each event comes once, in its order; otherwise at least once
}

// survive runs a program, kills the gateway twice, once while events stream, and wants all events in what the program prints.
func (p *project) survive(t *testing.T, n *newcomer) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 3*installTimeout, errors.New("it took too long"))
	defer cancel()
	g, err := newGateway(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.close)
	if err := p.program(ctx, n.name, strings.ReplaceAll(n.source, readmeAddress, g.grpc)); err != nil {
		t.Fatal(err)
	}
	for _, command := range n.commands {
		if err := g.straw(ctx, strings.Fields(command)[1:]...); err != nil {
			t.Fatal(err)
		}
	}
	running := p.run(t, n.name)
	if err := n.play(ctx, g, running); err != nil {
		t.Errorf("%v\n%s\nthe gateway wrote on stderr:\n%s", err, running, &g.logs)
	}
}

// Events of a round, and rounds: before the first kill, right before the second, and after it.
const (
	roundEvents = 50
	rounds      = 3
)

func (n *newcomer) play(ctx context.Context, g *gateway, running *process) error {
	ctx, cancel := context.WithTimeoutCause(ctx, playTimeout, fmt.Errorf("it took more than %v", playTimeout))
	defer cancel()
	streams := int64(0)
	if err := poll(ctx, func() (bool, error) {
		status, err := g.status(ctx)
		streams = status.GetStreamCount()
		return streams > 0, err
	}, func() error { return errors.New("the program doesn't stream") }); err != nil {
		return err
	}
	for round := range rounds {
		for i := range roundEvents {
			for _, body := range webhooks(round*roundEvents + i) {
				if err := g.post(ctx, body); err != nil {
					return err
				}
			}
		}
		if round != 1 { // but for the round whose events the kill meets
			if err := running.await(ctx, func(lines []line) bool { return n.judge(lines, (round+1)*roundEvents) == nil }); err != nil {
				lines, _ := running.printed()
				return fmt.Errorf("%w: %w", err, n.judge(lines, (round+1)*roundEvents))
			}
		}
		if round < rounds-1 {
			g.kill()
			if err := g.start(); err != nil {
				return err
			}
		}
	}
	return nil
}

// webhooks are the n-th ones, of two types, for a program may be about either. Their ids tell them from all others.
func webhooks(n int) []string {
	return []string{
		fmt.Sprintf(`{"id":"evt_n%04[1]d","type":"analysis.completed","data":{"analysis_id":"ana_n%04[1]d","result_count":48}}`, n),
		fmt.Sprintf(`{"id":"quo_n%04[1]d","type":"quota.warning","data":{"usage_percent":87.5}}`, n),
	}
}

// marked is an id in a printed line; a program may print those of some events, or both of one, each in a line of its own.
var marked = regexp.MustCompile(`(evt|ana|quo)_n(\d{4})`)

// judge wants the first so many events, of the kinds that were printed, and no others.
func (n *newcomer) judge(lines []line, events int) error {
	var want []string
	for i := range events {
		want = append(want, fmt.Sprintf("%04d", i))
	}
	got := map[string][]string{}
	for _, l := range lines {
		for _, m := range marked.FindAllStringSubmatch(l.text, -1) {
			got[m[1]] = append(got[m[1]], m[2])
		}
	}
	if len(got) == 0 {
		return errors.New("it printed no event")
	}
	for kind, ids := range got {
		if !n.once {
			ids = slices.Compact(sorted(ids))
		}
		if err := sequence(want, ids); err != nil {
			return fmt.Errorf("of %s_…: %w", kind, err)
		}
	}
	return nil
}
