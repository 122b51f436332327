package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// A Store says which engine keeps the events, and where.
type Store struct {
	// Dir is the folder of an embedded Pebble store.
	Dir string
}

// String returns a text that UnmarshalText takes.
func (s Store) String() string { return "pebble:" + s.Dir }

// UnmarshalText reads `pebble:DIR`.
func (s *Store) UnmarshalText(b []byte) error {
	scheme, rest, _ := strings.Cut(string(b), ":")
	switch {
	case scheme == "nats":
		return errors.New("is a cluster, which is not available in this version; use pebble:DIR")
	case scheme != "pebble":
		return errors.New("isn't a store; use pebble:DIR, such as pebble:straw-data")
	case rest == "":
		return errors.New("names no folder; use pebble:DIR, such as pebble:straw-data")
	}
	s.Dir = rest
	return nil
}

// Blobs says where the bytes of exports are kept: in a folder or in a bucket.
type Blobs struct {
	// Dir is the folder; empty if they are in a bucket.
	Dir string
	// Bucket is the S3 bucket, at Endpoint (host[:port]; empty is Amazon's) in Region (empty is the endpoint's default).
	Bucket, Endpoint, Region string
}

// bucketName is S3's rule, apart from what only Amazon forbids.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// String returns a text that UnmarshalText takes.
func (s Blobs) String() string {
	if s.Dir != "" {
		return "file:" + s.Dir
	}
	query := url.Values{}
	if s.Endpoint != "" {
		query.Set("endpoint", s.Endpoint)
	}
	if s.Region != "" {
		query.Set("region", s.Region)
	}
	u := url.URL{Scheme: "s3", Host: s.Bucket, RawQuery: query.Encode()}
	return u.String()
}

// UnmarshalText reads `file:DIR` or `s3://BUCKET?endpoint=HOST&region=NAME`.
func (s *Blobs) UnmarshalText(b []byte) error {
	text := string(b)
	if dir, found := strings.CutPrefix(text, "file:"); found {
		if dir == "" {
			return errors.New("names no folder; use file:DIR, such as file:straw-data/exports")
		}
		*s = Blobs{Dir: dir}
		return nil
	}
	if !strings.HasPrefix(text, "s3://") {
		return errors.New("isn't a place for exports; use file:DIR or s3://BUCKET?endpoint=HOST")
	}
	u, err := url.Parse(text)
	if err != nil {
		return errors.New("isn't a URL such as s3://BUCKET?endpoint=HOST")
	}
	*s, err = parseBucket(u)
	return err
}

func parseBucket(u *url.URL) (Blobs, error) {
	if !bucketName.MatchString(u.Host) {
		return Blobs{}, fmt.Errorf("names no bucket: %q isn't 3 to 63 lower-case letters, digits, dots and dashes", u.Host)
	}
	if u.User != nil {
		return Blobs{}, errors.New("has credentials in it; give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	if u.Path != "" && u.Path != "/" {
		return Blobs{}, fmt.Errorf("has a path, %q; the bucket is the gateway's own", u.Path)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Blobs{}, errors.New("has a malformed query")
	}
	for key := range query {
		if key != "endpoint" && key != "region" {
			return Blobs{}, fmt.Errorf("has an unknown parameter %q; there are endpoint and region", key)
		}
	}
	return Blobs{Bucket: u.Host, Endpoint: query.Get("endpoint"), Region: query.Get("region")}, nil
}
