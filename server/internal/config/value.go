package config

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// unlimited is how a bound is written that doesn't bind. Zero isn't taken for it: it could as well mean "keep nothing".
const unlimited = "unlimited"

// set parses texts into a field's value. The errors complete a sentence that begins with the text.
func set(v reflect.Value, texts []string) error {
	switch p := v.Addr().Interface().(type) {
	case *[]string:
		*p = texts
		return nil
	case *Secrets:
		*p = nil
		for _, text := range texts {
			*p = append(*p, Secret{text})
		}
		return nil
	case *Prefixes:
		return p.set(texts)
	}
	if len(texts) != 1 {
		return fmt.Errorf("takes one value and was given %d", len(texts))
	}
	text := texts[0]
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = text
	case *Secret:
		p.text = text
	case *time.Duration:
		d, err := ParseDuration(text)
		*p = d
		return err
	case *slog.Level:
		return parseLevel(p, text)
	case encoding.TextUnmarshaler:
		return p.UnmarshalText([]byte(text))
	default:
		panic(fmt.Sprintf("config: no parser for %s", v.Type()))
	}
	return nil
}

// render is the reverse of set, secrets apart.
func render(v reflect.Value) []string {
	var text string
	switch x := v.Interface().(type) {
	case []string:
		return x
	case Secrets:
		var all []string
		for _, s := range x {
			all = append(all, s.String())
		}
		return all
	case Prefixes:
		var all []string
		for _, prefix := range x {
			all = append(all, prefix.String())
		}
		return all
	case time.Duration:
		text = formatDuration(x)
	case slog.Level:
		text = strings.ToLower(x.String())
	default:
		text = fmt.Sprint(x)
	}
	if text == "" {
		return nil
	}
	return []string{text}
}

func parseLevel(level *slog.Level, text string) error {
	switch text {
	case "debug", "info", "warn", "error":
		return level.UnmarshalText([]byte(text))
	}
	return errors.New("is none of debug, info, warn and error")
}

// LogFormat is how the log is written: `text` or `json`.
type LogFormat string

// UnmarshalText takes the name of a format.
func (f *LogFormat) UnmarshalText(text []byte) error {
	if s := string(text); s != "text" && s != "json" {
		return errors.New("is neither text nor json")
	}
	*f = LogFormat(text)
	return nil
}

// A Count is how many of something there may be. The zero value leaves it to the gateway.
type Count int

// auto is how a Count is written that the gateway computes.
const auto = "auto"

// maxCount is more than any process can have of anything that is counted.
const maxCount = 1 << 30

// String returns a text that UnmarshalText takes.
func (c Count) String() string {
	if c == 0 {
		return auto
	}
	return strconv.Itoa(int(c))
}

// UnmarshalText reads a number or `auto`.
func (c *Count) UnmarshalText(b []byte) error {
	text := string(b)
	if text == auto {
		*c = 0
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxCount {
		return fmt.Errorf("isn't a number from 1 to %d, or auto", maxCount)
	}
	*c = Count(n)
	return nil
}

const day = 24 * time.Hour

// ParseDuration reads `30d`, `1w`, `1d12h`, `90m` or `unlimited`, which is zero. Its error completes a sentence that begins
// with the text.
func ParseDuration(text string) (time.Duration, error) {
	if text == unlimited {
		return 0, nil
	}
	wrong := errors.New("isn't a duration such as 30d, 12h or 90m, or unlimited")
	var total time.Duration
	rest := text
	for _, unit := range []struct {
		letter string
		length time.Duration
	}{{"w", 7 * day}, {"d", day}} {
		number, after, found := strings.Cut(rest, unit.letter)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return 0, wrong
		}
		total, rest = total+time.Duration(n)*unit.length, after
	}
	if rest != "" {
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 || d > math.MaxInt64-total {
			return 0, wrong
		}
		total += d
	}
	if total <= 0 {
		return 0, errors.New("isn't more than zero; write unlimited to keep everything")
	}
	return total, nil
}

func formatDuration(d time.Duration) string {
	switch {
	case d == 0:
		return unlimited
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// A Size is a bound on space: bytes, or a share of the disk. The zero value is unlimited.
type Size struct {
	Bytes   int64
	Percent float64 // of the disk; 0 if the size is in bytes
}

// Of returns the bound in bytes on a disk of that many bytes; 0 is unlimited.
func (s Size) Of(disk int64) int64 {
	if s.Percent > 0 {
		return int64(float64(disk) * s.Percent / 100)
	}
	return s.Bytes
}

// sizeUnits are in the order in which String tries them.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1}, {"", 1},
}

// String returns a text that UnmarshalText takes.
func (s Size) String() string {
	switch {
	case s == Size{}:
		return unlimited
	case s.Percent > 0:
		return strconv.FormatFloat(s.Percent, 'g', -1, 64) + "%"
	}
	for _, u := range sizeUnits {
		if s.Bytes%u.bytes == 0 {
			return strconv.FormatInt(s.Bytes/u.bytes, 10) + u.name
		}
	}
	return ""
}

// UnmarshalText reads `10GiB` (1024s), `10GB` (1000s), `4096`, `80%` or `unlimited`.
func (s *Size) UnmarshalText(b []byte) error {
	text := string(b)
	if text == unlimited {
		*s = Size{}
		return nil
	}
	if number, found := strings.CutSuffix(text, "%"); found {
		p, err := strconv.ParseFloat(number, 64)
		if err != nil || !(p > 0 && p <= 100) {
			return errors.New("isn't a share of the disk between 0% and 100%")
		}
		*s = Size{Percent: p}
		return nil
	}
	for _, u := range sizeUnits {
		number, found := strings.CutSuffix(text, u.name)
		if !found {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.bytes {
			break
		}
		if n == 0 {
			return errors.New("isn't more than zero; write unlimited for no bound")
		}
		*s = Size{Bytes: n * u.bytes}
		return nil
	}
	return errors.New("isn't a size such as 10GiB, 500MB or 80%, or unlimited")
}
