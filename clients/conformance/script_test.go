package conformance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A script is a file of cases/: what happens to a client, step by step, and what must come of it. Each language plays it with
// a gateway, a proxy and a folder of its own.
//
// In what drivers are told, and in what is expected of them, `${…}` stands for
//
//	${cursor ID}   the cursor of an event
//	${foreign}     a cursor of another gateway's
//	${oldest}      the position before the oldest event that the gateway has left
//	${version}     the gateway's version
//	${sha256 ID}   the SHA-256 of an export
//	${dir}         the case's folder
type script struct {
	name string
	// About says in a sentence what clients do.
	About string `yaml:"about"`
	// Gateway is what the client meets: absent for the real one; `passed` for the real one whose retention has removed the
	// events old-1 to old-1024 and left old-1025 to old-1100, with the durable subscriptions overtaken-1 and overtaken-2 that
	// owed all of them; `newer` for one that speaks of what this version doesn't know, a small server in newer_test.go.
	Gateway string `yaml:"gateway"`
	// Direct has the client connect to the gateway itself, so that it meets a refused connection when that is gone.
	Direct bool `yaml:"direct"`
	// Steps happen one after the other, up to the first that fails.
	Steps []step `yaml:"steps"`
}

// A step is exactly one of its members, or `as` and one of them. Unless it says so, it doesn't wait for the drivers.
type step struct {
	// As names the driver that a step is about. Default: driver.
	As string `yaml:"as"`

	// Post sends webhooks, one after the other.
	Post *posting `yaml:"post"`
	// Body sends one webhook with this body.
	Body string `yaml:"body"`
	// Export announces a file, and waits until the gateway has stored it.
	Export *export `yaml:"export"`
	// Subscription creates a durable subscription; its members are those of the message straw.v1.Subscription in JSON.
	Subscription map[string]any `yaml:"subscription"`
	// Subscriptions creates some of which nothing but the id matters.
	Subscriptions ids `yaml:"subscriptions"`
	// Seek moves a subscription of this id to the oldest event.
	Seek string `yaml:"seek"`
	// Delete deletes a subscription of this id.
	Delete string `yaml:"delete"`
	// Write writes a file into the case's folder.
	Write *writing `yaml:"write"`
	// Holds says that a file in the case's folder is all of an export: its name, and the export's.
	Holds *writing `yaml:"holds"`

	// Network says what becomes of the connections that are made from now on; all after these pass everything.
	Network []treatment `yaml:"network"`
	// Break does something to the connections that are open: `hang` passes nothing more to the client and closes nothing,
	// `cut` closes them.
	Break string `yaml:"break"`
	// Arrived waits until so many bytes have passed the proxy to the clients.
	Arrived int64 `yaml:"arrived"`
	// Do does something to the gateway: `kill` (SIGKILL), `terminate` (SIGTERM, and waits for its end), or `start` on the same
	// store and ports.
	Do string `yaml:"do"`

	// Run starts a driver with this argument; the address is added.
	Run map[string]any `yaml:"run"`
	// Await waits until a driver has printed lines.
	Await *awaiting `yaml:"await"`
	// Signal tells a driver something: `stop` ends its stdin, upon which it drains and ends; `kill` is SIGKILL, `freeze`
	// SIGSTOP, `thaw` SIGCONT.
	Signal string `yaml:"signal"`
	// Expect waits for the end of a driver and judges what it printed. It must have been stopped, or end by itself.
	Expect *expectation `yaml:"expect"`
	// Settled waits for the end of drivers and judges what became of the events that they shared.
	Settled *settled `yaml:"settled"`
	// Owed waits until a subscription is as it says.
	Owed *owed `yaml:"owed"`
}

// posting says what webhooks to send.
type posting struct {
	Events ids `yaml:"events"`
	// Type is the type of all of them, one that Juicebox documents. Default: search.alert.
	Type string `yaml:"type"`
	// Size is how many bytes of text each contains beside. Default: none.
	Size int `yaml:"size"`
}

// export says what file to announce.
type export struct {
	ID    string `yaml:"id"`
	Bytes int64  `yaml:"bytes"`
}

// writing says what a file holds: a text, or so many bytes of an export from its beginning (0: all).
type writing struct {
	File   string `yaml:"file"`
	Text   string `yaml:"text"`
	Export string `yaml:"export"`
	Bytes  int64  `yaml:"bytes"`
}

// awaiting says what lines to wait for.
type awaiting struct {
	Line pattern `yaml:"line"`
	// Times is how many. Default: 1.
	Times int `yaml:"times"`
}

// settled says what became of the events of a subscription.
type settled struct {
	// By names the drivers that share it.
	By []string `yaml:"by"`
	// Events were all confirmed, by one of the drivers, as ACKED or ALREADY_ACKED.
	Events ids `yaml:"events"`
	// Again permits that an event begins with one driver after another has confirmed it. It may have been on its way to both.
	Again bool `yaml:"again"`
}

// owed says how a subscription stands.
type owed struct {
	Subscription string `yaml:"subscription"`
	Backlog      int64  `yaml:"backlog"`
	// DeadLetters are all that there are: ids, and why they failed ("*": whyever).
	DeadLetters map[string]string `yaml:"dead_letters"`
}

// readScripts reads all cases, by name.
func readScripts() ([]*script, error) {
	files, err := filepath.Glob("cases/*.yaml")
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("there are no cases in cases/: %w", err)
	}
	var scripts []*script
	for _, file := range files {
		s := &script{name: strings.TrimSuffix(filepath.Base(file), ".yaml")}
		if err := readYAML(file, s); err != nil {
			return nil, err
		}
		if err := s.validate(); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		scripts = append(scripts, s)
	}
	return scripts, nil
}

// readYAML refuses members that it doesn't know.
func readYAML(file string, into any) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func (s *script) validate() error {
	if s.About == "" || len(s.Steps) == 0 {
		return errors.New("a case says what it is about, and has steps")
	}
	if !slices.Contains([]string{"", "passed", "newer"}, s.Gateway) {
		return fmt.Errorf("gateway: %q is none", s.Gateway)
	}
	judged := false
	for i := range s.Steps {
		if err := s.Steps[i].validate(); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
		judged = judged || s.Steps[i].Expect != nil || s.Steps[i].Settled != nil
	}
	if !judged {
		return errors.New("nothing is expected of any driver")
	}
	return nil
}

// validate counts members, fills in defaults and writes out ranges.
func (s *step) validate() error {
	members := 0
	for i, v := 0, reflect.ValueOf(*s); i < v.NumField(); i++ {
		if v.Type().Field(i).Name != "As" && !v.Field(i).IsZero() {
			members++
		}
	}
	if members != 1 {
		return fmt.Errorf("a step has one member beside `as`, this one %d", members)
	}
	for word, words := range map[string][]string{s.Break: {"hang", "cut"}, s.Do: {"kill", "terminate", "start"}, s.Signal: {"stop", "kill", "freeze", "thaw"}} {
		if word != "" && !slices.Contains(words, word) {
			return fmt.Errorf("%q is none of %q", word, words)
		}
	}
	if s.As == "" {
		s.As = "driver"
	}
	var lists []*ids
	switch {
	case s.Post != nil:
		lists = append(lists, &s.Post.Events)
	case s.Subscriptions != nil:
		lists = append(lists, &s.Subscriptions)
	case s.Settled != nil:
		lists = append(lists, &s.Settled.Events)
	case s.Expect != nil:
		lists = append(lists, &s.Expect.Events, &s.Expect.Each, &s.Expect.AtLeast)
	}
	for _, list := range lists {
		var err error
		if *list, err = list.expand(); err != nil {
			return err
		}
	}
	return nil
}

// A flaw is an entry of known-failures.yaml: a case that a client is known to fail. One that passes fails the test, and so
// does one that names no language or case. The list is empty, and stays so.
type flaw struct {
	Language string `yaml:"language"`
	Case     string `yaml:"case"`
	Reason   string `yaml:"reason"` // a sentence, for people
}

func readFlaws(t *testing.T, scripts []*script) []flaw {
	t.Helper()
	var flaws []flaw
	if err := readYAML("known-failures.yaml", &flaws); err != nil {
		t.Fatal(err)
	}
	for _, f := range flaws {
		known := slices.ContainsFunc(scripts, func(s *script) bool { return s.name == f.Case })
		if !known || !slices.Contains(languages, f.Language) || f.Reason == "" {
			t.Errorf("known-failures.yaml: %+v names no language, no case or no reason", f)
		}
	}
	return flaws
}
