package conformance

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"
)

// files stands for Juicebox's file server.
type files struct {
	*httptest.Server
	host string
}

// startFiles serves /ID/SIZE as exportBytes makes it.
func startFiles() *files {
	f := &files{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, size, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		n, err := strconv.ParseInt(size, 10, 64)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/csv")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(exportBytes(id, n)))
	}))
	f.host = strings.TrimPrefix(f.URL, "http://")
	return f
}

func (f *files) link(id string, size int64) string { return fmt.Sprintf("%s/%s/%d", f.URL, id, size) }

// exportBytes are the bytes of an export: they follow from its id, and don't compress.
func exportBytes(id string, size int64) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte(id))).Read(b) // never fails
	return b
}
