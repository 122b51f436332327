package rest

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/blob"
)

// Exports opens an export's file under the rules of the API's DownloadExport; its errors are the API's statuses. Files are
// served from it and not through a call: raw bytes gain nothing from being framed in between.
type Exports interface {
	OpenExport(ctx context.Context, id string) (*strawv1.Export, *blob.Reader, error)
}

const downloadPath = "/v1/exports/{id}:download"

// downloadPatience is how long a caller may take for a chunk.
const downloadPatience = 2 * time.Minute

// chunkPatience is for how long a chunk is kept for a caller that takes nothing: it costs more than such a caller may, and can
// be had again.
const chunkPatience = 2 * time.Second

// A downloader serves files as raw bytes: whole or by Range, with the SHA-256 as their ETag.
type downloader struct{ exports Exports }

func (d downloader) serve(w http.ResponseWriter, r *http.Request, path map[string]string) {
	x, file, err := d.exports.OpenExport(r.Context(), path["id"])
	if err != nil {
		writeError(w, err)
		return
	}
	content := newContent(file, http.NewResponseController(w))
	defer content.close()
	describeFile(w.Header(), x, file.Info())
	http.ServeContent(w, r, "", file.Info().StoreTime, content)
	if content.failed {
		panic(http.ErrAbortHandler) // so that what was cut doesn't look complete
	}
}

// describeFile says what the bytes are. A browser must save them, and not show them: a stranger wrote them.
func describeFile(h http.Header, x *strawv1.Export, info blob.Info) {
	h.Set("Content-Type", "application/octet-stream")
	if info.Origin.ContentType != "" {
		h.Set("Content-Type", info.Origin.ContentType)
	}
	if info.Origin.ContentEncoding != "" {
		h.Set("Content-Encoding", info.Origin.ContentEncoding)
	}
	h.Set("ETag", `"`+hex.EncodeToString(info.SHA256[:])+`"`)
	h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(info.SHA256[:])+":")
	h.Set("Cache-Control", "private, no-cache") // ask before using it again, which the ETag makes cheap
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": fileName(x)}))
}

// fileName is the export's id and format, with what file systems or shells may take for more than a name replaced.
func fileName(x *strawv1.Export) string {
	const most = 100
	tame := func(text string) string {
		return strings.Map(func(r rune) rune {
			switch {
			case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
				return r
			}
			return '_'
		}, text[:min(len(text), most)])
	}
	name := strings.TrimLeft(tame(x.GetId()), ".")
	if name == "" {
		name = "export"
	}
	if x.GetFormat() != "" {
		name += "." + strings.Trim(tame(x.GetFormat()), ".")
	}
	return name
}

// content is a file that notes whether reading failed, gives the caller time for each chunk instead of for all, and keeps no
// chunk for one that stalls.
type content struct {
	response *http.ResponseController
	left     int // bytes until the time is extended
	failed   bool

	mu      sync.Mutex
	file    *blob.Reader
	stalled *time.Timer // forgets the chunk
}

func newContent(file *blob.Reader, response *http.ResponseController) *content {
	c := &content{response: response, file: file}
	c.stalled = time.AfterFunc(chunkPatience, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		file.Forget()
	})
	return c
}

// Read implements io.Reader.
func (c *content) Read(p []byte) (int, error) {
	if c.left <= 0 {
		c.left = blob.ChunkSize
		_ = c.response.SetWriteDeadline(time.Now().Add(downloadPatience)) // every server can
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.file.Read(p)
	c.left -= n
	if err != nil && !errors.Is(err, io.EOF) {
		c.failed = true
	}
	c.stalled.Reset(chunkPatience)
	return n, err
}

// Seek implements io.Seeker.
func (c *content) Seek(offset int64, whence int) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.file.Seek(offset, whence)
}

func (c *content) close() {
	c.stalled.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.file.Close() // nothing is lost by an error: what was read was checked
}
