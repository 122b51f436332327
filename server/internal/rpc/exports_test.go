package rpc_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/blob/fileblob"
	"github.com/straw-gateway/straw/server/internal/export"
	"github.com/straw-gateway/straw/server/internal/rpc"
	"github.com/straw-gateway/straw/server/internal/store"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore"
)

// A shelf is an api over real exports and files.
type shelf struct {
	*api
	exports *pebblestore.Exports
	blobs   *fileblob.Blobs
	dir     string
	client  strawv1.ExportServiceClient
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{dir: t.TempDir()}
	s.api = newAPI(t, setup{maxStreams: 3, more: func(o *rpc.Options) {
		var err error
		if s.exports, err = pebblestore.OpenExports(o.Log.(*pebblestore.Log)); err != nil {
			t.Fatal(err)
		}
		if s.blobs, err = fileblob.Open(s.dir, fileblob.Options{Reserve: -1}); err != nil {
			t.Fatal(err)
		}
		o.Exports, o.Blobs = s.exports, s.blobs
		o.Fetcher = export.NewFetcher(export.FetcherOptions{Exports: s.exports})
	}})
	t.Cleanup(func() {
		if err := s.blobs.Close(); err != nil {
			t.Error(err)
		}
	})
	s.client = strawv1.NewExportServiceClient(s.conn)
	return s
}

// announce begins a generation whose link dies at a time.
func (s *shelf) announce(id string, expires time.Time) store.Export {
	s.t.Helper()
	seq := s.exports.Progress() + 1
	begun, err := s.exports.Announce(s.t.Context(), seq, []store.Announcement{{ExportID: id, Seq: seq, EventID: "evt", Format: "csv", LinkExpires: expires, Time: time.Now()}})
	if err != nil {
		s.t.Fatal(err)
	}
	return begun[0]
}

func (s *shelf) become(x store.Export, change func(*strawv1.Export)) {
	s.t.Helper()
	if _, err := s.exports.Update(s.t.Context(), x.Key(), func(x *store.Export) error { change(x.Record); return nil }); err != nil {
		s.t.Fatal(err)
	}
}

// put stores a file as a new generation of an export.
func (s *shelf) put(id string, file []byte) store.Export {
	s.t.Helper()
	x := s.announce(id, time.Now().Add(time.Hour))
	w, err := s.blobs.Create(s.t.Context(), export.BlobName(x.Key()))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := w.Restart(blob.Origin{ContentType: "text/csv"}); err != nil {
		s.t.Fatal(err)
	}
	if _, err := w.Write(file); err != nil {
		s.t.Fatal(err)
	}
	info, err := w.Commit()
	if err != nil {
		s.t.Fatal(err)
	}
	s.become(x, func(r *strawv1.Export) {
		r.State, r.SizeBytes, r.ContentType, r.Sha256 = strawv1.Export_AVAILABLE, info.Size, "text/csv", hex.EncodeToString(info.SHA256[:])
	})
	return x
}

// download returns what a call sends, and the error that ends it.
func (s *shelf) download(ctx context.Context, id string, offset int64) (got []byte, frames []*strawv1.DownloadExportResponse, err error) {
	stream, err := s.client.DownloadExport(ctx, &strawv1.DownloadExportRequest{Id: id, Offset: offset})
	if err != nil {
		return nil, nil, err
	}
	for {
		frame, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return got, frames, nil
		}
		if err != nil {
			return got, frames, err
		}
		if want := offset + int64(len(got)); frame.GetOffset() != want {
			return got, frames, fmt.Errorf("a frame begins at %d instead of %d", frame.GetOffset(), want)
		}
		got, frames = append(got, frame.GetData()...), append(frames, frame)
	}
}

// wantReason checks an error's code and reason, and returns its metadata.
func wantReason(t *testing.T, err error, code codes.Code, reason strawv1.ErrorReason) map[string]string {
	t.Helper()
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetReason() == reason.String() && status.Code(err) == code {
			return info.GetMetadata()
		}
	}
	t.Errorf("got %v, want %s with %s", err, code, reason)
	return nil
}

func TestDownloadExport(t *testing.T) {
	s := newShelf(t)
	file := bytes.Repeat([]byte("0123456789abcdef!"), 100_000) // ends within a chunk
	s.put("exp/1:x", file)
	s.put("empty", nil)
	sum := sha256.Sum256(file)
	size := int64(len(file))
	for _, offset := range []int64{0, 1, blob.ChunkSize - 1, blob.ChunkSize, 3*blob.ChunkSize + 77, size - 1, size} {
		got, frames, err := s.download(t.Context(), "exp/1:x", offset)
		if err != nil || !bytes.Equal(got, file[offset:]) {
			t.Errorf("from %d: %d bytes, %v", offset, len(got), err)
		}
		for _, frame := range frames {
			if frame.GetTotalBytes() != size || frame.GetSha256() != hex.EncodeToString(sum[:]) {
				t.Errorf("a frame says %d bytes, %s", frame.GetTotalBytes(), frame.GetSha256())
			}
		}
	}
	none := sha256.Sum256(nil)
	if got, frames, err := s.download(t.Context(), "empty", 0); err != nil || len(got) != 0 || len(frames) != 1 || frames[0].GetSha256() != hex.EncodeToString(none[:]) {
		t.Errorf("an empty file: %d bytes in %d frames, %v", len(got), len(frames), err)
	}
	_, _, err := s.download(t.Context(), "exp/1:x", size+1)
	wantReason(t, err, codes.OutOfRange, strawv1.ErrorReason_INVALID_FIELD)
	_, _, err = s.download(t.Context(), "exp/1:x", -1)
	wantReason(t, err, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD)
	_, _, err = s.download(t.Context(), "nowhere", 0)
	wantReason(t, err, codes.NotFound, strawv1.ErrorReason_EXPORT_NOT_FOUND)
}

func TestDownloadOfWhatIsNotAvailable(t *testing.T) {
	s := newShelf(t)
	for _, state := range []strawv1.Export_State{strawv1.Export_PENDING, strawv1.Export_DOWNLOADING, strawv1.Export_EXPIRED, strawv1.Export_FAILED} {
		x := s.announce(state.String(), time.Now().Add(time.Hour))
		s.become(x, func(r *strawv1.Export) { r.State = state })
		_, _, err := s.download(t.Context(), state.String(), 0)
		about := wantReason(t, err, codes.FailedPrecondition, strawv1.ErrorReason_EXPORT_NOT_AVAILABLE)
		if about["state"] != state.String() {
			t.Errorf("%s: the metadata is %v", state, about)
		}
	}
	// Retention removes the file before the record says so.
	x := s.put("purged", []byte("x"))
	if err := s.blobs.Delete(t.Context(), export.BlobName(x.Key())); err != nil {
		t.Fatal(err)
	}
	_, _, err := s.download(t.Context(), "purged", 0)
	if about := wantReason(t, err, codes.FailedPrecondition, strawv1.ErrorReason_EXPORT_NOT_AVAILABLE); about["state"] != "PURGED" {
		t.Errorf("the metadata is %v", about)
	}
}

func TestDownloadOfACorruptFile(t *testing.T) {
	s := newShelf(t)
	file := bytes.Repeat([]byte("x"), 3*blob.ChunkSize)
	s.put("exp_1", file)
	flipped := false
	err := filepath.WalkDir(s.dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, syscall.EISDIR) || err == nil && len(content) != len(file) {
			return nil
		}
		if err != nil {
			return err
		}
		content[2*blob.ChunkSize+5] ^= 1
		flipped = true
		return os.WriteFile(path, content, 0o600)
	})
	if err != nil || !flipped {
		t.Fatalf("no file was found to be changed: %v", err)
	}
	got, _, err := s.download(t.Context(), "exp_1", 0)
	wantReason(t, err, codes.DataLoss, strawv1.ErrorReason_STORE_CORRUPT)
	if !strings.Contains(err.Error(), "RefetchExport") || !bytes.Equal(got, file[:2*blob.ChunkSize]) {
		t.Errorf("%d bytes came before %v", len(got), err)
	}
}

func TestDownloadsCountAsStreams(t *testing.T) {
	s := newShelf(t)
	s.put("exp_1", bytes.Repeat([]byte("x"), 64<<20)) // more than transport buffers hold
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 3 {
		stream, err := s.client.DownloadExport(ctx, &strawv1.DownloadExportRequest{Id: "exp_1"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := s.download(t.Context(), "exp_1", 0)
	wantReason(t, err, codes.ResourceExhausted, strawv1.ErrorReason_TOO_MANY_STREAMS)
}

func TestListAndGetExports(t *testing.T) {
	s := newShelf(t)
	for i := range 5 {
		s.put(fmt.Sprint("exp_", i), []byte("x"))
	}
	s.announce("exp_1", time.Now().Add(time.Hour))
	got, err := s.client.GetExport(t.Context(), &strawv1.GetExportRequest{Id: "exp_1"})
	if err != nil || got.GetGeneration() != 2 || got.GetState() != strawv1.Export_PENDING || got.GetFormat() != "csv" || got.GetCreateTime() == nil {
		t.Errorf("get: %v, %v", got, err)
	}
	_, err = s.client.GetExport(t.Context(), &strawv1.GetExportRequest{Id: "exp_9"})
	wantReason(t, err, codes.NotFound, strawv1.ErrorReason_EXPORT_NOT_FOUND)
	var ids []string
	req := &strawv1.ListExportsRequest{PageSize: 2}
	for {
		page, err := s.client.ListExports(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range page.GetExports() {
			ids = append(ids, x.GetId())
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	if want := "exp_1 exp_4 exp_3 exp_2 exp_0"; strings.Join(ids, " ") != want {
		t.Errorf("listed %v, want %s", ids, want)
	}
	pending, err := s.client.ListExports(t.Context(), &strawv1.ListExportsRequest{States: []strawv1.Export_State{strawv1.Export_PENDING}})
	if err != nil || len(pending.GetExports()) != 1 || pending.GetNextPageToken() != "" {
		t.Errorf("pending: %v, %v", pending, err)
	}
	first, err := s.client.ListExports(t.Context(), &strawv1.ListExportsRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"nonsense", first.GetNextPageToken()} {
		_, err := s.client.ListExports(t.Context(), &strawv1.ListExportsRequest{States: []strawv1.Export_State{strawv1.Export_PENDING}, PageToken: token})
		wantReason(t, err, codes.InvalidArgument, strawv1.ErrorReason_INVALID_FIELD)
	}
}

func TestListOfLongIDs(t *testing.T) {
	s := newShelf(t)
	for i := range 9 {
		s.announce(fmt.Sprint(i)+strings.Repeat("x", 900_000), time.Now().Add(time.Hour))
	}
	req, got := &strawv1.ListExportsRequest{}, 0
	for pages := 1; ; pages++ {
		page, err := s.client.ListExports(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range page.GetExports() {
			if want := fmt.Sprint(8 - got); x.GetId()[:1] != want {
				t.Fatalf("%s comes in place of %s", x.GetId()[:1], want)
			}
			got++
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			if got != 9 || pages < 4 {
				t.Errorf("%d exports on %d pages", got, pages)
			}
			return
		}
	}
}

func TestRefetchExport(t *testing.T) {
	s := newShelf(t)
	s.put("exp_1", []byte("x"))
	got, err := s.client.RefetchExport(t.Context(), &strawv1.RefetchExportRequest{Id: "exp_1"})
	if err != nil || got.GetGeneration() != 2 || got.GetState() != strawv1.Export_PENDING {
		t.Errorf("refetch: %v, %v", got, err)
	}
	s.announce("old", time.Now().Add(-time.Minute))
	_, err = s.client.RefetchExport(t.Context(), &strawv1.RefetchExportRequest{Id: "old"})
	wantReason(t, err, codes.FailedPrecondition, strawv1.ErrorReason_EXPORT_LINK_EXPIRED)
	_, err = s.client.RefetchExport(t.Context(), &strawv1.RefetchExportRequest{Id: "nowhere"})
	wantReason(t, err, codes.NotFound, strawv1.ErrorReason_EXPORT_NOT_FOUND)
}
