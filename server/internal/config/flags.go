package config

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// FileFlag is the flag that names the config file.
const FileFlag = "config"

// fileEnv names it too.
const fileEnv = "STRAW_CONFIG"

// AddFlags adds the settings of the given names to a flag set, all of them if there are none, and FileFlag.
func AddFlags(flags *pflag.FlagSet, names ...string) {
	flags.Var(&flagValue{kind: "file"}, FileFlag, "A YAML file with settings; its keys are the names of the flags. ("+fileEnv+")")
	for _, f := range fields {
		if len(names) == 0 || slices.Contains(names, f.Name) {
			value := &flagValue{kind: f.Kind, list: f.List}
			flags.Var(value, f.Name, usage(f))
			flags.Lookup(f.Name).DefValue = f.Default
		}
	}
}

func usage(f Field) string {
	text := f.Help
	if f.List {
		text += " Repeatable."
	}
	return text + " (" + strings.Join(f.Env, ", ") + ")"
}

// flagValue is a flag as it was given; Load parses it, as it parses values from elsewhere.
type flagValue struct {
	values []string
	kind   string
	list   bool
}

// Set takes one occurrence. The last one counts, unless it is a list.
func (v *flagValue) Set(text string) error {
	if !v.list {
		v.values = nil
	}
	v.values = append(v.values, text)
	return nil
}

// String is empty for secrets' sake; pflag shows DefValue.
func (v *flagValue) String() string { return "" }

// Type is what the flag's help calls its value.
func (v *flagValue) Type() string { return v.kind }
