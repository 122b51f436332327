package rpc

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/fnv"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/blob"
	"github.com/straw-gateway/straw/server/internal/export"
	"github.com/straw-gateway/straw/server/internal/store"
)

// A Refetcher fetches an export again. Errors: event.ErrExportNotFound, export.ErrLinkExpired, those of the store.
type Refetcher interface {
	Refetch(ctx context.Context, id string) (store.Export, error)
}

type exportService struct {
	strawv1.UnimplementedExportServiceServer
	exports store.Exports
	blobs   blob.Blobs
	fetcher Refetcher
	quota   *quota
}

func (s *exportService) GetExport(ctx context.Context, req *strawv1.GetExportRequest) (*strawv1.Export, error) {
	x, err := s.exports.Get(ctx, req.GetId())
	return x.Record, explainExport(req.GetId(), err)
}

func (s *exportService) RefetchExport(ctx context.Context, req *strawv1.RefetchExportRequest) (*strawv1.Export, error) {
	x, err := s.fetcher.Refetch(ctx, req.GetId())
	return x.Record, explainExport(req.GetId(), err)
}

func (s *exportService) ListExports(ctx context.Context, req *strawv1.ListExportsRequest) (*strawv1.ListExportsResponse, error) {
	before, ok := parseExportToken(req.GetPageToken(), req.GetStates())
	if !ok {
		return nil, invalidField("page_token", "it is not the next_page_token of a page with the same states; leave it out to begin again")
	}
	limit := int(req.GetPageSize())
	if limit == 0 {
		limit = defaultPageSize
	}
	page, next, err := s.exports.List(ctx, before, limit, req.GetStates()...)
	if err != nil {
		return nil, err
	}
	resp, size := &strawv1.ListExportsResponse{}, 0
	for i, x := range page {
		if size += proto.Size(x.Record); i > 0 && size > maxPageBytes { // ids are a sender's, and may be long
			next = page[i-1].Number
			break
		}
		resp.Exports = append(resp.Exports, x.Record)
	}
	if next != 0 {
		resp.NextPageToken = exportToken(next, req.GetStates())
	}
	return resp, nil
}

// exportToken says before which export the next page begins, and which question it belongs to.
func exportToken(before uint64, states []strawv1.Export_State) string {
	b := binary.BigEndian.AppendUint64(nil, before)
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(b, hashStates(states)))
}

func parseExportToken(token string, states []strawv1.Export_State) (before uint64, ok bool) {
	if token == "" {
		return 0, true
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) != 16 || binary.BigEndian.Uint64(b[8:]) != hashStates(states) {
		return 0, false
	}
	before = binary.BigEndian.Uint64(b)
	return before, before > 0
}

func hashStates(states []strawv1.Export_State) uint64 {
	h := fnv.New64a()
	for _, state := range states {
		h.Write([]byte{byte(state)})
	}
	return h.Sum64()
}

func (s *exportService) DownloadExport(req *strawv1.DownloadExportRequest, out grpc.ServerStreamingServer[strawv1.DownloadExportResponse]) error {
	if err := validate(req); err != nil {
		return err
	}
	release, err := s.quota.take(out.Context())
	if err != nil {
		return err
	}
	defer release()
	_, file, err := s.open(out.Context(), req.GetId())
	if err != nil {
		return err
	}
	defer file.Close()
	if size := file.Info().Size; req.GetOffset() > size {
		return fail(codes.OutOfRange, strawv1.ErrorReason_INVALID_FIELD, map[string]string{"field": "offset"},
			"offset: %d lies beyond the end of export %q, which has %d bytes; begin at 0", req.GetOffset(), req.GetId(), size)
	}
	return explainExport(req.GetId(), sendFile(file, req.GetOffset(), out))
}

// sendFile sends a frame for each chunk that the store checks as a whole; an empty one if there is nothing to send, so that
// the size and the checksum are always told.
func sendFile(file *blob.Reader, offset int64, out grpc.ServerStreamingServer[strawv1.DownloadExportResponse]) error {
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	info := file.Info()
	frame := &strawv1.DownloadExportResponse{TotalBytes: info.Size, Sha256: hex.EncodeToString(info.SHA256[:])}
	for sent := false; !sent || offset < info.Size; sent = true {
		data, err := readPiece(file, int(min(blob.ChunkSize-offset%blob.ChunkSize, info.Size-offset)))
		if err != nil {
			return err
		}
		frame.Offset = offset
		offset += int64(data.Len())
		p, err := newPiece(data, frame)
		if err != nil {
			return err
		}
		if err := out.SendMsg(p); err != nil {
			return err
		}
	}
	return nil
}

// readPiece reads the n bytes that follow, which lie in one chunk.
func readPiece(file *blob.Reader, n int) (mem.Buffer, error) {
	buf := chunks.Get(n)
	if _, err := io.ReadFull(file, *buf); err != nil {
		chunks.Put(buf)
		return nil, err
	}
	return mem.NewBuffer(buf, chunks), nil
}

// open opens an export's newest generation.
func (s *exportService) open(ctx context.Context, id string) (*strawv1.Export, *blob.Reader, error) {
	x, err := s.exports.Get(ctx, id)
	if err != nil {
		return nil, nil, explainExport(id, err)
	}
	if state := x.Record.GetState(); state != strawv1.Export_AVAILABLE {
		return nil, nil, notAvailable(id, state)
	}
	file, err := s.blobs.Open(ctx, export.BlobName(x.Key()))
	if errors.Is(err, blob.ErrNotFound) { // retention is at work
		return nil, nil, notAvailable(id, strawv1.Export_PURGED)
	}
	return x.Record, file, explainExport(id, err)
}

// OpenExport opens the file of an export under the same rules as DownloadExport, for those who serve it in another form. It
// counts as one of the caller's streams until the context ends. Errors are statuses, as the API answers them. A file whose
// first bytes can't be read isn't opened; later errors are the store's.
func (s *Server) OpenExport(ctx context.Context, id string) (*strawv1.Export, *blob.Reader, error) {
	release, err := s.quota.take(ctx)
	if err != nil {
		return nil, nil, err
	}
	context.AfterFunc(ctx, release)
	x, file, err := s.exports.open(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if _, err = file.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = file.Close()
		return nil, nil, explainExport(id, err)
	}
	return x, file, nil
}
