package ingest

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/straw-gateway/straw/server/internal/event"
)

var errNoMemory = errors.New("the webhooks under way take all the memory that is set aside for them")

// firstRead bounds what is allocated for a body before any of it has come: a length is only a claim.
const firstRead = 32 << 10

// A budget bounds the memory that bodies take together. What it reads belongs to the caller, who releases it once the request
// is answered.
type budget struct {
	limit int64
	used  atomic.Int64
}

// read reads a request's body of at most event.MaxBody bytes. Its errors are those of the connection, errNoMemory, and
// http.MaxBytesError. The body must be released in any case.
func (b *budget) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	source, size := io.Reader(r.Body), int(r.ContentLength)
	room := size // for the next part
	if size < 0 {
		source, size, room = http.MaxBytesReader(w, r.Body, event.MaxBody), -1, event.MaxBody+1
	}
	var body []byte
	for len(body) != size {
		if len(body) == cap(body) {
			var err error
			if body, err = b.grow(body, room); err != nil {
				return body, err
			}
		}
		n, err := source.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err == io.EOF && (size < 0 || len(body) == size) {
			break
		}
		if err != nil {
			return body, err
		}
	}
	return body, nil
}

// grow doubles a buffer's room, up to most bytes.
func (b *budget) grow(body []byte, most int) ([]byte, error) {
	size := min(most, max(firstRead, 2*cap(body)))
	if more := int64(size - cap(body)); b.used.Add(more) > b.limit {
		b.used.Add(-more)
		return body, errNoMemory
	}
	return append(make([]byte, 0, size), body...), nil
}

func (b *budget) release(body []byte) { b.used.Add(-int64(cap(body))) }
