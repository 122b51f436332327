package straw_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	straw "github.com/straw-gateway/straw/clients/go"
)

func TestVerifySignature(t *testing.T) {
	body := []byte(`{"id":"evt_1"}`)
	sign := func(secret string) string {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		return hex.EncodeToString(mac.Sum(nil))
	}
	good := sign("new")
	for _, tc := range []struct {
		name, header string
		secrets      []string
		ok           bool
	}{
		{"first secret", good, []string{"new", "old"}, true},
		{"second secret", sign("old"), []string{"new", "old"}, true},
		{"upper case", strings.ToUpper(good), []string{"new"}, true},
		{"prefix", "sha256=" + good, []string{"new"}, true},
		{"another secret", sign("other"), []string{"new", "old"}, false},
		{"no secret", good, nil, false},
		{"empty secret", sign(""), []string{""}, false},
		{"empty header", "", []string{"new"}, false},
		{"prefix alone", "sha256=", []string{"new"}, false},
		{"short", good[:62], []string{"new"}, false},
		{"odd", good[:63], []string{"new"}, false},
		{"long", good + "00", []string{"new"}, false},
		{"two joined", good + "," + good, []string{"new"}, false},
		{"not hex", strings.Repeat("z", 64), []string{"new"}, false},
		{"half", good[:32], []string{"new"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := straw.VerifySignature(body, tc.header, tc.secrets...); (err == nil) != tc.ok {
				t.Errorf("got %v, want ok %v", err, tc.ok)
			}
		})
	}
}

// RFC 4231, test case 2.
func TestVerifySignatureKnownAnswer(t *testing.T) {
	const mac = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
	if err := straw.VerifySignature([]byte("what do ya want for nothing?"), mac, "Jefe"); err != nil {
		t.Error(err)
	}
}

// A secret that was forgotten is told at the first webhook, and not at the first forged one.
func TestEmptySecretIsAnError(t *testing.T) {
	for _, secrets := range [][]string{{""}, {"new", ""}} {
		if err := straw.VerifySignature([]byte("{}"), "", secrets...); err != straw.ErrEmptySecret {
			t.Errorf("with %q: %v", secrets, err)
		}
	}
}
