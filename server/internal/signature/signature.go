// Package signature decides whether a webhook is authentic: it verifies `x-juicebox-signature`, the hex HMAC-SHA256 of the
// raw body, against every configured secret, and signs the way Juicebox does. The set of secrets can change while it is
// used, so that a rotation refuses nothing.
//
// It never tells a caller which part of a signature was wrong other than through a Cause, which is for logs and metrics
// alone, and it never logs or prints a secret: secrets are named by their fingerprints.
package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Header is the header that carries the signature, in the spelling of http.Header's keys.
const Header = "X-Juicebox-Signature"

// Size is the length of a signature in bytes, before it is written as hex.
const Size = sha256.Size

const prefix = "sha256="

// A Cause is why a signature was refused. It is the error that Verify returns, and its text serves as a metric label.
type Cause string

// The causes. Whoever sent the webhook must not be able to tell them apart.
const (
	Missing   Cause = "missing"   // no header, or an empty one
	Repeated  Cause = "repeated"  // several headers, or several values joined by commas
	Malformed Cause = "malformed" // not 64 hex digits with or without `sha256=` before them
	Mismatch  Cause = "mismatch"  // well formed, and made with none of the secrets
)

// Causes lists every Cause.
func Causes() []Cause { return []Cause{Missing, Repeated, Malformed, Mismatch} }

// Error makes a Cause an error; its text is the bare label.
func (c Cause) Error() string { return string(c) }

// Sign returns the signature of a body as Juicebox sends it: 64 lower-case hex digits.
func Sign(secret, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// parse reads the header's values. With a Cause the signature is all zeros, which stands in for it in the comparisons.
func parse(header []string) (claimed [Size]byte, cause Cause) {
	if len(header) == 0 {
		return claimed, Missing
	}
	text := header[0]
	switch {
	case len(header) > 1, strings.IndexByte(text, ',') >= 0:
		return claimed, Repeated
	case text == "":
		return claimed, Missing
	}
	text = strings.TrimPrefix(text, prefix)
	if len(text) != hex.EncodedLen(Size) {
		return claimed, Malformed
	}
	var decoded [Size]byte
	for i := range decoded {
		high, low := nibble(text[2*i]), nibble(text[2*i+1])
		if high|low > 0xf {
			return claimed, Malformed
		}
		decoded[i] = high<<4 | low
	}
	return decoded, ""
}

// nibble is the value of a hex digit in either case, or 0xff.
func nibble(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}
