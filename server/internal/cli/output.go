package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// A format is how a command writes its data: for people, as indented JSON, or as JSON of one line each.
type format string

const (
	asText  format = "text"
	asJSON  format = "json"
	asJSONL format = "jsonl"
)

var formats = []string{string(asText), string(asJSON), string(asJSONL)}

// String, Set and Type make a format a flag.
func (f *format) String() string { return string(*f) }

// Set takes the name of a format.
func (f *format) Set(text string) error {
	if !slices.Contains(formats, text) {
		return fmt.Errorf("it is none of %s", strings.Join(formats, ", "))
	}
	*f = format(text)
	return nil
}

// Type is what the flag's help calls its value.
func (f *format) Type() string { return strings.Join(formats, "|") }

// outputFlag adds -o.
func outputFlag(c *cobra.Command) *format {
	f := asText
	c.Flags().VarP(&f, "output", "o", "How to write the data; json and jsonl are stable for scripts.")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)) // fails only for a missing flag
	return &f
}

// write writes a value as JSON, indented or on one line. A protobuf message is written as protojson; its white space, which
// protojson varies on purpose, is made stable.
func (f *format) write(w io.Writer, value any) error {
	var text []byte
	var err error
	if m, ok := value.(proto.Message); ok {
		text, err = protojson.Marshal(m)
	} else {
		text, err = marshal(value)
	}
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if *f == asJSON {
		err = json.Indent(&out, text, "", "  ")
	} else {
		err = json.Compact(&out, text)
	}
	if err != nil {
		return err
	}
	out.WriteByte('\n')
	_, err = w.Write(out.Bytes())
	return err
}

// marshal leaves <, > and & as they are: the output is not for HTML.
func marshal(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// A style is an ANSI code.
type style string

const (
	dim    style = "2"
	bold   style = "1"
	cyan   style = "36"
	yellow style = "33"
)

// A painter styles text for a terminal, and leaves it as it is for anything else.
type painter bool

// painter follows https://no-color.org.
func (p *program) painter(terminal bool) painter {
	return painter(terminal && p.getenv("NO_COLOR") == "" && p.getenv("TERM") != "dumb")
}

func (p painter) paint(s style, text string) string {
	if !p || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}
