// Package config holds the gateway's settings: what they are called, where they may come from, and what may be in them. A
// flag counts over the environment, that over the config file, and that over the default.
//
// Each setting is documented once, at its field of Config; flags, environment, config file, `config show` and the reference
// all follow from there. The package opens nothing and starts nothing. It never prints a secret.
package config

import (
	"log/slog"
	"time"
)

// Config is the gateway's settings. The tags of a field are the setting's flag, which is also its key in the config file,
// its environment variables, of which the first that is set counts, its default, what kind of value it takes, and its
// description. Load fills it.
type Config struct {
	WebhookAddr string   `flag:"webhook-addr" env:"STRAW_WEBHOOK_ADDR" default:":8080" kind:"address" help:"Where webhooks arrive. Meant to face the internet: it serves nothing but them and /healthz."`
	GRPCAddr    string   `flag:"grpc-addr" env:"STRAW_GRPC_ADDR" default:"127.0.0.1:9090" kind:"address" help:"Where gRPC is served."`
	HTTPAddr    string   `flag:"http-addr" env:"STRAW_HTTP_ADDR" default:"127.0.0.1:9080" kind:"address" help:"Where REST, SSE, /openapi.json, /docs, /healthz, /readyz and /metrics are served."`
	HTTPHosts   []string `flag:"http-host" env:"STRAW_HTTP_HOST" kind:"host[:port]" help:"A name of the gateway that requests to http-addr may be for, besides localhost, IP addresses and the name in http-addr; others are answered with 421, for a web page can give its own name any address. Without a port, at every port."`

	WebhookSecrets     Secrets `flag:"webhook-secret" env:"STRAW_WEBHOOK_SECRET,JUICEBOX_WEBHOOK_SECRET" kind:"secret" help:"A secret that webhooks may be signed with, of 8 characters or more, better 16; several during a rotation. STRAW_WEBHOOK_SECRET is comma-separated, JUICEBOX_WEBHOOK_SECRET is one secret. Other users of the machine can see a command line: rather use the environment or the file."`
	WebhookSecretsFile string  `flag:"webhook-secrets-file" env:"STRAW_WEBHOOK_SECRETS_FILE" kind:"file" help:"A file with more of them, one a line, read again when it changes. Others must not be able to read it."`

	Store Store `flag:"store" env:"STRAW_STORE" default:"pebble:straw-data" kind:"pebble:DIR" help:"Where events are kept. While less than a tenth of its disk is free, at least 256 MiB and at most 1152 MiB, webhooks are answered with 503."`
	Blobs Blobs `flag:"blobs" env:"STRAW_BLOBS" default:"file:straw-data/exports" kind:"file:DIR|s3://BUCKET" help:"Where exports are kept: a folder, or s3://BUCKET?endpoint=HOST&region=NAME."`

	ExportAllowHosts []string `flag:"export-allow-host" env:"STRAW_EXPORT_ALLOW_HOST" kind:"host[:port]" help:"A host that exports may be downloaded from, besides those under juicebox.ai. Naming a host also permits plain http and a loopback address for it."`
	JuiceboxAPIKey   Secret   `flag:"juicebox-api-key" env:"JUICEBOX_API_KEY" kind:"secret" help:"The key for Juicebox's own API; only needed to register webhooks."`
	JuiceboxAPIURL   string   `flag:"juicebox-api-url" env:"STRAW_JUICEBOX_API_URL" default:"https://api.juicebox.ai" kind:"URL" help:"Where Juicebox's API is."`
	RegisterHosts    []string `flag:"allow-register-host" env:"STRAW_ALLOW_REGISTER_HOST" kind:"host[:port]" help:"A host that a webhook may be registered for with Juicebox, by straw webhook register or RegisterWebhook: what is registered gets the webhooks. Without a port, at every port."`

	RetentionAge       time.Duration `flag:"retention-age" env:"STRAW_RETENTION_AGE" default:"30d" kind:"duration" help:"How long events are kept, such as 30d or 12h; or unlimited."`
	RetentionBytes     Size          `flag:"retention-bytes" env:"STRAW_RETENTION_BYTES" default:"unlimited" kind:"size" help:"How much space events may take, such as 10GiB or 50% (of the disk); or unlimited."`
	RetentionHardAge   time.Duration `flag:"retention-hard-age" env:"STRAW_RETENTION_HARD_AGE" default:"90d" kind:"duration" help:"How long events are kept that a durable subscription still owes. By default not less than retention-age."`
	RetentionHardBytes Size          `flag:"retention-hard-bytes" env:"STRAW_RETENTION_HARD_BYTES" default:"80%" kind:"size" help:"How much space events may take that a durable subscription still owes."`

	MaxConnections           Count    `flag:"max-connections" env:"STRAW_MAX_CONNECTIONS" default:"auto" kind:"number" help:"How many connections each listener has at most. auto is computed from how many files the process may have open, of which the store gets its part first. On the webhook and HTTP ports the connection that has waited longest makes room for a new one."`
	MaxConnectionsPerAddress Count    `flag:"max-connections-per-address" env:"STRAW_MAX_CONNECTIONS_PER_ADDRESS" default:"auto" kind:"number" help:"How many of them may come from one IP address, or one /64 of IPv6. auto is a quarter of the listener's. Loopback addresses and trusted proxies are exempt."`
	TrustedProxies           Prefixes `flag:"trusted-proxy" env:"STRAW_TRUSTED_PROXY" kind:"IP|CIDR" help:"An address, or a network of addresses, of proxies that connect for many senders or subscribers. They are exempt from an address's share of connections and of memory, never from the whole."`

	LogLevel  slog.Level `flag:"log-level" env:"STRAW_LOG_LEVEL" default:"info" kind:"debug|info|warn|error" help:"What is logged, on standard error."`
	LogFormat LogFormat  `flag:"log-format" env:"STRAW_LOG_FORMAT" default:"text" kind:"text|json" help:"How it is written."`

	sources   map[string]Source // by flag
	warnings  []string
	minSecret int // characters
}

// A Source is where a setting's value came from.
type Source string

// The sources, the one that counts most first.
const (
	FromFlag    Source = "flag"
	FromEnv     Source = "environment"
	FromFile    Source = "file"
	FromDefault Source = "default"
)
