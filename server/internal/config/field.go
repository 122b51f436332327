package config

import (
	"reflect"
	"slices"
	"strings"
)

// A Field is a setting, as Config documents it.
type Field struct {
	// Name is the setting's flag without the dashes, and its key in the config file.
	Name string
	// Env are its environment variables; the first that is set counts.
	Env []string
	// Default is its default as text; empty if there is none.
	Default string
	// Kind says what it takes.
	Kind string
	// Help describes it, in sentences.
	Help string
	// List: it may be given more than once.
	List bool
	// Secret: its value is never shown.
	Secret bool

	index int // in Config
}

var fields = describe(reflect.TypeFor[Config]())

// Fields lists the settings in the order of Config.
func Fields() []Field { return slices.Clone(fields) }

func describe(config reflect.Type) (fields []Field) {
	for i := range config.NumField() {
		f := config.Field(i)
		if !f.IsExported() {
			continue
		}
		fields = append(fields, Field{
			Name:    f.Tag.Get("flag"),
			Env:     strings.Split(f.Tag.Get("env"), ","),
			Default: f.Tag.Get("default"),
			Kind:    f.Tag.Get("kind"),
			Help:    f.Tag.Get("help"),
			List:    f.Type.Kind() == reflect.Slice,
			Secret:  f.Type == reflect.TypeFor[Secret]() || f.Type == reflect.TypeFor[Secrets](),
			index:   i,
		})
	}
	return fields
}

func fieldNamed(name string) (Field, bool) {
	i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Field{}, false
	}
	return fields[i], true
}

func fieldsNamed(names ...string) (found []Field) {
	for _, name := range names {
		if f, ok := fieldNamed(name); ok {
			found = append(found, f)
		}
	}
	return found
}

func (f Field) of(c *Config) reflect.Value { return reflect.ValueOf(c).Elem().Field(f.index) }

// Source tells where a setting came from, by its name.
func (c *Config) Source(name string) Source { return c.sources[name] }

// Warnings are sentences about what is probably a mistake.
func (c *Config) Warnings() []string { return c.warnings }

// A Setting is a field's value in a Config.
type Setting struct {
	Name string
	// Values are what it is set to, as text that would set it so, secrets apart. Exactly one unless it is a list or unset.
	Values []string
	Source Source
}

// Settings lists what the settings are and where that came from. Secrets are redacted.
func (c *Config) Settings() []Setting {
	settings := make([]Setting, len(fields))
	for i, f := range fields {
		settings[i] = Setting{f.Name, render(f.of(c)), c.sources[f.Name]}
	}
	return settings
}
