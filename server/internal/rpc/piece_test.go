package rpc

import (
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// A piece must decode to the message that it stands for.
func TestPieceIsADownloadExportResponse(t *testing.T) {
	for _, data := range []string{"", "x", string(make([]byte, 300))} {
		rest := &strawv1.DownloadExportResponse{Offset: 7, TotalBytes: 1 << 40, Sha256: "abc"}
		buf := []byte(data)
		p, err := newPiece(mem.SliceBuffer(buf), rest)
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := newCodec().Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var got strawv1.DownloadExportResponse
		if err := proto.Unmarshal(encoded.Materialize(), &got); err != nil {
			t.Fatal(err)
		}
		rest.Data = buf
		if !proto.Equal(&got, rest) {
			t.Errorf("got %v, want %v", &got, rest)
		}
	}
}
