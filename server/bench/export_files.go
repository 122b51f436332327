package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
)

// ExportFilesConfig is what stands for Juicebox's file server holds.
type ExportFilesConfig struct {
	Dir string
	// Large is the size of its one large file, and Small that of each small one, in bytes.
	Large int64
	Small int
}

// Where the files are. A small one's number follows its path.
const (
	largePath = "/large"
	smallPath = "/small/"
)

// exportFiles serves files the way net/http does without sendfile: from the page cache through a buffer of the process, as
// whoever looks at the bytes must. It is the server that exports are fetched from, and the limit of serving them.
type exportFiles struct {
	noRequests
	large string
	small int
	stop  func()
}

func openExportFiles(config ExportFilesConfig) (*exportFiles, any, error) {
	f := &exportFiles{large: filepath.Join(config.Dir, "large"), small: config.Small}
	if err := writeNoise(f.large, config.Large); err != nil {
		return nil, nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+largePath, f.serveLarge)
	mux.HandleFunc("GET "+smallPath+"{number}", f.serveSmall)
	var addrs Addresses
	var err error
	addrs.HTTP, f.stop, err = serveHTTP(mux)
	if err != nil {
		return nil, nil, err
	}
	return f, addrs, nil
}

// noise is bytes that no one can guess, always the same of a seed.
func noise(seed uint64) io.Reader {
	var key [32]byte
	key[0], key[1], key[2], key[3] = byte(seed), byte(seed>>8), byte(seed>>16), byte(seed>>24)
	return rand.NewChaCha8(key)
}

func writeNoise(path string, size int64) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(file, noise(0), size); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}

// withoutSendfile hides that the connection could take a file from the kernel.
type withoutSendfile struct{ http.ResponseWriter }

func (f *exportFiles) serveLarge(w http.ResponseWriter, r *http.Request) {
	http.ServeFile(withoutSendfile{w}, r, f.large)
}

func (f *exportFiles) serveSmall(w http.ResponseWriter, r *http.Request) {
	number, err := strconv.ParseUint(r.PathValue("number"), 10, 32)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	content, err := smallFile(number, f.small)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/csv")
	w.Header().Set("ETag", fmt.Sprintf(`"%d"`, number))
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content) // a client that is gone is its own problem
}

func smallFile(number uint64, size int) ([]byte, error) {
	content := make([]byte, size)
	_, err := io.ReadFull(noise(number+1), content)
	return content, err
}

func (f *exportFiles) close() { f.stop() }
