package signature_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"testing"

	"github.com/straw-gateway/straw/server/internal/signature"
)

func sum(h func() hash.Hash, secret, body string) []byte {
	mac := hmac.New(h, []byte(secret))
	mac.Write([]byte(body))
	return mac.Sum(nil)
}

func TestExplain(t *testing.T) {
	const secret = "5ec4e7"
	sign := func(secret, body string) string { return signature.Sign([]byte(secret), []byte(body)) }
	good := sign(secret, body)
	cases := map[string]struct {
		header []string
		body   string
		cause  signature.Cause
		found  bool // whether some secret explains it
		want   string
	}{
		"verifies":          {[]string{good}, body, "", true, "verifies with the secret"},
		"none":              {nil, body, signature.Missing, false, "There is no X-Juicebox-Signature header"},
		"repeated":          {[]string{good, good}, body, signature.Repeated, false, "more than one signature"},
		"63 digits":         {[]string{good[:63]}, body, signature.Malformed, false, "has 63 hex digits instead of 64"},
		"not hex":           {[]string{"sha256=" + good[:9] + "ü" + good[10:]}, body, signature.Malformed, false, "Character 10 of the signature is 'ü'"},
		"space":             {[]string{good + " "}, body, signature.Malformed, true, "white space around the signature. It is the right signature"},
		"unrelated":         {[]string{sign("other", body)}, body, signature.Mismatch, false, "none of the configured secrets (" + fingerprint("first") + ", " + fingerprint(secret) + ")"},
		"base64":            {[]string{base64.StdEncoding.EncodeToString(sum(sha256.New, secret, body))}, body, signature.Malformed, true, "right signature, but not written as 64 hex digits"},
		"v1=":               {[]string{"v1=" + good}, body, signature.Malformed, true, "right signature, but not written as 64 hex digits"},
		"sha1":              {[]string{"sha1=" + hex.EncodeToString(sum(sha1.New, secret, body))}, body, signature.Malformed, true, "HMAC-SHA1"},
		"sha512":            {[]string{hex.EncodeToString(sum(sha512.New, secret, body))}, body, signature.Malformed, true, "128 hex digits instead of 64. It verifies with HMAC-SHA512"},
		"newline added":     {[]string{good}, body + "\n", signature.Mismatch, true, "newline at the end of the body is removed"},
		"newline lost":      {[]string{sign(secret, body+"\n")}, body, signature.Mismatch, true, "newline is added at the end"},
		"CRLF to LF":        {[]string{sign(secret, "{\r\n}")}, "{\n}", signature.Mismatch, true, "line ends are CRLF instead of LF"},
		"LF to CRLF":        {[]string{sign(secret, "{\n}")}, "{\r\n}", signature.Mismatch, true, "line ends are LF instead of CRLF"},
		"byte order mark":   {[]string{good}, "\ufeff" + body, signature.Mismatch, true, "byte order mark"},
		"was compact":       {[]string{good}, strings.ReplaceAll(body, ",", " ,\n "), signature.Mismatch, true, "compact JSON"},
		"was indented":      {[]string{sign(secret, "{\n  \"a\": 1\n}")}, `{"a":1}`, signature.Mismatch, true, "two spaces of indent"},
		"was Python's":      {[]string{sign(secret, `{"a": 1, "b": 2}`)}, `{"a":1,"b":2}`, signature.Mismatch, true, "Python's json.dumps"},
		"of nothing":        {[]string{sign(secret, "")}, body, signature.Mismatch, true, "signature of an empty body"},
		"secret + newline":  {[]string{sign(secret+"\n", body)}, body, signature.Mismatch, true, "secret has a newline at its end"},
		"secret + space":    {[]string{sign(secret+" ", body)}, body, signature.Mismatch, true, "secret has a space at its end"},
		"secret in quotes":  {[]string{sign(`"`+secret+`"`, body)}, body, signature.Mismatch, true, "secret is in double quotes"},
		"secret from hex":   {[]string{sign("\x5e\xc4\xe7", body)}, body, signature.Mismatch, true, "stands for in hex"},
		"secret not set":    {[]string{sign("", body)}, body, signature.Mismatch, true, "made with an empty secret"},
		"body isn't JSON":   {[]string{sign("other", "x")}, "x", signature.Mismatch, false, "none of the configured secrets"},
		"everything at all": {[]string{strings.Repeat("=", 300)}, "\xff", signature.Malformed, false, "Character 1 of the signature is '='"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := newSet(t, "first", secret).Explain(c.header, []byte(c.body))
			if got.Cause != c.cause || got.Verified != (c.cause == "") {
				t.Errorf("Verified %v, Cause %q, want cause %q", got.Verified, got.Cause, c.cause)
			}
			if !strings.Contains(got.Detail, c.want) {
				t.Errorf("Detail is %q, want it to say %q", got.Detail, c.want)
			}
			if c.found && got.Fingerprint != fingerprint(secret) && name != "secret not set" || !c.found && got.Fingerprint != "" {
				t.Errorf("Fingerprint is %q", got.Fingerprint)
			}
			if strings.Contains(fmt.Sprintf("%+v", got), secret) {
				t.Errorf("the explanation shows the secret: %+v", got)
			}
		})
	}
}

func TestExplainSecretInBase64(t *testing.T) {
	got := newSet(t, "whsec_c2VjcmV0").Explain([]string{signature.Sign([]byte("secret"), []byte(body))}, []byte(body))
	if !strings.Contains(got.Detail, "in base64") {
		t.Errorf("Detail is %q", got.Detail)
	}
}
