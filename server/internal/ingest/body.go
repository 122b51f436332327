package ingest

import (
	"errors"
	"io"
	"net/http"
	"net/netip"
	"time"

	"github.com/straw-gateway/straw/server/internal/event"
)

var errNoMemory = errors.New("the large webhooks under way take all the memory that is set aside for them")

// A length is only a claim: memory is taken as the bytes come, firstRead at first and then twice as much each time. A body of
// at most smallBody, as nearly all are, asks nobody for it, for there are only so many connections.
const (
	firstRead = 4 << 10
	smallBody = 16 << 10
)

// pieceBytes are what must come of a large body at a time. With MinRate they make the time within which the next ones must.
const pieceBytes = 32 << 10

// An incoming is a request whose body is read.
type incoming struct {
	handler *handler
	w       http.ResponseWriter
	r       *http.Request

	// Of a large body, whose since is set:
	since    time.Time // when it became one
	peer     netip.Addr
	exempt   bool
	pieces   int           // begun
	held     int64         // of the budget
	given    bool          // it gives way to another; only the budget touches it
	released chan struct{} // closed once it holds nothing
}

// read reads a body of at most event.MaxBody bytes. Its errors are those of the connection, errNoMemory, and
// http.MaxBytesError. The body belongs to the caller. The budget must be released in any case, once the request is answered.
func (in *incoming) read() ([]byte, error) {
	source, size := io.Reader(in.r.Body), int(in.r.ContentLength)
	room := size // for the next part
	if size < 0 {
		source, size, room = http.MaxBytesReader(in.w, in.r.Body, event.MaxBody), -1, event.MaxBody+1
	}
	var body []byte
	for len(body) != size {
		if len(body) == cap(body) {
			var err error
			if body, err = in.grow(body, room); err != nil {
				return nil, err
			}
		}
		in.hurry(len(body))
		n, err := source.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err == io.EOF && (size < 0 || len(body) == size) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	in.arrived()
	return body, nil
}

// grow doubles a buffer's room, up to most bytes.
func (in *incoming) grow(body []byte, most int) ([]byte, error) {
	size := min(most, max(firstRead, 2*cap(body)))
	if size > smallBody {
		if in.since.IsZero() {
			in.becomeLarge()
		}
		more := int64(size) - in.held
		if !in.handler.memory.take(in, more) {
			return body, errNoMemory
		}
	}
	return append(make([]byte, 0, size), body...), nil
}

func (in *incoming) becomeLarge() {
	in.since, in.released = time.Now(), make(chan struct{})
	if addr, err := netip.ParseAddrPort(in.r.RemoteAddr); err == nil {
		in.peer, in.exempt = in.handler.Peers.OfAddr(addr.Addr())
	}
}

// end is when all of a large body must be here.
func (in *incoming) end() time.Time { return in.since.Add(in.handler.ReadTimeout) }

// hurry gives a large body of which so much is here a deadline for its next piece, if that begins.
func (in *incoming) hurry(read int) {
	if in.since.IsZero() || read < in.pieces*pieceBytes {
		return
	}
	in.pieces = read/pieceBytes + 1
	next := time.Now().Add(time.Duration(float64(pieceBytes) / float64(in.handler.MinRate) * float64(time.Second)))
	if next.After(in.end()) {
		next = in.end()
	}
	in.handler.memory.deadline(in, next)
}

// arrived lifts the deadline of the last piece, for net/http goes on reading while the request is answered.
func (in *incoming) arrived() {
	if !in.since.IsZero() {
		in.handler.memory.arrived(in)
		in.setDeadline(in.end())
	}
}

func (in *incoming) setDeadline(at time.Time) {
	_ = http.NewResponseController(in.w).SetReadDeadline(at) // a connection that can't is about to fail anyway
}

func (in *incoming) release() {
	if !in.since.IsZero() {
		in.handler.memory.release(in)
	}
}
