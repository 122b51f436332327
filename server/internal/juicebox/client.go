package juicebox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// DefaultTimeout bounds a call to Juicebox, unless told otherwise.
const DefaultTimeout = 15 * time.Second

const (
	webhooksPath = "/v1/webhooks"
	maxAnswer    = 64 << 10
	maxQuoted    = 200 // bytes of Juicebox's own words in an error
)

// ErrNoKey means that the gateway has no key for Juicebox's API.
var ErrNoKey = errors.New("the gateway has no API key for Juicebox; set JUICEBOX_API_KEY, and start it again")

// ErrUnreachable means that Juicebox didn't answer, or with a failure of its own; trying again later may help.
var ErrUnreachable = errors.New("the API of Juicebox can't be reached")

// A RejectedError is a call that Juicebox refused, and would again.
type RejectedError struct {
	// Status is the HTTP status.
	Status int
	// Advice is a sentence that says what to change.
	Advice string
	// Said is Juicebox's own words, as far as they are fit to be repeated.
	Said string
}

func (e *RejectedError) Error() string {
	text := fmt.Sprintf("the API of Juicebox refused the call with %d %s: %s", e.Status, http.StatusText(e.Status), e.Advice)
	if e.Said != "" {
		text += fmt.Sprintf(" (it said: %s)", e.Said)
	}
	return text
}

// A HeldError is a call that was not made, or refused, for the quota is used up.
type HeldError struct{ Held }

func (e *HeldError) Error() string {
	return fmt.Sprintf("calls to Juicebox are held until %s: %s", e.Until.UTC().Format(time.RFC3339), e.Why)
}

// Options are what a client works with. URL and Latest are required.
type Options struct {
	// URL is where the API is, without a path.
	URL string
	// Key is the API's; without one every call fails with ErrNoKey.
	Key string
	// Latest returns the newest quota.warning event; nil if there is none.
	Latest func() *strawv1.Event
	// Timeout bounds a call; zero means DefaultTimeout.
	Timeout time.Duration
	Logger  *slog.Logger
	// Now tells the time; nil means time.Now.
	Now func() time.Time
}

// A Client calls Juicebox's own API, unless the quota is used up. It never repeats a call by itself. Safe for concurrent use.
type Client struct {
	Options
	hold hold
	http *http.Client
}

// NewClient returns a client; it connects when it is first used.
func NewClient(o Options) *Client {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Client{Options: o, hold: hold{latest: o.Latest}, http: &http.Client{
		// A redirect would take the key and the secret to a place that nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Held says until when calls are held now; the zero value if they aren't.
func (c *Client) Held() Held { return c.hold.at(c.Now()) }

// A Registration is what to register.
type Registration struct {
	URL    string   `json:"url"`
	Events []string `json:"events"`
	Secret string   `json:"secret"`
}

// RegisterWebhook registers a webhook and returns Juicebox's id of it; empty if it gave none. Errors: ErrNoKey,
// ErrUnreachable, a RejectedError, a HeldError, the context's.
func (c *Client) RegisterWebhook(ctx context.Context, r Registration) (id string, err error) {
	if c.Key == "" {
		return "", ErrNoKey
	}
	if held := c.Held(); !held.Until.IsZero() {
		return "", &HeldError{held}
	}
	answer, err := c.post(ctx, webhooksPath, r, r.Secret)
	if err != nil {
		return "", err
	}
	return answer.first("id"), nil
}

// post sends a call and returns what Juicebox answered it with. An error repeats nothing of it that has one of the secrets in it.
func (c *Client) post(ctx context.Context, path string, body any, secrets ...string) (answer, error) {
	content, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	called, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(called, http.MethodPost, c.URL+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.Key)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "straw")
	response, err := c.http.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w: %v; check the network, and --juicebox-api-url", ErrUnreachable, err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil && response.StatusCode < 300 {
		return nil, fmt.Errorf("%w: its answer %d ended early: %v; it may have carried the call out", ErrUnreachable, response.StatusCode, err)
	}
	return c.judge(response, said, secrets)
}

// judge turns an answer that isn't a success into an error.
func (c *Client) judge(response *http.Response, said []byte, secrets []string) (answer, error) {
	a := parseAnswer(said)
	status := response.StatusCode
	rejected := &RejectedError{Status: status, Said: quote(a, append(secrets, c.Key))}
	switch {
	case status < 300:
		return a, nil
	case status == http.StatusTooManyRequests:
		held := c.hold.refuse(c.Now(), a.first("reset_date", "resetDate"), retryAfter(response.Header.Get("Retry-After"), c.Now()))
		c.Logger.Warn("calls to Juicebox are held", "until", held.Until, "why", held.Why)
		return nil, &HeldError{held}
	case status >= 500 || status == http.StatusRequestTimeout:
		return nil, fmt.Errorf("%w: it answered %d %s; try again later", ErrUnreachable, status, http.StatusText(status))
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		rejected.Advice = "the key is not valid for this; check JUICEBOX_API_KEY"
	case status < 400, status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		rejected.Advice = "there is no such API; check --juicebox-api-url, " + c.URL
	default:
		rejected.Advice = "it doesn't take the webhook's URL or types; check that the URL is public and https"
	}
	return nil, rejected
}

// quote returns what Juicebox said in its error, unless that repeats a secret.
func quote(a answer, secrets []string) string {
	text := strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return ' '
	}, a.first("message", "error", "detail"))
	if slices.ContainsFunc(secrets, func(secret string) bool { return strings.Contains(text, secret) }) {
		return ""
	}
	if len(text) > maxQuoted {
		text = strings.ToValidUTF8(text[:maxQuoted], "") + "…"
	}
	return text
}

// retryAfter reads seconds or a date; zero if there is neither.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(date.Sub(now), 0)
	}
	return 0
}

// An answer is a JSON object. Where in it a member stands isn't documented.
type answer map[string]any

func parseAnswer(body []byte) answer {
	var a answer
	if json.Unmarshal(body, &a) != nil {
		return nil
	}
	return a
}

// first returns the first of some members that is a non-empty string, of the object itself or of one directly in it.
func (a answer) first(names ...string) string {
	for _, name := range names {
		if text, ok := a[name].(string); ok && text != "" {
			return text
		}
		for _, inner := range []string{"data", "error", "webhook", "quota"} {
			if object, ok := a[inner].(map[string]any); ok {
				if text, ok := object[name].(string); ok && text != "" {
					return text
				}
			}
		}
	}
	return ""
}
