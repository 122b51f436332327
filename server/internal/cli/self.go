package cli

import (
	"os"
	"os/exec"
	"strings"
)

// self is how a shell calls this program: by its name if that finds it, and as it was called otherwise.
func (p *program) self() string {
	const name = "straw"
	found, err := exec.LookPath(name)
	if err != nil {
		return quote(p.name)
	}
	a, errA := os.Stat(found)
	executable, err := os.Executable()
	if err != nil || errA != nil {
		return quote(p.name)
	}
	if b, err := os.Stat(executable); err != nil || !os.SameFile(a, b) {
		return quote(p.name)
	}
	return name
}

// quote makes a text one word of a POSIX shell.
func quote(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+=,", r)
	}
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
