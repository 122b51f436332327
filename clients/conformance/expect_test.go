package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A pattern is an object that a printed line must contain: each member with an equal value, where objects within may have more
// members, and "*" stands for anything but nothing ("", 0, false, [], absent).
type pattern map[string]any

// ids are event ids; `evt-1..evt-100` stands for all from the one to the other.
type ids []string

// An expectation is what a driver must have printed until it ended, which it must have done by itself, with exit code 0.
type expectation struct {
	// Events are the ids of the `event` lines: exactly these, in this order.
	Events ids `yaml:"events"`
	// Each are the ids of the `event` lines: exactly these, in any order.
	Each ids `yaml:"each"`
	// AtLeast are ids that `event` lines must have, in any order and any number, and no others.
	AtLeast ids `yaml:"at_least"`
	// Lines are all lines, in their order, but for `connected` and `disconnected`.
	Lines []pattern `yaml:"lines"`
	// Contains are lines in this order, with any others in between.
	Contains []pattern `yaml:"contains"`
	// Count says how often lines come.
	Count []count `yaml:"count"`
	// Apart says how much time lies between lines.
	Apart []apart `yaml:"apart"`
	// AtOnce bounds how many events the driver's program works on at the same time.
	AtOnce *atOnce `yaml:"at_once"`
}

// count says how often a line comes.
type count struct {
	Line  pattern `yaml:"line"`
	Least int     `yaml:"least"`
	Most  *int    `yaml:"most"` // absent: any number
}

// apart says how much time lies between a line and the next one of another kind.
type apart struct {
	From, To pattern
	Least    time.Duration `yaml:"least"`
	Most     time.Duration `yaml:"most"` // 0: any time
}

// atOnce says that at most so many `event` lines come within a time in which none of their handlers can end.
type atOnce struct {
	Most   int           `yaml:"most"`
	Within time.Duration `yaml:"within"`
}

// judge returns what is wrong with the lines that a driver printed; nil if nothing is.
func (e *expectation) judge(lines []line) error {
	var began []string
	for _, l := range lines {
		if id, ok := l.has["event"].(string); ok {
			began = append(began, id)
		}
	}
	for _, check := range []func() error{
		func() error { return sequence(e.Events, began) },
		func() error { return sequence(sorted(e.Each), sorted(began)) },
		func() error { return sequence(sorted(e.AtLeast), slices.Compact(sorted(began))) },
		func() error { return exactly(e.Lines, lines) },
		func() error { return inOrder(e.Contains, lines) },
		func() error { return e.AtOnce.judge(lines) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	for _, c := range e.Count {
		if err := c.judge(lines); err != nil {
			return err
		}
	}
	for _, a := range e.Apart {
		if err := a.judge(lines); err != nil {
			return err
		}
	}
	return nil
}

func sorted(list []string) []string {
	if list == nil {
		return nil
	}
	return slices.Sorted(slices.Values(list))
}

// sequence says where got departs from what is wanted; nil wants nothing in particular.
func sequence(want, got []string) error {
	if want == nil {
		return nil
	}
	for i, id := range want {
		switch {
		case i == len(got):
			return fmt.Errorf("%d events came, and then %s didn't", i, id)
		case got[i] == id:
		case slices.Contains(got[:i], got[i]):
			return fmt.Errorf("after %d events %s came again instead of %s", i, got[i], id)
		default:
			return fmt.Errorf("after %d events came %s instead of %s", i, got[i], id)
		}
	}
	if len(got) > len(want) {
		return fmt.Errorf("%d events came, of which %s is too much", len(got), got[len(want)])
	}
	return nil
}

// exactly matches all lines but for those about connections.
func exactly(want []pattern, lines []line) error {
	if want == nil {
		return nil
	}
	rest := slices.DeleteFunc(slices.Clone(lines), func(l line) bool { return l.has["connected"] != nil || l.has["disconnected"] != nil })
	for i, p := range want {
		if i == len(rest) {
			return fmt.Errorf("it ended without %s", p)
		}
		if !p.matches(rest[i]) {
			return fmt.Errorf("it printed %s instead of %s", rest[i].text, p)
		}
	}
	if len(rest) > len(want) {
		return fmt.Errorf("it also printed %s", rest[len(want)].text)
	}
	return nil
}

func inOrder(want []pattern, lines []line) error {
	for _, p := range want {
		i := slices.IndexFunc(lines, p.matches)
		if i < 0 {
			return fmt.Errorf("it didn't print %s, or not in its place", p)
		}
		lines = lines[i+1:]
	}
	return nil
}

func (c count) judge(lines []line) error {
	n := c.Line.times(lines)
	if n < c.Least || c.Most != nil && n > *c.Most {
		return fmt.Errorf("it printed %s %d times", c.Line, n)
	}
	return nil
}

func (a apart) judge(lines []line) error {
	from := slices.IndexFunc(lines, a.From.matches)
	if from < 0 {
		return fmt.Errorf("it didn't print %s", a.From)
	}
	after := slices.IndexFunc(lines[from+1:], a.To.matches)
	if after < 0 {
		return fmt.Errorf("it didn't print %s after %s", a.To, a.From)
	}
	took := lines[from+1+after].at.Sub(lines[from].at)
	if took < a.Least || a.Most > 0 && took > a.Most {
		return fmt.Errorf("%v lay between %s and %s", took.Round(time.Millisecond), a.From, a.To)
	}
	return nil
}

func (a *atOnce) judge(lines []line) error {
	if a == nil {
		return nil
	}
	var began []time.Time
	for _, l := range lines {
		if l.has["event"] != nil {
			began = append(began, l.at)
		}
	}
	for i := a.Most; i < len(began); i++ {
		if began[i].Sub(began[i-a.Most]) < a.Within {
			return fmt.Errorf("it worked on more than %d events at once", a.Most)
		}
	}
	return nil
}

// times counts the lines that match.
func (p pattern) times(lines []line) (n int) {
	for _, l := range lines {
		if p.matches(l) {
			n++
		}
	}
	return n
}

func (p pattern) matches(l line) bool { return contains(map[string]any(p), l.has) }

func (p pattern) String() string {
	text, err := json.Marshal(map[string]any(p))
	if err != nil {
		return fmt.Sprint(map[string]any(p))
	}
	return string(text)
}

// contains tells whether got is what is wanted. Numbers compare by value, for YAML and JSON read them differently.
func contains(want, got any) bool {
	switch w := want.(type) {
	case pattern:
		return contains(map[string]any(w), got)
	case map[string]any:
		g, ok := got.(map[string]any)
		for name := range maps.Keys(w) {
			ok = ok && contains(w[name], g[name])
		}
		return ok
	case []any:
		g, ok := got.([]any)
		return ok && slices.EqualFunc(w, g, contains)
	case int:
		return got == float64(w)
	case string:
		if w == "*" {
			return !nothing(got)
		}
	}
	return reflect.DeepEqual(want, got)
}

func nothing(v any) bool {
	list, isList := v.([]any)
	return v == nil || v == "" || v == false || v == 0.0 || isList && len(list) == 0
}

// expand writes out ranges.
func (list ids) expand() (ids, error) {
	if list == nil {
		return nil, nil
	}
	all := ids{}
	for _, id := range list {
		first, last, isRange := strings.Cut(id, "..")
		if !isRange {
			all = append(all, id)
			continue
		}
		name, from, err1 := numbered(first)
		other, to, err2 := numbered(last)
		if err1 != nil || err2 != nil || name != other || from > to {
			return nil, fmt.Errorf("%q is no range such as evt-1..evt-100", id)
		}
		for n := from; n <= to; n++ {
			all = append(all, name+strconv.Itoa(n))
		}
	}
	return all, nil
}

func numbered(id string) (name string, n int, err error) {
	name = strings.TrimRight(id, "0123456789")
	n, err = strconv.Atoi(strings.TrimPrefix(id, name))
	return name, n, err
}
