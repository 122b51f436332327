package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/straw-gateway/straw/server/internal/hostname"
	"github.com/straw-gateway/straw/server/internal/signature"
)

// validate checks what parsing can't: values that depend on each other, and files.
func (c *Config) validate() error {
	return errors.Join(
		c.validateAddrs(),
		c.validateSecrets(),
		c.validateHosts(),
		c.validateAPIURL(),
		c.validateRetention(),
	)
}

func (c *Config) validateAddrs() error {
	addrs := []struct{ name, addr string }{{"webhook-addr", c.WebhookAddr}, {"grpc-addr", c.GRPCAddr}, {"http-addr", c.HTTPAddr}}
	var errs []error
	seen := map[string]string{}
	for _, a := range addrs {
		if err := checkAddr(a.addr); err != nil {
			errs = append(errs, fmt.Errorf("%s: %q %w", a.name, a.addr, err))
			continue
		}
		if other, taken := seen[a.addr]; taken && !strings.HasSuffix(a.addr, ":0") {
			errs = append(errs, fmt.Errorf("%s and %s are both %s; each needs a port of its own", other, a.name, a.addr))
		}
		seen[a.addr] = a.name
	}
	return errors.Join(errs...)
}

func checkAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return errors.New("isn't host:port, such as 127.0.0.1:9090 or :8080")
	}
	return checkPort(port)
}

func checkPort(port string) error {
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("has the port %q, which isn't a number from 0 to 65535", port)
	}
	return nil
}

// validateSecrets reads the secrets as the gateway will.
func (c *Config) validateSecrets() error {
	if len(c.WebhookSecrets) == 0 && c.WebhookSecretsFile == "" {
		return errors.New("there is no webhook secret, so no webhook could be verified: set STRAW_WEBHOOK_SECRET, --webhook-secrets-file " +
			"or --webhook-secret to the secret that was registered with Juicebox. To make a new one, run `openssl rand -hex 32`")
	}
	set, err := signature.Open(c.WebhookSecrets.Reveal(), c.WebhookSecretsFile, c.minSecret)
	if err != nil {
		return err
	}
	if weak := set.Weak(); len(weak) > 0 && c.minSecret > 0 {
		c.warnings = append(c.warnings, fmt.Sprintf("webhook secrets with the fingerprints %s have fewer than %d characters, and may be found out by trying; "+
			"replace them by longer ones, as from `openssl rand -hex 32`", strings.Join(weak, ", "), signature.GoodLength))
	}
	return nil
}

// MinSecret is how many characters a webhook secret must have, also when the file is read again.
func (c *Config) MinSecret() int { return c.minSecret }

func (c *Config) validateHosts() error {
	var errs []error
	for i, host := range c.ExportAllowHosts {
		if err := checkHost(host); err != nil {
			errs = append(errs, fmt.Errorf("export-allow-host: %q %w", host, err))
		}
		c.ExportAllowHosts[i] = strings.ToLower(host)
	}
	for _, named := range []struct {
		name  string
		hosts []string
	}{{"http-host", c.HTTPHosts}, {"allow-register-host", c.RegisterHosts}} {
		if _, err := hostname.NewSet(named.hosts...); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", named.name, err))
		}
	}
	return errors.Join(errs...)
}

func checkHost(host string) error {
	if host == "" || strings.ContainsAny(host, "/@*, \t") {
		return errors.New("isn't host or host:port, such as exports.example.com")
	}
	if !strings.Contains(host, ":") || net.ParseIP(strings.Trim(host, "[]")) != nil {
		return nil
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil || name == "" {
		return errors.New("isn't host or host:port, such as exports.example.com:8443")
	}
	return checkPort(port)
}

func (c *Config) validateAPIURL() error {
	u, err := url.Parse(c.JuiceboxAPIURL)
	if err != nil || u.Host == "" || !slices.Contains([]string{"https", "http"}, u.Scheme) || u.User != nil || u.RawQuery != "" {
		return fmt.Errorf("juicebox-api-url: %q isn't a URL such as https://api.juicebox.ai", c.JuiceboxAPIURL)
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("juicebox-api-url: %q would send the API key in the clear; use https", c.JuiceboxAPIURL)
	}
	c.JuiceboxAPIURL = strings.TrimRight(c.JuiceboxAPIURL, "/")
	return nil
}

// validateRetention holds the hard bounds above the others. A hard age that nobody set gives way.
func (c *Config) validateRetention() error {
	var errs []error
	if hard := c.RetentionHardAge; hard != 0 && (c.RetentionAge == 0 || c.RetentionAge > hard) {
		if c.sources["retention-hard-age"] == FromDefault {
			c.RetentionHardAge = c.RetentionAge
		} else {
			errs = append(errs, fmt.Errorf("retention-hard-age, %s, is less than retention-age, %s: events that are owed are kept longer than others, not shorter",
				formatDuration(hard), formatDuration(c.RetentionAge)))
		}
	}
	if soft, hard := c.RetentionBytes, c.RetentionHardBytes; hard != (Size{}) && soft != (Size{}) &&
		(soft.Bytes > hard.Bytes && hard.Percent == 0 && soft.Percent == 0 || soft.Percent > hard.Percent && hard.Percent > 0) {
		errs = append(errs, fmt.Errorf("retention-hard-bytes, %s, is less than retention-bytes, %s: events that are owed may take more space than others, not less", hard, soft))
	}
	return errors.Join(errs...)
}
