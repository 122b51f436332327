package signature

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFile bounds a secrets file; a larger one is something else by mistake.
const maxFile = 64 << 10

// check says what is wrong with a secret, as the end of a sentence that never quotes it.
func check(text string, minimum int) error {
	switch {
	case text == "":
		return errors.New("is empty")
	case strings.TrimSpace(text) == "":
		return errors.New("is nothing but white space")
	case strings.TrimSpace(text) != text:
		return errors.New("begins or ends with white space; remove it")
	case strings.ContainsFunc(text, unicode.IsControl):
		return errors.New("has a control character in it")
	case utf8.RuneCountInString(text) < minimum:
		return fmt.Errorf("has %d characters, which can be found out by trying; it must have %d, and should have %d or more, as from `openssl rand -hex 32`",
			utf8.RuneCountInString(text), minimum, GoodLength)
	}
	return nil
}

// reload reads the file and uses what it holds; on an error the set stays as it was. changed tells whether the file's bytes
// are others than when it was last read well.
func (s *Set) reload() (changed bool, err error) {
	content, err := readSmall(s.path)
	if err != nil {
		return false, err
	}
	digest := sha256.Sum256(content)
	if s.secrets.Load() != nil && digest == s.content {
		return false, nil
	}
	listed, err := list(content, s.minimum)
	if err != nil {
		return false, fmt.Errorf("webhook secrets file %s: %w", s.path, err)
	}
	if err := s.use(append(slices.Clip(s.static), listed...)); err != nil {
		return false, fmt.Errorf("webhook secrets file %s: %w", s.path, err)
	}
	s.content = digest
	return true, nil
}

// list reads secrets, one a line. Space around a secret, empty lines and lines that begin with # don't count.
func list(content []byte, minimum int) ([]string, error) {
	var secrets []string
	text := strings.TrimPrefix(string(content), "\ufeff")
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := check(line, minimum); err != nil {
			return nil, fmt.Errorf("the secret in line %d %w", number, err)
		}
		secrets = append(secrets, line)
	}
	if len(secrets) == 0 {
		return nil, errors.New("it holds no secret; write one a line")
	}
	return secrets, nil
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("webhook secrets file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat() // of what is read, whatever the name stands for by now
	if err != nil {
		return nil, fmt.Errorf("webhook secrets file: %w", err)
	}
	if err := private(path, info); err != nil {
		return nil, fmt.Errorf("webhook secrets file: %w", err)
	}
	var content bytes.Buffer
	if _, err := io.Copy(&content, io.LimitReader(f, maxFile+1)); err != nil {
		return nil, fmt.Errorf("webhook secrets file: %w", err)
	}
	if content.Len() > maxFile {
		return nil, fmt.Errorf("webhook secrets file %s: it has more than %d bytes; it should hold one secret a line", path, maxFile)
	}
	return content.Bytes(), nil
}

// CheckPrivate refuses a file with secrets that others can read, for then they can sign, or change, for then they can add a secret
// of their own. Members of its group may read it: that is how a secret is shared with a service on purpose.
func CheckPrivate(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return private(path, info)
}

func private(path string, info fs.FileInfo) error {
	mode := info.Mode().Perm()
	if runtime.GOOS == "windows" || !info.Mode().IsRegular() || mode&0o027 == 0 {
		return nil
	}
	return fmt.Errorf("%s holds secrets, and others on this machine can read or change it (mode %04o): run `chmod g-w,o= %s`; in Kubernetes, mount the secret with defaultMode: 0440",
		path, mode, path)
}
