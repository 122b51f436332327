package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// MaxSecrets bounds a set: every webhook, forged ones included, costs one HMAC per secret.
const MaxSecrets = 16

// Lengths of secrets, in characters. Whoever has one signed webhook can try secrets against it, as fast as a machine hashes:
// fewer than MinLength characters are found within hours and shouldn't be in force, and fewer than GoodLength may be found.
const (
	MinLength  = 8
	GoodLength = 16
)

// A Set is the secrets that a webhook may be signed with. Safe for concurrent use; Watch is the only thing that changes it.
type Set struct {
	static  []string
	path    string
	minimum int               // fewer characters than this are refused
	content [sha256.Size]byte // of the file when it was last read well
	secrets atomic.Pointer[[]*secret]
}

// A Status is what may be shown of a secret.
type Status struct {
	// Fingerprint is the first 12 hex digits of the secret's SHA-256.
	Fingerprint string
	// LastUsed is when it last verified a webhook, to the second; zero if it hasn't since the process started.
	LastUsed time.Time
}

// NewSet returns a set that never changes. It refuses an empty list, more than MaxSecrets, and a secret that is empty,
// begins or ends with white space, or has a control character. A secret that is there twice counts once.
func NewSet(secrets []string) (*Set, error) {
	return Open(secrets, "", 0)
}

// Open returns the set of the given secrets and, if path isn't empty, of those in that file, in this order. It refuses what
// NewSet refuses, a secret of fewer than minimum characters, and a file that can't be read or holds no secret. Watch keeps the
// set up to date with the file.
func Open(secrets []string, path string, minimum int) (*Set, error) {
	for i, text := range secrets {
		if err := check(text, minimum); err != nil {
			return nil, fmt.Errorf("webhook secret %d %w", i+1, err)
		}
	}
	s := &Set{static: slices.Clone(secrets), path: path, minimum: minimum}
	if path != "" {
		_, err := s.reload()
		return s, err
	}
	if len(secrets) == 0 {
		return nil, fmt.Errorf("there is no webhook secret; give at least one")
	}
	return s, s.use(secrets)
}

// use replaces the secrets, keeping those that stay, so that the times of their last use survive.
func (s *Set) use(texts []string) error {
	var old []*secret
	if p := s.secrets.Load(); p != nil {
		old = *p
	}
	var next []*secret
	for _, text := range texts {
		is := func(k *secret) bool { return string(k.key) == text }
		if slices.ContainsFunc(next, is) {
			continue
		}
		if i := slices.IndexFunc(old, is); i >= 0 {
			next = append(next, old[i])
		} else {
			next = append(next, newSecret(text))
		}
	}
	if len(next) > MaxSecrets {
		return fmt.Errorf("there are %d webhook secrets; at most %d are allowed", len(next), MaxSecrets)
	}
	s.secrets.Store(&next)
	return nil
}

// Verify checks the values of a request's Header against its raw body and returns the fingerprint of the secret that it
// was signed with. Its error is always a Cause. It compares with every secret in constant time and does the same work
// whatever is wrong with the header.
func (s *Set) Verify(header []string, body []byte) (fingerprint string, err error) {
	claimed, cause := parse(header)
	var match *secret
	for _, k := range *s.secrets.Load() {
		if k.signed(&claimed, body) {
			match = k
		}
	}
	switch {
	case cause != "":
		return "", cause
	case match == nil:
		return "", Mismatch
	}
	match.touch(time.Now())
	return match.fingerprint, nil
}

// First is the secret that the gateway gives to Juicebox when it registers itself, and its fingerprint. The secret must not be
// shown.
func (s *Set) First() (secret, fingerprint string) {
	first := (*s.secrets.Load())[0]
	return string(first.key), first.fingerprint
}

// Status describes the secrets in their configured order: the given ones, then the file's.
func (s *Set) Status() []Status {
	secrets := *s.secrets.Load()
	all := make([]Status, len(secrets))
	for i, k := range secrets {
		all[i] = Status{Fingerprint: k.fingerprint, LastUsed: k.used()}
	}
	return all
}

// Weak returns the fingerprints of the secrets that have fewer than GoodLength characters, in their configured order.
func (s *Set) Weak() []string {
	var weak []string
	for _, k := range *s.secrets.Load() {
		if utf8.RuneCount(k.key) < GoodLength {
			weak = append(weak, k.fingerprint)
		}
	}
	return weak
}

// fingerprints lists the secrets by name, for logs and explanations.
func (s *Set) fingerprints() []string {
	var all []string
	for _, k := range *s.secrets.Load() {
		all = append(all, k.fingerprint)
	}
	return all
}

type secret struct {
	key         []byte
	fingerprint string
	lastUsed    atomic.Int64 // in Unix seconds; 0 is never
	macs        sync.Pool    // of *mac: one that was used before starts from saved states instead of from the key
}

type mac struct {
	hash.Hash
	sum []byte
}

func newSecret(text string) *secret {
	digest := sha256.Sum256([]byte(text))
	k := &secret{key: []byte(text), fingerprint: hex.EncodeToString(digest[:6])}
	k.macs.New = func() any { return &mac{hmac.New(sha256.New, k.key), make([]byte, 0, Size)} }
	return k
}

func (k *secret) signed(claimed *[Size]byte, body []byte) bool {
	m := k.macs.Get().(*mac)
	m.Reset()
	m.Write(body)
	m.sum = m.Sum(m.sum[:0])
	equal := subtle.ConstantTimeCompare(m.sum, claimed[:]) == 1
	k.macs.Put(m)
	return equal
}

// touch writes only when the second has changed, so that cores don't fight over the cache line.
func (k *secret) touch(now time.Time) {
	if t := now.Unix(); k.lastUsed.Load() != t {
		k.lastUsed.Store(t)
	}
}

func (k *secret) used() time.Time {
	if t := k.lastUsed.Load(); t != 0 {
		return time.Unix(t, 0).UTC()
	}
	return time.Time{}
}
