package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// ExportReaderConfig is which file is downloaded, and how.
type ExportReaderConfig struct {
	// URL is asked over HTTP; if it is empty, Export is downloaded from Addr over gRPC, as Decode says: decodeClient,
	// decodeGenerated, or decodeNothing, which counts what the frames hold besides the file, too.
	URL, Addr, Export, Decode string
}

// ExportReadResult is one download.
type ExportReadResult struct {
	Bytes   int64
	Elapsed time.Duration
	SHA256  string // if it was asked for
}

// readBuffer is what a reader takes at a time, so that reading costs little beside being served.
const readBuffer = 256 << 10

// exportReader is a process that downloads one file over and over on one connection, and drops its bytes.
type exportReader struct {
	config ExportReaderConfig
	conn   *grpc.ClientConn
	client *straw.Client
	http   *http.Client
}

func openExportReader(config ExportReaderConfig) (r *exportReader, ready any, err error) {
	r = &exportReader{config: config}
	switch {
	case config.URL != "":
		r.http = &http.Client{Transport: &http.Transport{DisableCompression: true, ReadBufferSize: readBuffer}}
	case config.Decode == decodeClient:
		r.client, err = straw.Dial(config.Addr)
	default:
		options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
		if config.Decode == decodeNothing {
			options = append(options, grpc.WithDefaultCallOptions(grpc.ForceCodecV2(dropCodec{})))
		}
		r.conn, err = grpc.NewClient(config.Addr, options...)
	}
	return r, struct{}{}, err
}

// do reads the file once; "sum" also sums it up.
func (r *exportReader) do(verb string, _ json.RawMessage) (any, error) {
	switch verb {
	case "read":
		return r.read(nil)
	case "sum":
		return r.read(sha256.New())
	}
	return nil, errVerb(verb)
}

func (r *exportReader) read(sum hash.Hash) (*ExportReadResult, error) {
	began := monotonic()
	into := io.Discard
	if sum != nil {
		into = sum
	}
	var result ExportReadResult
	var err error
	if r.conn != nil {
		result.Bytes, err = r.readStub(into)
	} else {
		result.Bytes, err = r.readBody(into)
	}
	result.Elapsed = monotonic() - began
	if sum != nil {
		result.SHA256 = hex.EncodeToString(sum.Sum(nil))
	}
	return &result, err
}

// readStub reads what the generated stub decodes.
func (r *exportReader) readStub(into io.Writer) (n int64, err error) {
	stream, err := strawv1.NewExportServiceClient(r.conn).DownloadExport(context.Background(), &strawv1.DownloadExportRequest{Id: r.config.Export})
	if err != nil {
		return 0, err
	}
	for {
		data, size, err := r.receive(stream)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		n += int64(size)
		if _, err := into.Write(data); err != nil {
			return n, err
		}
	}
}

// receive returns a frame's bytes, if they are decoded, and how many there are.
func (r *exportReader) receive(stream grpc.ServerStreamingClient[strawv1.DownloadExportResponse]) (data []byte, size int, err error) {
	if r.config.Decode == decodeNothing {
		var frame dropped
		err := stream.RecvMsg(&frame)
		return nil, frame.bytes, err
	}
	frame, err := stream.Recv()
	return frame.GetData(), len(frame.GetData()), err
}

// readBody reads what is a stream of bytes.
func (r *exportReader) readBody(into io.Writer) (int64, error) {
	body, err := r.open()
	if err != nil {
		return 0, err
	}
	defer body.Close()
	// Hidden interfaces keep both ends from choosing a smaller buffer.
	return io.CopyBuffer(struct{ io.Writer }{into}, struct{ io.Reader }{body}, make([]byte, readBuffer))
}

func (r *exportReader) open() (io.ReadCloser, error) {
	if r.client != nil {
		return r.client.Download(context.Background(), r.config.Export, straw.DownloadOptions{})
	}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, r.config.URL, nil)
	if err != nil {
		return nil, err
	}
	answer, err := r.http.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		_ = answer.Body.Close()
		return nil, fmt.Errorf("%s answered %s", r.config.URL, answer.Status)
	}
	return answer.Body, nil
}

func (r *exportReader) close() {
	switch {
	case r.client != nil:
		_ = r.client.Close()
	case r.conn != nil:
		_ = r.conn.Close()
	default:
		r.http.CloseIdleConnections()
	}
}
