package signature

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// An Explanation says whether a signature verifies, and if not, why.
type Explanation struct {
	Verified bool
	// Fingerprint names the secret that verifies the body, or would under the change that Detail speaks of. Empty if none does.
	Fingerprint string
	// Cause is what Verify returns; empty when it verifies.
	Cause Cause
	// Detail is a sentence for people. It quotes no secret and no expected signature.
	Detail string
}

// Explain finds out what became of a signature by trying the changes that bodies, secrets and headers commonly suffer on
// their way. It is for `straw webhook verify`, not for serving: its work depends on what it is given.
func (s *Set) Explain(header []string, body []byte) Explanation {
	fingerprint, err := s.Verify(header, body)
	if err == nil {
		return Explanation{true, fingerprint, "", "The signature verifies with the secret " + fingerprint + "."}
	}
	e := Explanation{}
	errors.As(err, &e.Cause) // Verify has no other errors
	switch e.Cause {
	case Missing:
		e.Detail = "There is no " + Header + " header, or it is empty."
	case Repeated:
		e.Detail = "There is more than one signature; the gateway can't tell which one counts and refuses all. " +
			"Something on the way added a second " + Header + " header, or joined two with a comma."
	case Malformed:
		e.Detail = malformed(strings.TrimSpace(strings.TrimPrefix(header[0], prefix)))
	case Mismatch:
		e.Detail = fmt.Sprintf("The header is well formed, but the signature was made with none of the configured secrets (%s), "+
			"or of another body. Compare the secret in Juicebox's dashboard, and make sure that the body is the raw one.",
			strings.Join(s.fingerprints(), ", "))
	}
	if e.Cause == Malformed || e.Cause == Mismatch {
		if k, hint := s.guess(header[0], body); k != nil {
			e.Fingerprint, e.Detail = k.fingerprint, e.Detail+" "+hint
			if e.Cause == Mismatch {
				e.Detail = hint
			}
		}
	}
	return e
}

// malformed says what keeps a header's value from being 64 hex digits.
func malformed(text string) string {
	for i, r := range text {
		if r > 0x7f || nibble(byte(r)) == 0xff {
			return fmt.Sprintf("Character %d of the signature is %q, which is no hex digit; it must be 64 hex digits, "+
				"with or without %q before them.", i+1, r, prefix)
		}
	}
	if n := len(text); n != hex.EncodedLen(Size) {
		return fmt.Sprintf("The header has %d hex digits instead of %d.", n, hex.EncodedLen(Size))
	}
	return "There is white space around the signature."
}

// A variation is one change under which a signature may verify after all.
type variation struct {
	hint   string
	body   func([]byte) []byte // nil leaves the body as it is
	secret func([]byte) []byte // nil leaves the secret as it is
	hash   func() hash.Hash    // nil is SHA-256
}

// guess tries every variation with every secret, and returns the first that verifies.
func (s *Set) guess(header string, body []byte) (*secret, string) {
	claims := readings(header)
	for _, v := range variations {
		changed := body
		if v.body != nil {
			changed = v.body(body)
		}
		for _, k := range *s.secrets.Load() {
			sum := v.sum(k.key, changed)
			for _, claimed := range claims {
				if hmac.Equal(claimed, sum) {
					return k, v.hint
				}
			}
		}
	}
	return nil, ""
}

func (v variation) sum(key, body []byte) []byte {
	if v.secret != nil {
		key = v.secret(key)
	}
	h := v.hash
	if h == nil {
		h = sha256.New
	}
	mac := hmac.New(h, key)
	mac.Write(body)
	return mac.Sum(nil)
}

// readings decodes a signature in every form that senders use.
func readings(header string) (all [][]byte) {
	text := strings.TrimSpace(header)
	if at := strings.IndexAny(text, "=,"); at > 0 && at < 8 { // such as sha1= or v1,
		all = append(all, readings(text[at+1:])...)
	}
	if b, err := hex.DecodeString(text); err == nil {
		all = append(all, b)
	}
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if b, err := e.DecodeString(text); err == nil {
			all = append(all, b)
		}
	}
	return all
}

// variations are tried in this order. The first is no change: the signature is right, only written in another way.
var variations = []variation{
	{hint: "It is the right signature, but not written as 64 hex digits."},
	{hint: "It verifies if the newline at the end of the body is removed: the body was changed after it was signed, or saved with a newline.",
		body: func(b []byte) []byte { return bytes.TrimRight(b, "\r\n") }},
	{hint: "It verifies if a newline is added at the end of the body: the body lost it after it was signed.",
		body: func(b []byte) []byte { return append(bytes.Clone(b), '\n') }},
	{hint: "It verifies if the body's line ends are LF instead of CRLF: the body was changed after it was signed.",
		body: func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")) }},
	{hint: "It verifies if the body's line ends are CRLF instead of LF: the body was changed after it was signed.",
		body: func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) }},
	{hint: "It verifies without the byte order mark at the start of the body: an editor added it.",
		body: func(b []byte) []byte { return bytes.TrimPrefix(b, []byte("\ufeff")) }},
	{hint: "It verifies if the body is written as compact JSON, as JSON.stringify does: the body was parsed and written anew. Keep the raw bytes.",
		body: reformat()},
	{hint: "It verifies if the body is written as JSON with two spaces of indent: the body was parsed and written anew. Keep the raw bytes.",
		body: reformat(jsontext.WithIndent("  "))},
	{hint: "It verifies if the body is written as JSON with a space after each colon and comma, as Python's json.dumps does: the body was parsed and written anew. Keep the raw bytes.",
		body: reformat(jsontext.SpaceAfterColon(true), jsontext.SpaceAfterComma(true))},
	{hint: "It is the signature of an empty body: whoever signed it had consumed the body already.",
		body: func([]byte) []byte { return nil }},
	{hint: "It verifies if the secret has a newline at its end: the sender's secret was saved with one. Remove it there.",
		secret: func(k []byte) []byte { return append(bytes.Clone(k), '\n') }},
	{hint: "It verifies if the secret has a space at its end: the sender's secret was saved with one. Remove it there.",
		secret: func(k []byte) []byte { return append(bytes.Clone(k), ' ') }},
	{hint: "It verifies if the secret is in double quotes: the sender's secret was saved with them. Remove them there.",
		secret: func(k []byte) []byte { return append(append([]byte{'"'}, k...), '"') }},
	{hint: "It was made with an empty secret: the sender's secret is not set.",
		secret: func([]byte) []byte { return nil }},
	{hint: "It verifies with the bytes that the secret stands for in hex, not with its characters.",
		secret: func(k []byte) []byte { b, _ := hex.DecodeString(string(k)); return b }},
	{hint: "It verifies with the bytes that the secret stands for in base64, not with its characters.",
		secret: func(k []byte) []byte {
			b, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(string(k), "whsec_"))
			return b
		}},
	{hint: "It verifies with HMAC-SHA1; it must be HMAC-SHA256.", hash: sha1.New},
	{hint: "It verifies with HMAC-SHA512; it must be HMAC-SHA256.", hash: sha512.New},
}

// reformat writes a JSON body anew; one that isn't JSON stays as it is.
func reformat(options ...jsontext.Options) func([]byte) []byte {
	options = append(options, jsontext.AllowDuplicateNames(true), jsontext.PreserveRawStrings(true))
	return func(body []byte) []byte {
		b, err := jsontext.AppendFormat(nil, body, options...)
		if err != nil {
			return body
		}
		return b
	}
}
