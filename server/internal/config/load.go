package config

import (
	"errors"
	"fmt"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"github.com/straw-gateway/straw/server/internal/signature"
)

// Input is where settings come from.
type Input struct {
	// Flags are parsed flags that AddFlags has added, among others.
	Flags *pflag.FlagSet
	// Environ is the environment, as os.Environ gives it.
	Environ []string
	// Defaults count instead of the fields' own, by name; for commands whose defaults are others.
	Defaults map[string]string
	// AnySecret permits webhook secrets of any length, for commands that only try things on this machine.
	AnySecret bool
}

// Load reads, parses and validates every setting. Its error has a line for each thing that is wrong.
func Load(in Input) (*Config, error) {
	c, err := in.load(fields)
	warnings, envErr := checkEnv(in.Environ)
	if err := errors.Join(envErr, err); err != nil {
		return nil, err
	}
	c.warnings = warnings
	if !in.AnySecret {
		c.minSecret = signature.MinLength
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// LoadSecrets reads WebhookSecrets and WebhookSecretsFile alone, for commands that sign or verify.
func LoadSecrets(in Input) (*Config, error) {
	c, err := in.load(fieldsNamed("webhook-secret", "webhook-secrets-file"))
	if err != nil {
		return nil, err
	}
	if err := c.validateSecrets(); err != nil {
		return nil, err
	}
	return c, nil
}

// StoreSettings are the settings that LoadStore reads.
var StoreSettings = []string{"store", "log-level", "log-format"}

// LoadStore reads StoreSettings alone, for commands that open the store instead of a gateway.
func LoadStore(in Input) (*Config, error) { return in.load(fieldsNamed(StoreSettings...)) }

// noDelimiter keeps koanf from reading names as paths.
const noDelimiter = "\x00"

// load fills in the given fields, which may be wrong together.
func (in Input) load(fields []Field) (*Config, error) {
	layers, err := in.layers()
	if err != nil {
		return nil, err
	}
	merged, places := koanf.New(noDelimiter), map[string]layer{}
	for _, l := range layers {
		if err := merged.Load(confmap.Provider(l.values, ""), nil); err != nil {
			return nil, err
		}
		for name := range l.values {
			places[name] = l
		}
	}
	c := &Config{sources: map[string]Source{}}
	var errs []error
	for _, f := range fields {
		l, found := places[f.Name]
		if !found {
			c.sources[f.Name] = FromDefault // to have no value
			continue
		}
		c.sources[f.Name] = l.source
		texts, err := f.texts(merged.Get(f.Name))
		if err == nil {
			err = set(f.of(c), texts)
		}
		if err != nil {
			errs = append(errs, f.complain(l.place(f), texts, err))
		}
	}
	return c, errors.Join(errs...)
}

// A layer is one place that settings come from.
type layer struct {
	source Source
	values map[string]any // by field
	place  func(Field) string
}

// layers returns the places, the one that counts least first.
func (in Input) layers() ([]layer, error) {
	flags, err := in.flags()
	if err != nil {
		return nil, err
	}
	environ := in.environ()
	file, err := in.file()
	if err != nil {
		return nil, err
	}
	return []layer{in.defaults(), file, environ, flags}, nil
}

func (in Input) defaults() layer {
	values := map[string]any{}
	for _, f := range fields {
		if f.Default != "" {
			values[f.Name] = f.Default
		}
	}
	for name, text := range in.Defaults {
		values[name] = text
	}
	return layer{FromDefault, values, func(f Field) string { return "the default of " + f.Name }}
}

// texts reads a value as a layer gives it: one or more texts.
func (f Field) texts(value any) ([]string, error) {
	switch v := value.(type) {
	case string:
		return []string{v}, nil
	case []string:
		return v, nil
	case []any:
		var texts []string
		for _, one := range v {
			text, err := f.text(one)
			if err != nil {
				return nil, err
			}
			texts = append(texts, text)
		}
		return texts, nil
	}
	text, err := f.text(value)
	return []string{text}, err
}

// text reads a scalar of the config file. YAML reads 0123 as 83 and `no` as a truth value: a secret must be quoted.
func (f Field) text(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case int, int64, uint64:
		if !f.Secret {
			return fmt.Sprint(v), nil
		}
		return "", errors.New("isn't text; put it in quotes")
	case map[string]any:
		return "", errors.New("has keys below it; it takes a value")
	case nil:
		return "", errors.New("has no value")
	}
	return "", errors.New("isn't text; put it in quotes")
}

// complain makes an error for people of what is wrong with a field's value.
func (f Field) complain(place string, texts []string, err error) error {
	if f.Secret || len(texts) != 1 || texts[0] == "" {
		return fmt.Errorf("%s %w", place, err)
	}
	return fmt.Errorf("%s: %q %w", place, texts[0], err)
}
