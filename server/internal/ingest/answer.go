package ingest

import (
	"net/http"
	"strconv"
)

// An answer is a response that is the same for every request, written once. Its header values are shared: never changed.
type answer struct {
	status int
	header []field
	body   []byte
}

type field struct {
	name  string
	value []string
}

// Every answer that the port gives.
var (
	stored    = jsonAnswer(http.StatusOK, `{"received":true}`)
	duplicate = jsonAnswer(http.StatusOK, `{"received":true,"duplicate":true}`)

	unauthorized        = jsonAnswer(http.StatusUnauthorized, `{"error":"Invalid signature"}`)
	tooLarge            = jsonAnswer(http.StatusRequestEntityTooLarge, `{"error":"The body has more than 1048576 bytes"}`)
	unsupportedEncoding = jsonAnswer(http.StatusUnsupportedMediaType,
		`{"error":"Content-Encoding is not supported; send the body as it was signed"}`, "Accept-Encoding", "identity")
	usePost    = jsonAnswer(http.StatusMethodNotAllowed, `{"error":"Only POST is allowed here"}`, "Allow", "POST")
	badFraming = jsonAnswer(http.StatusBadRequest,
		`{"error":"The body ended early, or its length is not clear"}`, "Connection", "close")
	tooSlow = jsonAnswer(http.StatusRequestTimeout, `{"error":"The body came too slowly"}`, "Connection", "close")

	// Retry-After in seconds: queues empty fast, disks don't.
	trySoon      = unavailable("1")
	tryLater     = unavailable("5")
	tryMuchLater = unavailable("60")

	healthy  = newAnswer(http.StatusOK, "ok\n", "Content-Type", "text/plain; charset=utf-8")
	useGet   = jsonAnswer(http.StatusMethodNotAllowed, `{"error":"Only GET is allowed here"}`, "Allow", "GET, HEAD")
	notFound = jsonAnswer(http.StatusNotFound, `{"error":"Not found"}`)
)

func unavailable(retryAfter string) *answer {
	return jsonAnswer(http.StatusServiceUnavailable, `{"error":"The event can't be stored now; send it again"}`, "Retry-After", retryAfter)
}

func jsonAnswer(status int, body string, header ...string) *answer {
	return newAnswer(status, body, append(header, "Content-Type", "application/json")...)
}

// newAnswer takes header names and values in turn; the names must be spelled as http.Header's keys are.
func newAnswer(status int, body string, header ...string) *answer {
	a := &answer{status: status, body: []byte(body)}
	header = append(header, "Content-Length", strconv.Itoa(len(body)))
	for i := 0; i < len(header); i += 2 {
		a.header = append(a.header, field{header[i], []string{header[i+1]}})
	}
	return a
}

func (a *answer) write(w http.ResponseWriter) {
	header := w.Header()
	for _, f := range a.header {
		header[f.name] = f.value
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a sender that is gone is none the wiser
}
