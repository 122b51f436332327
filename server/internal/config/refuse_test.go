package config

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each thing that is refused, and what is said about it.
func TestRefusals(t *testing.T) {
	const secret = "STRAW_WEBHOOK_SECRET=hunter2-hunter2-x"
	for _, tc := range []struct {
		name    string
		args    []string
		environ []string
		yaml    string // the config file, unless empty
		want    string // in the error; lines of it in any order
	}{
		{name: "no secret", want: "there is no webhook secret"},
		{name: "empty variable", environ: []string{"STRAW_WEBHOOK_SECRET="}, want: "webhook secret 1 is empty"},
		{name: "empty in a list", environ: []string{"STRAW_WEBHOOK_SECRET=long-enough-to-pass,,b"}, want: "webhook secret 2 is empty"},
		{name: "empty flag", args: []string{"--webhook-secret="}, want: "webhook secret 1 is empty"},
		{name: "misspelled variable", environ: []string{secret, "STRAW_WEBHOOK_ADR=:1"}, want: "STRAW_WEBHOOK_ADR is set, but there is no such setting; did you mean STRAW_WEBHOOK_ADDR?"},
		{name: "variable in the plural", environ: []string{secret, "STRAW_WEBHOOK_SECRETS=a"}, want: "did you mean STRAW_WEBHOOK_SECRET?"},
		{name: "misspelled key", environ: []string{secret}, yaml: "retention_agee: 1d", want: `straw.yaml has the key "retention_agee", but there is no such setting; the nearest is retention-age`},
		{name: "nested key", environ: []string{secret}, yaml: "log-level:\n  all: debug", want: "log-level in straw.yaml has keys below it"},
		{name: "number for a secret", yaml: "webhook-secret: 0123", want: "webhook-secret in straw.yaml isn't text; put it in quotes"},
		{name: "no value", environ: []string{secret}, yaml: "store:", want: "store in straw.yaml has no value"},
		{name: "truth value", environ: []string{secret}, yaml: "store: true", want: "store in straw.yaml isn't text"},
		{name: "several values", environ: []string{secret}, yaml: "store: [a, b]", want: "takes one value and was given 2"},
		{name: "key twice", environ: []string{secret}, yaml: "store: pebble:a\nstore: pebble:b", want: "each there once"},
		{name: "no mapping", environ: []string{secret}, yaml: "hunter2-hunter2-x", want: "it isn't a list of settings"},
		{name: "no YAML", environ: []string{secret}, yaml: "a: [", want: "config file straw.yaml: yaml:"},
		{name: "no file", args: []string{"--config", "missing.yaml"}, environ: []string{secret}, want: "config file missing.yaml: no such file"},
		{name: "address without a port", args: []string{"--grpc-addr", "localhost"}, environ: []string{secret}, want: `grpc-addr: "localhost" isn't host:port`},
		{name: "address with a name for a port", args: []string{"--grpc-addr", ":http"}, environ: []string{secret}, want: `has the port "http"`},
		{name: "one address twice", args: []string{"--grpc-addr", ":1", "--http-addr", ":1"}, environ: []string{secret}, want: "grpc-addr and http-addr are both :1"},
		{name: "no number", args: []string{"--max-connections", "many"}, environ: []string{secret}, want: `--max-connections: "many" isn't a number from 1 to`},
		{name: "no connections", args: []string{"--max-connections", "0"}, environ: []string{secret}, want: "isn't a number from 1 to"},
		{name: "fewer than none", args: []string{"--max-connections-per-address=-1"}, environ: []string{secret}, want: "isn't a number from 1 to"},
		{name: "a name for a proxy", args: []string{"--trusted-proxy", "proxy.example"}, environ: []string{secret}, want: `--trusted-proxy: "proxy.example" isn't an IP address or a network such as 10.0.0.0/8`},
		{name: "one of two proxies", environ: []string{secret, "STRAW_TRUSTED_PROXY=10.0.0.1,10.0.0.1/33"}, want: `STRAW_TRUSTED_PROXY has "10.0.0.1/33", which isn't an IP address`},
		{name: "cluster", args: []string{"--store", "nats://a:4222"}, environ: []string{secret}, want: "which is not available in this version"},
		{name: "other store", environ: []string{secret, "STRAW_STORE=/data"}, want: `STRAW_STORE: "/data" isn't a store; use pebble:DIR`},
		{name: "store without a folder", args: []string{"--store", "pebble:"}, environ: []string{secret}, want: "names no folder"},
		{name: "other blobs", args: []string{"--blobs", "gs://b"}, environ: []string{secret}, want: "isn't a place for exports"},
		{name: "blobs without a folder", args: []string{"--blobs", "file:"}, environ: []string{secret}, want: "names no folder"},
		{name: "no bucket", args: []string{"--blobs", "s3://"}, environ: []string{secret}, want: "names no bucket"},
		{name: "credentials in a bucket", args: []string{"--blobs", "s3://user:hunter2-hunter2-x@bucket"}, environ: []string{secret}, want: "AWS_ACCESS_KEY_ID"},
		{name: "path in a bucket", args: []string{"--blobs", "s3://bucket/a"}, environ: []string{secret}, want: "has a path"},
		{name: "parameter of a bucket", args: []string{"--blobs", "s3://bucket?endpiont=a"}, environ: []string{secret}, want: `unknown parameter "endpiont"`},
		{name: "URL for a host", args: []string{"--export-allow-host", "https://a"}, environ: []string{secret}, want: "isn't host or host:port"},
		{name: "URL for a name", args: []string{"--http-host", "https://a"}, environ: []string{secret}, want: `http-host: "https://a" isn't host or host:port`},
		{name: "pattern for a host", args: []string{"--allow-register-host", "*.a.example"}, environ: []string{secret}, want: `allow-register-host: "*.a.example" isn't`},
		{name: "port of a host", args: []string{"--export-allow-host", "a:99999"}, environ: []string{secret}, want: `has the port "99999"`},
		{name: "API in the clear", args: []string{"--juicebox-api-url", "http://api.juicebox.ai"}, environ: []string{secret}, want: "in the clear"},
		{name: "no URL", args: []string{"--juicebox-api-url", "api.juicebox.ai"}, environ: []string{secret}, want: "isn't a URL"},
		{name: "no duration", args: []string{"--retention-age", "30"}, environ: []string{secret}, want: `--retention-age: "30" isn't a duration such as 30d`},
		{name: "negative duration", args: []string{"--retention-age", "-3h"}, environ: []string{secret}, want: "isn't a duration"},
		{name: "fraction of a day", args: []string{"--retention-age", "1.5d"}, environ: []string{secret}, want: "isn't a duration"},
		{name: "endless duration", args: []string{"--retention-age", "65535w65535d2562047h"}, environ: []string{secret}, want: "isn't a duration"},
		{name: "zero duration", args: []string{"--retention-age", "0d"}, environ: []string{secret}, want: "write unlimited"},
		{name: "no size", args: []string{"--retention-bytes", "ten"}, environ: []string{secret}, want: "isn't a size such as 10GiB"},
		{name: "too large a size", args: []string{"--retention-bytes", "9000000000TiB"}, environ: []string{secret}, want: "isn't a size"},
		{name: "zero size", args: []string{"--retention-bytes", "0"}, environ: []string{secret}, want: "write unlimited"},
		{name: "too large a share", args: []string{"--retention-bytes", "101%"}, environ: []string{secret}, want: "between 0% and 100%"},
		{name: "hard age below age", args: []string{"--retention-hard-age", "1d"}, environ: []string{secret}, want: "retention-hard-age, 1d, is less than retention-age, 30d"},
		{name: "hard size below size", args: []string{"--retention-hard-bytes", "1GiB", "--retention-bytes", "2GiB"}, environ: []string{secret}, want: "is less than retention-bytes"},
		{name: "log level", args: []string{"--log-level", "INFO+1"}, environ: []string{secret}, want: "is none of debug, info, warn and error"},
		{name: "log format", args: []string{"--log-format", "xml"}, environ: []string{secret}, want: "neither text nor json"},
		{name: "all at once", args: []string{"--log-format", "xml", "--store", "x"}, environ: []string{secret}, want: "isn't a store"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if tc.yaml != "" {
				if err := os.WriteFile("straw.yaml", []byte(tc.yaml), 0o600); err != nil {
					t.Fatal(err)
				}
				tc.args = append(tc.args, "--config", "straw.yaml")
			}
			_, err := Load(input(t, tc.args, tc.environ))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v\nwant %s", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2-hunter2-x") && !strings.Contains(tc.name, "credentials") {
				t.Errorf("the error gives the secret away: %v", err)
			}
		})
	}
}

func TestOtherVariablesAreWarnedOf(t *testing.T) {
	c, err := Load(input(t, nil, []string{"STRAW_WEBHOOK_SECRET=long-enough-to-pass", "STRAW_CRASH_ROUNDS=7", "CRASH_ROUNDS=7"}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"STRAW_CRASH_ROUNDS is set, but there is no such setting"}
	if diff := cmp.Diff(want, c.Warnings()); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestKubernetesVariablesAreNoSettings(t *testing.T) {
	c, err := Load(input(t, nil, []string{
		"STRAW_WEBHOOK_SECRET=long-enough-to-pass", "STRAW_SERVICE_HOST=10.0.0.1", "STRAW_SERVICE_PORT=9090", "STRAW_SERVICE_PORT_GRPC=9090",
		"STRAW_PORT=tcp://10.0.0.1:9090", "STRAW_PORT_9090_TCP=tcp://10.0.0.1:9090", "STRAW_PORT_9090_TCP_ADDR=10.0.0.1",
		"STRAW_WEBHOOK_SERVICE_HOST=10.0.0.2", "STRAW_WEBHOOK_PORT_8080_TCP_PORT=8080", "STRAW_ADDR=gateway:9090",
	}))
	if err != nil || len(c.Warnings()) > 0 {
		t.Error(c, err)
	}
}

func TestFilesWithSecretsMustBePrivate(t *testing.T) {
	secrets := write(t, "secrets", "hunter2-hunter2-x\n")
	withSecret := write(t, "straw.yaml", "webhook-secret: hunter2-hunter2-x\n")
	without := write(t, "straw.yaml", "log-level: debug\n")
	load := func(args ...string) error {
		_, err := Load(input(t, args, nil))
		return err
	}
	for _, tc := range []struct {
		path string
		mode os.FileMode
		args []string
		want string
	}{
		{secrets, 0o640, []string{"--webhook-secrets-file", secrets}, ""},
		{secrets, 0o644, []string{"--webhook-secrets-file", secrets}, "(mode 0644): run `chmod g-w,o= " + secrets + "`"},
		{secrets, 0o602, []string{"--webhook-secrets-file", secrets}, "(mode 0602)"},
		{secrets, 0o660, []string{"--webhook-secrets-file", secrets}, "(mode 0660)"},
		{withSecret, 0o620, []string{"--config", withSecret}, "(mode 0620)"},
		{withSecret, 0o600, []string{"--config", withSecret}, ""},
		{withSecret, 0o604, []string{"--config", withSecret}, "(mode 0604): run `chmod g-w,o= " + withSecret + "`"},
		{without, 0o644, []string{"--config", without, "--webhook-secret", "long-enough-to-pass"}, ""},
	} {
		if err := os.Chmod(tc.path, tc.mode); err != nil {
			t.Fatal(err)
		}
		err := load(tc.args...)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%v with mode %04o: got %v, want %q", tc.args, tc.mode, err, tc.want)
		}
	}
	if err := load("--webhook-secrets-file", secrets+"x"); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a missing file: %v", err)
	}
	if err := load("--webhook-secrets-file", write(t, "empty", "\n")); err == nil || !strings.Contains(err.Error(), "holds no secret") {
		t.Errorf("an empty file: %v", err)
	}
}

// A secret can't be printed by mistake.
func TestSecretsAreRedacted(t *testing.T) {
	c, err := Load(input(t, []string{"--webhook-secret", "hunter2-hunter2-x", "--juicebox-api-key", "hunter2-hunter2-x"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", c.JuiceboxAPIKey, "config", c, "secrets", c.WebhookSecrets)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", c.JuiceboxAPIKey, "config", *c, "secrets", c.WebhookSecrets)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&log, verb+" "+verb+"\n", c, c.WebhookSecrets)
	}
	for _, hidden := range []string{"hunter2-hunter2-x", "68756e74657232", "[104 117"} {
		if strings.Contains(log.String(), hidden) {
			t.Errorf("%q is in:\n%s", hidden, log.String())
		}
	}
	settings := c.Settings()
	shown := settings[slices.IndexFunc(settings, func(s Setting) bool { return s.Name == "webhook-secret" })]
	if want := "[redacted 3b49c22dab58]"; !strings.Contains(log.String(), want) || shown.Values[0] != want {
		t.Errorf("%s is not in:\n%s\nnor in %v", want, log.String(), shown)
	}
}

// TestWeakSecrets refuses secrets that are soon found out, from wherever they come, and warns of those that may be.
func TestWeakSecrets(t *testing.T) {
	for length, want := range map[int]struct{ refused, warned bool }{1: {true, false}, 7: {true, false}, 8: {false, true}, 15: {false, true}, 16: {false, false}} {
		secret := strings.Repeat("é", length)
		file := write(t, "secrets", secret+"\n")
		for place, in := range map[string]Input{
			"flag":        input(t, []string{"--webhook-secret", secret}, nil),
			"environment": input(t, nil, []string{"STRAW_WEBHOOK_SECRET=" + secret}),
			"its other":   input(t, nil, []string{"JUICEBOX_WEBHOOK_SECRET=" + secret}),
			"config file": input(t, []string{"--config", write(t, "straw.yaml", "webhook-secret: "+secret+"\n")}, nil),
			"file":        input(t, []string{"--webhook-secrets-file", file}, nil),
		} {
			c, err := Load(in)
			if refused := err != nil && strings.Contains(err.Error(), "can be found out by trying; it must have 8"); refused != want.refused || (err != nil) != refused {
				t.Errorf("%d characters in the %s: %v", length, place, err)
			}
			if err != nil && strings.Contains(err.Error(), secret+" ") {
				t.Errorf("the error gives the secret away: %v", err)
			}
			if err == nil && strings.Contains(strings.Join(c.Warnings(), "\n"), "fewer than 16 characters") != want.warned {
				t.Errorf("%d characters in the %s: the warnings are %q", length, place, c.Warnings())
			}
			in.AnySecret = true
			if c, err := Load(in); err != nil || len(c.Warnings()) > 0 || c.MinSecret() != 0 {
				t.Errorf("%d characters in the %s, to try things: %v", length, place, err)
			}
		}
	}
}
