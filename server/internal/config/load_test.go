package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// samples has, for each setting, what it is set to from each place in turn; no two alike.
var samples = map[string][3]string{
	"webhook-addr":                {":1", ":2", ":3"},
	"grpc-addr":                   {"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:4"},
	"http-addr":                   {"127.0.0.2:1", "127.0.0.2:2", "127.0.0.2:3"},
	"webhook-secret":              {"the-first-secret-of-all", "the-second-secret-of-all", "the-third-secret-of-all"},
	"webhook-secrets-file":        {"SECRETS1", "SECRETS2", "SECRETS3"}, // of files that the test makes
	"store":                       {"pebble:a", "pebble:b", "pebble:c"},
	"blobs":                       {"file:a", "s3://bucket?endpoint=minio%3A9000", "s3://bucket?region=eu-1"},
	"http-host":                   {"a.example", "b.example:8443", "c.example"},
	"allow-register-host":         {"d.example", "e.example:8443", "f.example"},
	"export-allow-host":           {"a.example", "b.example:8443", "[::1]:9000"},
	"juicebox-api-key":            {"key1", "key2", "key3"},
	"juicebox-api-url":            {"https://a.example", "http://127.0.0.1:1", "http://localhost:2"},
	"retention-age":               {"10d", "12h", "unlimited"},
	"retention-bytes":             {"10GiB", "25%", "1500MB"},
	"retention-hard-age":          {"100d", "90d12h0m0s", "unlimited"},
	"retention-hard-bytes":        {"64TiB", "90.5%", "unlimited"},
	"log-level":                   {"debug", "warn", "error"},
	"log-format":                  {"json", "text", "json"},
	"max-connections":             {"100", "2000", "auto"},
	"max-connections-per-address": {"7", "auto", "1000000"},
	"trusted-proxy":               {"10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"},
}

func input(t *testing.T, args, environ []string) Input {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return Input{Flags: flags, Environ: environ}
}

// write makes a file that only its owner can read.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Every setting can be set from every place, to the same effect, and the places count in their order.
func TestPlacesAreEqual(t *testing.T) {
	for _, f := range Fields() {
		t.Run(f.Name, func(t *testing.T) {
			values, found := samples[f.Name]
			if !found {
				t.Fatal("the setting has no sample; add one")
			}
			if f.Name == "webhook-secrets-file" {
				for i, name := range values {
					values[i] = write(t, name, "of-the-file\n")
				}
			}
			yamlFile := func(v string) []string { return []string{"--config", write(t, "straw.yaml", f.Name+": '"+v+"'\n")} }
			flag := func(v string) []string { return []string{"--" + f.Name, v} }
			variable := func(v string) string { return f.Env[0] + "=" + v }
			for _, v := range values {
				fromFlag := field(t, f, flag(v), nil)
				for place, got := range map[Source]Setting{
					FromEnv:  field(t, f, nil, []string{variable(v)}),
					FromFile: field(t, f, yamlFile(v), nil),
				} {
					if got.Source != place {
						t.Errorf("%s from the %s is said to be from the %s", v, place, got.Source)
					}
					if diff := cmp.Diff(fromFlag.Values, got.Values); diff != "" {
						t.Errorf("%s from the flag and from the %s differ:\n%s", v, place, diff)
					}
				}
			}
			all := append(yamlFile(values[2]), flag(values[0])...)
			if got, want := field(t, f, all, []string{variable(values[1])}), field(t, f, flag(values[0]), nil); !cmp.Equal(got, want) {
				t.Errorf("the flag doesn't count over the others: %v, want %v", got, want)
			}
			if got, want := field(t, f, yamlFile(values[2]), []string{variable(values[1])}), field(t, f, nil, []string{variable(values[1])}); !cmp.Equal(got, want) {
				t.Errorf("the environment doesn't count over the file: %v, want %v", got, want)
			}
		})
	}
}

// field loads one setting; where it isn't a secret it must show as a text that sets it so.
func field(t *testing.T, f Field, args, environ []string) Setting {
	t.Helper()
	if f.Name != "webhook-secret" {
		environ = append(environ, "JUICEBOX_WEBHOOK_SECRET=needed-and-long-enough")
	}
	c, err := Load(input(t, args, environ))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Settings() {
		if s.Name == f.Name {
			if len(s.Values) != 1 {
				t.Fatalf("%v shows as %q", append(args, environ...), s.Values)
			}
			return s
		}
	}
	t.Fatalf("%s isn't listed", f.Name)
	return Setting{}
}

// What `config show` prints sets the same.
func TestShownValuesRoundTrip(t *testing.T) {
	for _, f := range Fields() {
		if f.Secret || f.Name == "webhook-secrets-file" {
			continue
		}
		for _, v := range append([]string{f.Default}, samples[f.Name][0], samples[f.Name][1], samples[f.Name][2]) {
			if v == "" {
				continue
			}
			once := field(t, f, []string{"--" + f.Name, v}, nil)
			again := field(t, f, []string{"--" + f.Name, once.Values[0]}, nil)
			if !cmp.Equal(once, again) {
				t.Errorf("--%s %s shows as %q, which shows as %q", f.Name, v, once.Values, again.Values)
			}
		}
	}
}

func TestDefaults(t *testing.T) {
	c, err := Load(input(t, nil, []string{"JUICEBOX_WEBHOOK_SECRET=aaaaaaaa,bbbbbbbb"}))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Settings() {
		f, _ := fieldNamed(s.Name)
		switch {
		case s.Name == "webhook-secret":
		case s.Source != FromDefault, f.Default == "" && len(s.Values) > 0, f.Default != "" && (len(s.Values) != 1 || s.Values[0] != f.Default):
			t.Errorf("%s is %q from the %s, want %q", s.Name, s.Values, s.Source, f.Default)
		}
	}
	if got := c.WebhookSecrets.Reveal(); !cmp.Equal(got, []string{"aaaaaaaa,bbbbbbbb"}) {
		t.Errorf("JUICEBOX_WEBHOOK_SECRET is one secret; got %q", got)
	}
	if c.RetentionAge != 30*24*time.Hour || c.RetentionHardAge != 90*24*time.Hour || c.RetentionBytes.Of(1000) != 0 || c.RetentionHardBytes.Of(1000) != 800 {
		t.Errorf("retention is %v, %v, %v, %v", c.RetentionAge, c.RetentionHardAge, c.RetentionBytes, c.RetentionHardBytes)
	}
}

func TestInputDefaults(t *testing.T) {
	in := input(t, []string{"--http-addr", ":7"}, []string{"STRAW_WEBHOOK_SECRET=long-enough-to-pass"})
	in.Defaults = map[string]string{"webhook-addr": "127.0.0.1:8080", "http-addr": ":8"}
	c, err := Load(in)
	if err != nil || c.WebhookAddr != "127.0.0.1:8080" || c.HTTPAddr != ":7" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestLists(t *testing.T) {
	for name, in := range map[string]Input{
		"flags":       input(t, []string{"--webhook-secret", "aaaaaaaa", "--webhook-secret", "bbbbbbbb,c"}, nil),
		"environment": input(t, nil, []string{"STRAW_WEBHOOK_SECRET=aaaaaaaa,bbbbbbbb", "JUICEBOX_WEBHOOK_SECRET=not counted"}),
		"file":        input(t, []string{"--config", write(t, "c.yaml", "webhook-secret: [aaaaaaaa, 'bbbbbbbb']\nexport-allow-host:\n  - A.example\n")}, nil),
	} {
		want := map[string][]string{"flags": {"aaaaaaaa", "bbbbbbbb,c"}, "environment": {"aaaaaaaa", "bbbbbbbb"}, "file": {"aaaaaaaa", "bbbbbbbb"}}[name]
		c, err := Load(in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := c.WebhookSecrets.Reveal(); !cmp.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		} else if name == "file" && !cmp.Equal(c.ExportAllowHosts, []string{"a.example"}) {
			t.Errorf("hosts: %q", c.ExportAllowHosts)
		}
	}
}

func TestConfigFileByEnvironment(t *testing.T) {
	path := write(t, "c.yaml", "webhook-secret: long-enough-to-pass\nretention-bytes: 4096\n")
	c, err := Load(input(t, nil, []string{"STRAW_CONFIG=" + path}))
	if err != nil || c.RetentionBytes.Bytes != 4096 {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestHardAgeGivesWayUnlessSet(t *testing.T) {
	for age, want := range map[string]time.Duration{"120d": 120 * 24 * time.Hour, "unlimited": 0} {
		c, err := Load(input(t, []string{"--retention-age", age, "--webhook-secret", "long-enough-to-pass"}, nil))
		if err != nil || c.RetentionHardAge != want {
			t.Errorf("with retention-age %s: %v, %v", age, c.RetentionHardAge, err)
		}
	}
}

func TestLoadSecrets(t *testing.T) {
	// What is wrong with other settings is not this command's business.
	c, err := LoadSecrets(input(t, []string{"--webhook-secret", "s"}, []string{"STRAW_STORE=nonsense", "STRAW_NONSENSE=1"}))
	if err != nil || !cmp.Equal(c.WebhookSecrets.Reveal(), []string{"s"}) {
		t.Errorf("got %v, %v", c, err)
	}
	if _, err := LoadSecrets(input(t, nil, nil)); err == nil || !strings.Contains(err.Error(), "openssl rand -hex 32") {
		t.Errorf("without a secret: %v", err)
	}
}
