package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
)

// A Secret is a text that nothing prints: however it is formatted, logged or encoded, it shows as its fingerprint.
type Secret struct{ text string }

// NewSecret wraps a text.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the text, for the one place that needs it.
func (s Secret) Reveal() string { return s.text }

// IsZero tells whether there is no text.
func (s Secret) IsZero() bool { return s.text == "" }

// String returns `[redacted …]` with the first 12 hex digits of the text's SHA-256, which tell secrets apart and are what
// GetStatus shows.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	sum := sha256.Sum256([]byte(s.text))
	return "[redacted " + hex.EncodeToString(sum[:6]) + "]"
}

// Format makes every verb print String.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText makes encoders write String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue makes slog log String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Secrets are several, any of which may be right.
type Secrets []Secret

// Reveal returns the texts.
func (s Secrets) Reveal() []string {
	texts := make([]string, len(s))
	for i, secret := range s {
		texts[i] = secret.Reveal()
	}
	return texts
}
