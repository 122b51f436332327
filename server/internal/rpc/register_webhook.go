package rpc

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/filter"
	"github.com/straw-gateway/straw/server/internal/hostname"
	"github.com/straw-gateway/straw/server/internal/juicebox"
)

// Juicebox is the API of Juicebox. Errors: those of juicebox.Client.
type Juicebox interface {
	RegisterWebhook(ctx context.Context, r juicebox.Registration) (id string, err error)
	Held() juicebox.Held
}

func (s *gatewayService) RegisterWebhook(ctx context.Context, req *strawv1.RegisterWebhookRequest) (*strawv1.RegisterWebhookResponse, error) {
	if s.Juicebox == nil {
		return nil, status.Error(codes.Unimplemented, "this gateway doesn't call Juicebox")
	}
	if problem := checkWebhookURL(req.GetUrl()); problem != "" {
		return nil, invalidField("url", "%s", problem)
	}
	if err := s.checkRegisterHost(req.GetUrl()); err != nil {
		return nil, err
	}
	types, err := s.webhookTypes(req.GetTypes())
	if err != nil {
		return nil, err
	}
	// The first secret and its fingerprint must be of one moment: the file of secrets may change meanwhile.
	secret, fingerprint := s.Secrets.First()
	id, err := s.Juicebox.RegisterWebhook(ctx, juicebox.Registration{URL: req.GetUrl(), Events: types, Secret: secret})
	if err != nil {
		return nil, err
	}
	return &strawv1.RegisterWebhookResponse{Id: id, Url: req.GetUrl(), Types: types, SecretFingerprint: fingerprint}, nil
}

// checkWebhookURL says what is wrong with a URL that Juicebox is to post to.
func checkWebhookURL(text string) (problem string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "":
		return "it is not a URL such as https://hooks.example.com/webhooks/juicebox"
	case u.Scheme != "https":
		return "it must begin with https://, for webhooks carry links and what people search for"
	case u.User != nil:
		return "it has a user name or password; leave them out, for webhooks are signed"
	case u.Fragment != "":
		return "it has a fragment, which is never sent"
	}
	return ""
}

// checkRegisterHost refuses a URL whose host the operator hasn't named. Until callers prove who they are, anyone who reaches the
// API could otherwise have the webhooks sent to themselves.
func (s *gatewayService) checkRegisterHost(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return err
	}
	name, port, ok := hostname.Split(u.Host)
	switch {
	case !ok:
		return invalidField("url", "its host %.300q is neither a name nor an IP address", u.Host)
	case s.RegisterHosts.Has(name, port, "443"):
		return nil
	}
	return fail(codes.PermissionDenied, strawv1.ErrorReason_HOST_NOT_ALLOWED, map[string]string{"host": name, "setting": "allow-register-host"},
		"url: webhooks may not be registered for the host %q, for whoever is registered gets them; if that is right, start the gateway "+
			"with --allow-register-host %s (STRAW_ALLOW_REGISTER_HOST)", name, name)
}

// webhookTypes are the types to register: all that are documented unless the request names some.
func (s *gatewayService) webhookTypes(types []string) ([]string, error) {
	if len(types) == 0 {
		return event.Documented(), nil
	}
	for _, t := range types {
		switch {
		case t == "" || strings.Contains(t, "*"):
			return nil, invalidField("types", "%q is a pattern; Juicebox takes the types' full names: %s", t, strings.Join(event.Documented(), ", "))
		case strings.HasPrefix(t, "straw."):
			return nil, invalidField("types", "%q is the gateway's own; Juicebox doesn't send it", t)
		}
	}
	types = slices.Compact(slices.Sorted(slices.Values(types)))
	return types, filter.CheckNames(types, s.Log.Types())
}

// holdUntil is when the hold on calls to Juicebox ends; nil without one.
func (s *gatewayService) holdUntil() *timestamppb.Timestamp {
	if s.Juicebox == nil {
		return nil
	}
	if held := s.Juicebox.Held(); !held.Until.IsZero() {
		return timestamppb.New(held.Until.UTC().Truncate(time.Second))
	}
	return nil
}
