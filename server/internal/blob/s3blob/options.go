package s3blob

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// amazon is where a bucket is unless its address says otherwise.
const amazon = "https://s3.amazonaws.com"

// Options say where the blobs are.
type Options struct {
	// Bucket must exist.
	Bucket string
	// Prefix begins every key; empty or with a slash at its end.
	Prefix string
	// Endpoint is the server, `https://host[:port]` or `http://host[:port]`.
	Endpoint string
	// Region is the bucket's; empty to ask the server.
	Region string
	// Credentials to sign with. Nil takes the first found of the environment (AWS_ACCESS_KEY_ID and so on), the AWS and MinIO
	// clients' files, and the machine's role.
	Credentials *credentials.Credentials
}

// Parse reads an address, `s3://bucket[/prefix][?endpoint=URL][&region=NAME]`. Keys don't belong into it.
func Parse(address string) (Options, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return Options{}, fmt.Errorf("the exports' address is not of the form s3://bucket/prefix?endpoint=https://host") // the cause quotes it, keys included
	case u.User != nil:
		return Options{}, fmt.Errorf("s3://%s: keys don't belong into the address; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", u.Host)
	case u.Scheme != "s3" || u.Host == "" || u.Fragment != "":
		return Options{}, fmt.Errorf("%s is not of the form s3://bucket/prefix?endpoint=https://host", address)
	}
	options := Options{Bucket: u.Host, Prefix: strings.Trim(u.Path, "/"), Endpoint: amazon}
	if options.Prefix != "" {
		options.Prefix += "/"
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Options{}, fmt.Errorf("s3://%s: its query can't be read", u.Host)
	}
	for key, values := range query {
		switch {
		case len(values) > 1:
			return Options{}, fmt.Errorf("s3://%s: %s is there twice", u.Host, key)
		case key == "endpoint":
			options.Endpoint = values[0]
		case key == "region":
			options.Region = values[0]
		default:
			return Options{}, fmt.Errorf("s3://%s: there is no setting %q; endpoint and region are", u.Host, key)
		}
	}
	_, err = options.endpoint()
	return options, err
}

func (o Options) endpoint() (*url.URL, error) {
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, fmt.Errorf("s3://%s: the endpoint is not of the form https://host:port", o.Bucket)
	}
	return u, nil
}

// dial makes the client, which connects when it is first used, and what it connects with.
func (o Options) dial() (minio.Core, *http.Transport, error) {
	endpoint, err := o.endpoint()
	if err != nil {
		return minio.Core{}, nil, err
	}
	secure := endpoint.Scheme == "https"
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return minio.Core{}, nil, err
	}
	if o.Credentials == nil {
		o.Credentials = credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.EnvMinio{},
			&credentials.FileAWSCredentials{}, &credentials.FileMinioClient{},
			&credentials.IAM{},
		})
	}
	core, err := minio.NewCore(endpoint.Host, &minio.Options{
		Creds: o.Credentials, Secure: secure, Transport: transport, Region: o.Region, MaxRetries: retries,
	})
	if err != nil {
		return minio.Core{}, nil, err
	}
	return *core, transport, nil
}
