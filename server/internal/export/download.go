package export

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/straw-gateway/straw/server/internal/blob"
)

// maxField bounds what is kept of one of the server's headers, in bytes.
const maxField = 256

// maxRetryAfter bounds how long a server may ask to be left alone; by then its link is dead.
const maxRetryAfter = time.Hour

// Resume is what an earlier download of the link has brought.
type Resume struct {
	// Offset is how many bytes are there.
	Offset int64
	// ETag is what the server called the file. Without one, or with a weak one, nothing can be continued.
	ETag string
}

func (r Resume) usable() bool { return r.Offset > 0 && strongETag(r.ETag) }

// strongETag says whether equal tags mean equal bytes, and that it is one.
func strongETag(tag string) bool {
	return len(tag) >= 2 && len(tag) <= maxField && tag[0] == '"' && tag[len(tag)-1] == '"' && !strings.ContainsAny(tag[1:len(tag)-1], "\"\r\n")
}

// A Download is a file on its way.
type Download struct {
	// Offset is where the body begins: Resume.Offset or 0.
	Offset int64
	// Size is that of the whole file in bytes; -1 if the server didn't say.
	Size int64
	// Origin is what the server said of the file. Bytes with a ContentEncoding come as they are: not decompressing is what
	// makes MaxBytes hold. The ETag is empty unless it is strong.
	Origin blob.Origin
	// Body is the bytes. It must be closed. io.EOF means that they are complete; all other errors are DownloadErrors.
	Body io.ReadCloser
}

// judge tells a file from what isn't one. Without an error or a download the server can't continue the file.
func (c *Client) judge(host string, answer *http.Response, from Resume) (*Download, error) {
	download, err := c.accept(host, answer, from)
	if download == nil {
		_ = answer.Body.Close()
	}
	return download, err
}

func (c *Client) accept(host string, answer *http.Response, from Resume) (*Download, error) {
	switch status := answer.StatusCode; {
	case status == http.StatusOK:
		return c.whole(host, answer)
	case status == http.StatusPartialContent && from.usable():
		return c.rest(host, answer, from)
	case status == http.StatusRequestedRangeNotSatisfiable && from.usable():
		return nil, nil
	default:
		return nil, refusal(host, answer)
	}
}

// refusal says what an answer means that is no file. The server's own words aren't repeated.
func refusal(host string, answer *http.Response) error {
	status := answer.StatusCode
	e := &DownloadError{Kind: ErrRefused, Host: host, Status: status, Detail: fmt.Sprintf("it answers %d", status)}
	if text := http.StatusText(status); text != "" {
		e.Detail += " " + text
	}
	switch {
	case status == http.StatusBadRequest, status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound, status == http.StatusGone:
		// Object stores say one or the other of a link that has expired.
		e.Kind = ErrLinkDead
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		e.Kind = ErrTemporary
		e.RetryAfter = retryAfter(answer.Header.Get("Retry-After"), time.Now())
	}
	return e
}

// retryAfter reads seconds or a date.
func retryAfter(text string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(text); err == nil {
		wait = date.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// whole accepts a file from its first byte. The end of the body must be marked: otherwise a cut file would pass for a whole one.
func (c *Client) whole(host string, answer *http.Response) (*Download, error) {
	if answer.ContentLength < 0 && len(answer.TransferEncoding) == 0 {
		return nil, &DownloadError{Kind: ErrRefused, Host: host, Status: answer.StatusCode,
			Detail: "it sends a file without its length, so that a cut one would look complete"}
	}
	if answer.ContentLength > c.options.MaxBytes {
		return nil, c.tooLarge(host)
	}
	return &Download{
		Size:   answer.ContentLength,
		Origin: origin(answer.Header),
		Body:   &body{client: c, host: host, source: answer.Body, left: answer.ContentLength, allowance: c.options.MaxBytes},
	}, nil
}

// rest accepts the bytes from an offset to the end, if they are just that and of the same file.
func (c *Client) rest(host string, answer *http.Response, from Resume) (*Download, error) {
	o := origin(answer.Header)
	first, last, size, ok := parseContentRange(answer.Header.Get("Content-Range"))
	length := last - first + 1
	if !ok || first != from.Offset || last != size-1 ||
		answer.ContentLength >= 0 && answer.ContentLength != length ||
		o.ETag != "" && o.ETag != from.ETag {
		return nil, nil
	}
	if size > c.options.MaxBytes {
		return nil, c.tooLarge(host)
	}
	o.ETag = from.ETag
	return &Download{
		Offset: first, Size: size, Origin: o,
		Body: &body{client: c, host: host, source: answer.Body, left: length, allowance: length},
	}, nil
}

func (c *Client) tooLarge(host string) error {
	return &DownloadError{Kind: ErrTooLarge, Host: host, Detail: fmt.Sprintf("it has more than %d bytes", c.options.MaxBytes)}
}

// parseContentRange reads `bytes first-last/size`.
func parseContentRange(text string) (first, last, size int64, ok bool) {
	span, total, ok := strings.Cut(strings.TrimPrefix(text, "bytes "), "/")
	begin, end, ok2 := strings.Cut(span, "-")
	if !ok || !ok2 || !strings.HasPrefix(text, "bytes ") {
		return 0, 0, 0, false
	}
	for _, number := range []struct {
		text string
		to   *int64
	}{{begin, &first}, {end, &last}, {total, &size}} {
		n, err := strconv.ParseUint(number.text, 10, 63)
		if err != nil {
			return 0, 0, 0, false
		}
		*number.to = int64(n)
	}
	return first, last, size, first <= last && last < size
}

// origin keeps what is well formed of the server's words about the file.
func origin(header http.Header) blob.Origin {
	var o blob.Origin
	if t := header.Get("Content-Type"); len(t) <= maxField {
		if _, _, err := mime.ParseMediaType(t); err == nil {
			o.ContentType = t
		}
	}
	if e := strings.Join(header.Values("Content-Encoding"), ", "); len(e) <= maxField && !strings.EqualFold(e, "identity") {
		o.ContentEncoding = e
	}
	if tag := header.Get("ETag"); strongETag(tag) {
		o.ETag = tag
	}
	return o
}
