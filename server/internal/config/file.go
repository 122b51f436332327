package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
	goyaml "go.yaml.in/yaml/v3"

	"github.com/straw-gateway/straw/server/internal/signature"
)

// flags reads what was given on the command line.
func (in Input) flags() (layer, error) {
	given := koanf.New(noDelimiter)
	provider := posflag.ProviderWithFlag(in.Flags, noDelimiter, nil, func(f *pflag.Flag) (string, any) {
		value, own := f.Value.(*flagValue)
		if _, known := fieldNamed(f.Name); !own || !known || !f.Changed {
			return "", nil
		}
		return f.Name, value.values
	})
	err := given.Load(provider, nil)
	return layer{FromFlag, given.Raw(), func(f Field) string { return "--" + f.Name }}, err
}

// path returns the config file's path; empty if there is none.
func (in Input) path() string {
	if f := in.Flags.Lookup(FileFlag); f != nil && f.Changed {
		if value, own := f.Value.(*flagValue); own {
			return value.values[0]
		}
	}
	return parseEnviron(in.Environ)[fileEnv]
}

// file reads the config file.
func (in Input) file() (layer, error) {
	path := in.path()
	l := layer{FromFile, nil, func(f Field) string { return fmt.Sprintf("%s in %s", f.Name, path) }}
	if path == "" {
		return l, nil
	}
	content := koanf.New(noDelimiter)
	if err := content.Load(file.Provider(path), yaml.Parser()); err != nil {
		return l, fmt.Errorf("config file %s: %w", path, readable(err))
	}
	l.values = content.Raw()
	return l, errors.Join(unknownKeys(path, l.values), checkFileSecrets(path, l.values))
}

// readable keeps YAML from quoting what may be a secret, and the file system from repeating the path.
func readable(err error) error {
	if _, ok := errors.AsType[*goyaml.TypeError](err); ok {
		return errors.New("it isn't a list of settings, one `name: value` a line, each there once")
	}
	return unwrapPath(err)
}

// unwrapPath removes the path from an error of the file system, for it is named already.
func unwrapPath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

func unknownKeys(path string, values map[string]any) error {
	var known []string
	for _, f := range fields {
		known = append(known, f.Name)
	}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(known, key) {
			meant, _ := nearest(key, known)
			errs = append(errs, fmt.Errorf("%s has the key %q, but there is no such setting; the nearest is %s", path, key, meant))
		}
	}
	return errors.Join(errs...)
}

// checkFileSecrets refuses a config file with a secret that others can read or change.
func checkFileSecrets(path string, values map[string]any) error {
	for _, f := range fields {
		if _, found := values[f.Name]; found && f.Secret {
			return signature.CheckPrivate(path)
		}
	}
	return nil
}
