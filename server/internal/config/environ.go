package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// environ reads the variables. An empty one is as good as none, so that an optional one can be passed on; but an empty
// secret is more likely one that was lost.
func (in Input) environ() layer {
	vars := parseEnviron(in.Environ)
	values, names := map[string]any{}, map[string]string{}
	for _, f := range fields {
		for _, name := range f.Env {
			text, found := vars[name]
			if !found || text == "" && !f.Secret {
				continue
			}
			values[f.Name], names[f.Name] = f.split(name, text), name
			break
		}
	}
	return layer{FromEnv, values, func(f Field) string { return names[f.Name] }}
}

// split reads a list. Only the gateway's own variables are lists: Juicebox's secret may have a comma in it.
func (f Field) split(name, text string) any {
	if f.List && strings.HasPrefix(name, ownPrefix) {
		return strings.Split(text, ",")
	}
	return text
}

func parseEnviron(environ []string) map[string]string {
	vars := map[string]string{}
	for _, variable := range environ {
		name, text, _ := strings.Cut(variable, "=")
		vars[name] = text
	}
	return vars
}

const ownPrefix = "STRAW_"

// otherVars are the program's variables that are no settings of the gateway.
var otherVars = []string{fileEnv, "STRAW_ADDR", "STRAW_TOKEN", "STRAW_WEBHOOK_URL"}

// kubernetesVars are what Kubernetes sets for a service named straw or straw-something.
var kubernetesVars = regexp.MustCompile(`^STRAW_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// misspelling is how many edits may lie between a variable and the setting that was meant.
const misspelling = 2

// checkEnv judges the variables that look like settings and are none: a misspelled one is an error, for it must not go
// unnoticed; another may be somebody else's, such as a test's, and is worth a warning.
func checkEnv(environ []string) (warnings []string, err error) {
	known := slices.Clone(otherVars)
	for _, f := range fields {
		known = append(known, f.Env...)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(parseEnviron(environ))) {
		if !strings.HasPrefix(name, ownPrefix) || slices.Contains(known, name) || kubernetesVars.MatchString(name) {
			continue
		}
		nearest, distance := nearest(name, known)
		if distance <= misspelling {
			errs = append(errs, fmt.Errorf("%s is set, but there is no such setting; did you mean %s?", name, nearest))
			continue
		}
		warnings = append(warnings, name+" is set, but there is no such setting")
	}
	return warnings, errors.Join(errs...)
}
