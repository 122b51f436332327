package app

import (
	"context"
	"strings"
	"time"

	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/blob/fileblob"
	"github.com/straw-gateway/straw/server/internal/blob/s3blob"
	"github.com/straw-gateway/straw/server/internal/config"
	"github.com/straw-gateway/straw/server/internal/export"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore"
)

// bucketTimeout bounds how long a bucket may take to answer at the start.
const bucketTimeout = 30 * time.Second

// openExports opens what is known of exports, where their files are, and who fetches them.
func (g *gateway) openExports() (err error) {
	if g.exports, err = pebblestore.OpenExports(g.log); err != nil {
		return err
	}
	if g.blobs, err = openBlobs(g.config.Blobs); err != nil {
		return err
	}
	g.closing.push(g.blobs)
	client, err := export.NewClient(export.Options{AllowHosts: g.config.ExportAllowHosts})
	if err != nil {
		return err
	}
	g.fetcher = export.NewFetcher(export.FetcherOptions{
		Log: g.log, Hub: g.hub, Exports: g.exports, Blobs: g.blobs, Client: client, Observer: g.metrics, Logger: g.logger,
	})
	g.metrics.ObserveExports(g.exports.Counts)
	return nil
}

func openBlobs(c config.Blobs) (blob.Blobs, error) {
	if c.Dir != "" {
		return fileblob.Open(c.Dir, fileblob.Options{})
	}
	if c.Endpoint != "" && !strings.Contains(c.Endpoint, "://") {
		c.Endpoint = "https://" + c.Endpoint
	}
	options, err := s3blob.Parse(c.String())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), bucketTimeout)
	defer cancel()
	return s3blob.Open(ctx, options)
}
