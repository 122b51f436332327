package rpc

import (
	"sync"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/blob"
)

// dataField is DownloadExportResponse.data; a test holds it to the message.
const dataField protowire.Number = 1

// chunks lends the buffers that files are read into; the transport gives them back.
var chunks = chunkPool{&sync.Pool{New: func() any { return new([blob.ChunkSize]byte) }}}

// A chunkPool lends buffers of up to a chunk with what is left in them, for they are filled before they are sent.
type chunkPool struct{ *sync.Pool }

// Get implements mem.BufferPool.
func (p chunkPool) Get(length int) *[]byte {
	buf := p.Pool.Get().(*[blob.ChunkSize]byte)[:length]
	return &buf
}

// Put implements mem.BufferPool.
func (p chunkPool) Put(buf *[]byte) { p.Pool.Put((*[blob.ChunkSize]byte)((*buf)[:blob.ChunkSize])) }

// A piece is an encoded DownloadExportResponse whose data is sent from where it was read to, without a copy.
type piece struct {
	head, tail []byte
	data       mem.Buffer
}

// newPiece takes over the data, and says of it what rest says.
func newPiece(data mem.Buffer, rest *strawv1.DownloadExportResponse) (*piece, error) {
	tail, err := proto.Marshal(rest)
	head := protowire.AppendVarint(protowire.AppendTag(nil, dataField, protowire.BytesType), uint64(data.Len()))
	return &piece{head: head, tail: tail, data: data}, err
}

// buffers is the message in pieces, which the transport frees.
func (p *piece) buffers() mem.BufferSlice {
	return mem.BufferSlice{mem.SliceBuffer(p.head), p.data, mem.SliceBuffer(p.tail)}
}
