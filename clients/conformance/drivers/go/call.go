package main

import (
	"context"
	"errors"
	"io"
	"os"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// download writes an export into a file.
type download struct {
	common
	Export string `json:"export"`
	File   string `json:"file"`
	Resume bool   `json:"resume"`
}

func (o *download) run(ctx context.Context, _ func(), c *straw.Client) error {
	flags := os.O_RDWR | os.O_CREATE
	if !o.Resume {
		flags |= os.O_TRUNC
	}
	file, err := os.OpenFile(o.File, flags, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	d, err := c.Download(ctx, o.Export, straw.DownloadOptions{Resume: file}) // leaves the file at its end
	if err != nil {
		say(failure(err))
		return nil
	}
	defer d.Close()
	if _, err := io.Copy(file, d); err != nil {
		say(failure(err))
		return nil
	}
	say(object{"bytes": d.Offset(), "sha256": d.SHA256()})
	return file.Sync()
}

// get shows one event.
type get struct {
	common
	ID string `json:"id"`
}

func (o *get) run(ctx context.Context, _ func(), c *straw.Client) error {
	event, err := c.Events().GetEvent(ctx, &strawv1.GetEventRequest{Id: o.ID})
	if err != nil {
		say(failure(err))
	} else {
		say(describe(event))
	}
	return nil
}

// verify verifies a webhook's signature.
type verify struct {
	common
	Body    []byte   `json:"body"`
	Header  string   `json:"header"`
	Secrets []string `json:"secrets"`
}

func (o *verify) run(context.Context, func(), *straw.Client) error {
	err := straw.VerifySignature(o.Body, o.Header, o.Secrets...)
	switch {
	case err == nil:
		say(object{"valid": true})
	case errors.Is(err, straw.ErrSignature):
		say(object{"valid": false})
	default:
		say(failure(err))
	}
	return nil
}

// status shows the gateway's version.
type status struct{ common }

func (o *status) run(ctx context.Context, _ func(), c *straw.Client) error {
	s, err := c.Gateway().GetStatus(ctx, &strawv1.GetStatusRequest{})
	if err != nil {
		say(failure(err))
	} else {
		say(object{"version": s.GetVersion()})
	}
	return nil
}
