package rest

import (
	"html"
	"html/template"
	"net/http"
	"strings"
)

// pathExamples are values for the parameters in paths.
var pathExamples = map[string]map[string]string{
	"/v1/events/{id}":                                          {"id": "evt_1"},
	"/v1/exports/{id}":                                         {"id": "exp_1"},
	"/v1/exports/{id}:refetch":                                 {"id": "exp_1"},
	"/v1/exports/{id}:download":                                {"id": "exp_1"},
	"/v1/subscriptions/{id}":                                   {"id": "billing"},
	"/v1/subscriptions/{subscription.id}":                      {"subscription.id": "billing"},
	"/v1/subscriptions/{subscriptionId}:acknowledge":           {"subscriptionId": "billing"},
	"/v1/subscriptions/{subscriptionId}:nack":                  {"subscriptionId": "billing"},
	"/v1/subscriptions/{subscriptionId}:extendDeadline":        {"subscriptionId": "billing"},
	"/v1/subscriptions/{subscriptionId}:seek":                  {"subscriptionId": "billing"},
	"/v1/subscriptions/{subscriptionId}/deadLetters":           {"subscriptionId": "billing"},
	"/v1/subscriptions/{subscriptionId}/deadLetters:redeliver": {"subscriptionId": "billing"},
	"/v1/subscriptions/{subscriptionId}/deadLetters:purge":     {"subscriptionId": "billing"},
}

// bodyExamples are bodies, by operation.
var bodyExamples = map[string]string{
	"Subscribe2":           `{"types": ["export.*"], "startPosition": "EARLIEST"}`,
	"CreateSubscription":   `{"id": "billing", "types": ["quota.warning"], "ackDeadline": "60s"}`,
	"UpdateSubscription":   `{"paused": true}`,
	"Acknowledge":          `{"ackIds": ["ACK_ID"]}`,
	"Nack":                 `{"ackIds": ["ACK_ID"], "retryDelay": "30s", "reason": "the invoice is locked"}`,
	"ExtendDeadline":       `{"ackIds": ["ACK_ID"]}`,
	"SeekSubscription":     `{"startTime": "2026-11-01T00:00:00Z", "dryRun": true}`,
	"RedeliverDeadLetters": `{"all": true, "dryRun": true}`,
	"PurgeDeadLetters":     `{"eventIds": ["evt_1"]}`,
	"RefetchExport":        `{}`,
	"RegisterWebhook":      `{"url": "https://hooks.example.com/webhooks/juicebox", "types": ["export.ready"]}`,
}

// queryExamples are queries that show what an operation is for, by operation.
var queryExamples = map[string]string{
	"Subscribe":  "?types=export.ready&startPosition=EARLIEST",
	"ListEvents": "?types=search.alert&pageSize=10",
}

// curl is an operation as a command. The page's script puts its own origin in place of the default one.
func curl(op *operation) template.HTML {
	var b strings.Builder
	b.WriteString("curl ")
	if streams(op) {
		b.WriteString("-N ")
	}
	if op.Method != http.MethodGet && op.Method != http.MethodPost {
		b.WriteString("-X " + op.Method + " ")
	}
	b.WriteString(`'<span class="origin">http://127.0.0.1:9080</span>` + html.EscapeString(examplePath(op)+queryExamples[op.OperationID]) + "'")
	if body, ok := bodyExamples[op.OperationID]; ok {
		b.WriteString(html.EscapeString(" \\\n  -H 'Content-Type: application/json' -d '" + body + "'"))
	}
	if op.OperationID == "DownloadExport" {
		b.WriteString(" -OJ")
	}
	return template.HTML(b.String()) // all but the span is escaped
}

func examplePath(op *operation) string {
	path := op.Path
	for name, value := range pathExamples[op.Path] {
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	return path
}
