package config

import (
	"fmt"
	"strings"
)

// Reference is the manual of the settings, in Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	b.WriteString("| setting | environment | default | what it is |\n|---|---|---|---|\n")
	for _, f := range fields {
		value := "none"
		if f.Default != "" {
			value = code(f.Default)
		}
		help := f.Help
		if f.List {
			help += " Repeatable."
		}
		var env []string
		for _, name := range f.Env {
			env = append(env, code(name))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", code("--"+f.Name+" "+f.Kind), strings.Join(env, ", "), value, escape(help))
	}
	return b.String()
}

const referenceHead = `# Settings

A flag counts over the environment, that over the config file, and that over the default. The config file is YAML, named by
` + "`--config` or `STRAW_CONFIG`" + `; its keys are the names of the flags without the dashes, and a setting that may be repeated
takes a list. Unknown keys and misspelled
variables are refused. ` + "`straw config check`" + ` says what is wrong, and
` + "`straw config show`" + ` what is in force and where it came from.

A file with secrets in it is refused if others can read it, or its group can change it: ` + "`chmod g-w,o= FILE`" + `, and in Kubernetes
` + "`defaultMode: 0440`" + ` with an ` + "`fsGroup`" + `.

`

func code(text string) string { return "`" + escape(text) + "`" }

// escape keeps a table's cells apart.
func escape(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
