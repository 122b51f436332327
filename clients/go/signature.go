package straw

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
)

// SignatureHeader is the header of a webhook's signature.
const SignatureHeader = "X-Juicebox-Signature"

var (
	// ErrSignature says that a webhook was not signed with any of the secrets.
	ErrSignature = errors.New("straw: the webhook's signature doesn't match")
	// ErrEmptySecret says that one of the secrets is empty, as that of a variable that isn't set: anyone could sign with it.
	ErrEmptySecret = errors.New("straw: a webhook secret is empty")
)

// VerifySignature checks that a webhook was signed with one of the secrets: during a rotation there are two. Body is what
// was received, byte for byte, before any parsing, and header the value of SignatureHeader: the hex HMAC-SHA256 of the body,
// in either case, with or without a `sha256=` prefix. It takes the same time whatever is wrong. It is for programs that
// receive webhooks themselves; the gateway has verified what it streams. Errors: ErrSignature, and ErrEmptySecret whatever
// the signature.
func VerifySignature(body []byte, header string, secrets ...string) error {
	if slices.Contains(secrets, "") {
		return ErrEmptySecret
	}
	var given [sha256.Size]byte
	n, err := hex.Decode(given[:], []byte(boundedHex(header)))
	wellFormed := err == nil && n == len(given)
	matched := false
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		if hmac.Equal(mac.Sum(nil), given[:]) {
			matched = true
		}
	}
	if !wellFormed || !matched {
		return ErrSignature
	}
	return nil
}

// boundedHex returns the header without its prefix, and nothing if that is too long to be decoded.
func boundedHex(header string) string {
	digits := strings.TrimPrefix(header, "sha256=")
	if len(digits) > hex.EncodedLen(sha256.Size) {
		return ""
	}
	return digits
}
