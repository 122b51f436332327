package straw_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// A shelf serves one file over the real service definition. cut, if set, ends a call after so many bytes with an error.
type shelf struct {
	strawv1.UnimplementedExportServiceServer
	mu      sync.Mutex
	file    []byte
	sum     string // if it should differ from the file's
	offsets []int64
	cut     func(call int) (after int, err error)
}

func (s *shelf) DownloadExport(req *strawv1.DownloadExportRequest, out grpc.ServerStreamingServer[strawv1.DownloadExportResponse]) error {
	s.mu.Lock()
	s.offsets = append(s.offsets, req.GetOffset())
	call, file, sum := len(s.offsets), s.file, s.sum
	s.mu.Unlock()
	if sum == "" {
		hash := sha256.Sum256(file)
		sum = hex.EncodeToString(hash[:])
	}
	end, failure := len(file), error(nil)
	if s.cut != nil {
		if after, err := s.cut(call); err != nil {
			end, failure = min(int(req.GetOffset())+after, len(file)), err
			if after == 0 {
				return err
			}
		}
	}
	offset := int(req.GetOffset())
	for first := true; first || offset < end; first = false {
		data := file[offset:min(offset+1000, end)]
		if err := out.Send(&strawv1.DownloadExportResponse{Data: data, Offset: int64(offset), TotalBytes: int64(len(file)), Sha256: sum}); err != nil {
			return err
		}
		offset += len(data)
	}
	if errors.Is(failure, io.EOF) {
		return nil
	}
	return failure
}

func (s *shelf) serve(t *testing.T) *straw.Client {
	t.Helper()
	server := grpc.NewServer()
	strawv1.RegisterExportServiceServer(server, s)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	client, err := straw.Dial(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Close()
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return client
}

func download(t *testing.T, c *straw.Client, o straw.DownloadOptions) ([]byte, error) {
	t.Helper()
	d, err := c.Download(t.Context(), "exp_1", o)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	got, err := io.ReadAll(d)
	if err == nil && d.Offset() != d.Size() {
		t.Errorf("it ended at %d of %d", d.Offset(), d.Size())
	}
	return got, err
}

var unavailable = status.Error(codes.Unavailable, "the connection was lost")

func TestDownload(t *testing.T) {
	t.Parallel()
	file := bytes.Repeat([]byte("0123456789"), 12_345)
	cuts := map[string]func(call int) (int, error){
		"at once":         nil,
		"cut at 60 %":     func(call int) (int, error) { return len(file) * 6 / 10, onlyFirst(call, 1, unavailable) },
		"cut often":       func(call int) (int, error) { return 3000, onlyFirst(call, 30, unavailable) },
		"refused at once": func(call int) (int, error) { return 0, onlyFirst(call, 3, unavailable) },
		"ended early":     func(call int) (int, error) { return 5000, onlyFirst(call, 2, io.EOF) },
	}
	for name, cut := range cuts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{file: file, cut: cut}
			client := s.serve(t)
			got, err := download(t, client, straw.DownloadOptions{})
			if err != nil || !bytes.Equal(got, file) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			for i := 1; i < len(s.offsets); i++ {
				if s.offsets[i] < s.offsets[i-1] {
					t.Errorf("it went back: %v", s.offsets)
				}
			}
		})
	}
}

func onlyFirst(call, calls int, err error) error {
	if call <= calls {
		return err
	}
	return nil
}

func TestDownloadResumes(t *testing.T) {
	s := &shelf{file: bytes.Repeat([]byte("0123456789"), 1000)}
	client := s.serve(t)
	for _, have := range []int{0, 1, 6000, 10_000} {
		got, err := download(t, client, straw.DownloadOptions{Resume: bytes.NewReader(s.file[:have])})
		if err != nil || !bytes.Equal(got, s.file[have:]) || s.offsets[len(s.offsets)-1] != int64(have) {
			t.Errorf("after %d: %d bytes, %v", have, len(got), err)
		}
	}
	if _, err := download(t, client, straw.DownloadOptions{Resume: bytes.NewReader([]byte("other bytes"))}); !errors.Is(err, straw.ErrChecksum) {
		t.Errorf("after other bytes: %v", err)
	}
}

func TestDownloadFails(t *testing.T) {
	refusal := failure(codes.FailedPrecondition, "EXPORT_NOT_AVAILABLE", nil)
	tests := map[string]struct {
		shelf *shelf
		want  error
		calls int
	}{
		"not available": {&shelf{cut: func(int) (int, error) { return 0, refusal }}, &straw.Error{Reason: strawv1.ErrorReason_EXPORT_NOT_AVAILABLE}, 1},
		"wrong bytes":   {&shelf{file: []byte("x"), sum: hex.EncodeToString(make([]byte, 32))}, straw.ErrChecksum, 1},
		"corrupt": {&shelf{file: make([]byte, 5000), cut: func(int) (int, error) {
			return 3000, failure(codes.DataLoss, "STORE_CORRUPT", nil)
		}}, &straw.Error{Reason: strawv1.ErrorReason_STORE_CORRUPT}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := download(t, test.shelf.serve(t), straw.DownloadOptions{})
			if !errors.Is(err, test.want) || len(test.shelf.offsets) != test.calls {
				t.Errorf("%v after %d calls, want %v", err, len(test.shelf.offsets), test.want)
			}
		})
	}
}

func TestDownloadOfAnotherGeneration(t *testing.T) {
	s := &shelf{file: bytes.Repeat([]byte("1"), 5000)}
	s.cut = func(call int) (int, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.file = bytes.Repeat([]byte("2"), 5000)
		return 3000, onlyFirst(call, 1, unavailable)
	}
	if _, err := download(t, s.serve(t), straw.DownloadOptions{}); !errors.Is(err, straw.ErrExportChanged) {
		t.Errorf("got %v", err)
	}
}

func TestDownloadEndsWithItsContext(t *testing.T) {
	s := &shelf{file: make([]byte, 5000), cut: func(int) (int, error) { return 1000, unavailable }}
	client := s.serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	d, err := client.Download(ctx, "exp_1", straw.DownloadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	cancel()
	if _, err := io.ReadAll(d); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := d.Read(make([]byte, 1)); err == nil {
		t.Error("a closed download can be read")
	}
}
