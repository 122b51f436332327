package signature_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/straw-gateway/straw/server/internal/signature"
)

const body = `{"id":"evt_1","type":"export.ready","data":{"export_id":"exp_1"}}`

func newSet(t testing.TB, secrets ...string) *signature.Set {
	t.Helper()
	s, err := signature.NewSet(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fingerprint is computed from the contract's words, not with the package.
func fingerprint(secret string) string {
	digest := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(digest[:])[:12]
}

// RFC 4231, test case 2.
func TestSignKnownAnswer(t *testing.T) {
	got := signature.Sign([]byte("Jefe"), []byte("what do ya want for nothing?"))
	if want := "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"; got != want {
		t.Errorf("Sign = %s, want %s", got, want)
	}
}

func TestVerify(t *testing.T) {
	good := signature.Sign([]byte("second"), []byte(body))
	other := signature.Sign([]byte("fourth"), []byte(body))
	cases := map[string]struct {
		header []string
		want   error
	}{
		"bare":                   {[]string{good}, nil},
		"upper case":             {[]string{strings.ToUpper(good)}, nil},
		"prefixed":               {[]string{"sha256=" + good}, nil},
		"prefixed, upper case":   {[]string{"sha256=" + strings.ToUpper(good)}, nil},
		"none":                   {nil, signature.Missing},
		"empty":                  {[]string{""}, signature.Missing},
		"twice the same":         {[]string{good, good}, signature.Repeated},
		"joined by a comma":      {[]string{good + "," + good}, signature.Repeated},
		"joined by comma, space": {[]string{good + ", " + good}, signature.Repeated},
		"only a comma":           {[]string{","}, signature.Repeated},
		"a digit short":          {[]string{good[1:]}, signature.Malformed},
		"a digit long":           {[]string{good + "0"}, signature.Malformed},
		"not hex":                {[]string{"g" + good[1:]}, signature.Malformed},
		"not hex at the end":     {[]string{good[:63] + "\xff"}, signature.Malformed},
		"only the prefix":        {[]string{"sha256="}, signature.Malformed},
		"the prefix twice":       {[]string{"sha256=sha256=" + good}, signature.Malformed},
		"another prefix":         {[]string{"sha512=" + good}, signature.Malformed},
		"space around":           {[]string{" " + good}, signature.Malformed},
		"10 KB":                  {[]string{strings.Repeat("a", 10<<10)}, signature.Malformed},
		"zeros":                  {[]string{strings.Repeat("0", 64)}, signature.Mismatch},
		"another secret's":       {[]string{other}, signature.Mismatch},
		"another body's":         {[]string{signature.Sign([]byte("second"), []byte(body+"\n"))}, signature.Mismatch},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := newSet(t, "first", "second", "third").Verify(c.header, []byte(body))
			if err != c.want {
				t.Fatalf("Verify: error %v, want %v", err, c.want)
			}
			if want := fingerprint("second"); err == nil && got != want {
				t.Errorf("Verify = %s, want %s", got, want)
			}
			if err != nil && got != "" {
				t.Errorf("Verify = %q with an error", got)
			}
		})
	}
}

// TestEveryByteCounts: a signature that is off by one digit, wherever that is, verifies nothing.
func TestEveryByteCounts(t *testing.T) {
	set := newSet(t, "first", "second", "third")
	good := []byte(signature.Sign([]byte("second"), []byte(body)))
	for i, digit := range good {
		off := slices.Clone(good)
		if off[i]++; digit == '9' || digit == 'f' {
			off[i] = '0'
		}
		if _, err := set.Verify([]string{string(off)}, []byte(body)); err != signature.Mismatch {
			t.Errorf("digit %d changed from %c to %c: %v", i, digit, off[i], err)
		}
	}
}

// Every secret of a set counts, at whatever place and of whatever length.
func TestVerifyEverySecret(t *testing.T) {
	var secrets []string
	for i := range signature.MaxSecrets {
		secrets = append(secrets, strings.Repeat(fmt.Sprintf("s%d.", i), i*i+1))
	}
	s := newSet(t, secrets...)
	for _, secret := range secrets {
		for range 3 { // the first use of a secret runs other code than later ones
			got, err := s.Verify([]string{signature.Sign([]byte(secret), []byte(body))}, []byte(body))
			if err != nil || got != fingerprint(secret) {
				t.Fatalf("Verify = %q, %v; want %q", got, err, fingerprint(secret))
			}
		}
	}
}

func TestCauses(t *testing.T) {
	for _, cause := range signature.Causes() {
		if got, ok := errors.AsType[signature.Cause](fmt.Errorf("wrapped: %w", cause)); !ok || got != cause {
			t.Errorf("a wrapped %q is %q", cause, got)
		}
		if cause.Error() == "" || strings.ContainsFunc(cause.Error(), func(r rune) bool { return r < 'a' || r > 'z' }) {
			t.Errorf("%q is no plain label", cause)
		}
	}
}

func TestNewSetRefuses(t *testing.T) {
	many := make([]string, signature.MaxSecrets+1)
	for i := range many {
		many[i] = fmt.Sprint("secret-", i)
	}
	for name, c := range map[string]struct {
		secrets []string
		want    string
	}{
		"none":              {nil, "there is no webhook secret; give at least one"},
		"empty":             {[]string{"good", ""}, "webhook secret 2 is empty"},
		"blank":             {[]string{" \t"}, "webhook secret 1 is nothing but white space"},
		"space at the end":  {[]string{"secret "}, "webhook secret 1 begins or ends with white space; remove it"},
		"newline":           {[]string{"secret\n"}, "webhook secret 1 begins or ends with white space; remove it"},
		"control character": {[]string{"sec\x00ret"}, "webhook secret 1 has a control character in it"},
		"too many":          {many, "there are 17 webhook secrets; at most 16 are allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := signature.NewSet(c.secrets)
			if err == nil || err.Error() != c.want {
				t.Errorf("NewSet: error %v, want %s", err, c.want)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	s := newSet(t, "new", "old", "new")
	want := []signature.Status{{Fingerprint: fingerprint("new")}, {Fingerprint: fingerprint("old")}}
	if diff := cmp.Diff(want, s.Status()); diff != "" {
		t.Errorf("before any use (-want +got):\n%s", diff)
	}
	if secret, fingerprint := s.First(); secret != "new" || fingerprint != s.Status()[0].Fingerprint {
		t.Errorf("First = %q, %q", secret, fingerprint)
	}

	before := time.Now().Truncate(time.Second)
	if _, err := s.Verify([]string{signature.Sign([]byte("old"), []byte(body))}, []byte(body)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify([]string{strings.Repeat("0", 64)}, []byte(body)); err != signature.Mismatch {
		t.Fatal(err)
	}
	got := s.Status()
	if !got[0].LastUsed.IsZero() {
		t.Errorf("the unused secret was last used %v", got[0].LastUsed)
	}
	if used := got[1].LastUsed; used.Before(before) || used.After(time.Now()) {
		t.Errorf("the used secret was last used %v, not now", used)
	}
}

// FuzzVerify holds Verify to a computation that shares nothing with it but the standard library.
func FuzzVerify(f *testing.F) {
	good := signature.Sign([]byte("one"), []byte(body))
	f.Add(good, "", 1, []byte(body))
	f.Add("sha256="+strings.ToUpper(good), "", 1, []byte(body))
	f.Add(good+","+good, "", 1, []byte(body))
	f.Add(good, good, 2, []byte(body))
	f.Add("", "", 0, []byte{})
	f.Add("zz", "", 1, []byte{0xff})
	secrets := []string{"one", "two"}
	s := newSet(f, secrets...)
	f.Fuzz(func(t *testing.T, first, second string, n int, body []byte) {
		header := []string{first, second}[:max(0, min(n, 2))]
		got, err := s.Verify(header, body)
		want := ""
		for _, secret := range secrets {
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write(body)
			expected := hex.EncodeToString(mac.Sum(nil))
			if len(header) == 1 && strings.ToLower(strings.TrimPrefix(first, "sha256=")) == expected {
				want = fingerprint(secret)
			}
		}
		if got != want || (err == nil) != (want != "") {
			t.Fatalf("Verify(%q) = %q, %v; want %q", header, got, err, want)
		}
		e := s.Explain(header, body)
		if e.Verified != (err == nil) || e.Detail == "" || (err != nil && e.Cause != err) {
			t.Fatalf("Explain(%q) = %+v, and Verify says %v", header, e, err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	payload := []byte(strings.Repeat("x", 2700))
	for _, n := range []int{1, 2, 16} {
		secrets := make([]string, n)
		for i := range secrets {
			secrets[i] = fmt.Sprint("whsec_0123456789abcdef", i)
		}
		s := newSet(b, secrets...)
		header := []string{signature.Sign([]byte(secrets[0]), payload)}
		b.Run(fmt.Sprintf("secrets=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				if _, err := s.Verify(header, payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
