package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sync/errgroup"
)

// BareFetcherConfig is which small files are fetched, and where to.
type BareFetcherConfig struct {
	// Addr is the server's; files are numbered from 0.
	Addr  string
	Dir   string
	Files int
	// Concurrency is how many downloads run at once.
	Concurrency int
}

// bareFetcher is the least that storing files takes: each is downloaded into a file, which is synced. Nobody is told, nothing
// is checked, and a crash leaves what it likes. It keeps its connections, for nothing it asks was chosen by a stranger.
type bareFetcher struct {
	config BareFetcherConfig
	client *http.Client
}

func openBareFetcher(config BareFetcherConfig) (*bareFetcher, any, error) {
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: config.Concurrency}
	return &bareFetcher{config, &http.Client{Transport: transport}}, struct{}{}, nil
}

// do fetches all files once, and returns how long that took.
func (f *bareFetcher) do(verb string, _ json.RawMessage) (any, error) {
	if verb != "fetch" {
		return nil, errVerb(verb)
	}
	began := monotonic()
	fetching, ctx := errgroup.WithContext(context.Background())
	fetching.SetLimit(f.config.Concurrency)
	for i := range f.config.Files {
		fetching.Go(func() error { return f.fetch(ctx, strconv.Itoa(i)) })
	}
	err := fetching.Wait()
	return ReplayResult{Events: f.config.Files, Elapsed: monotonic() - began}, err
}

func (f *bareFetcher) fetch(ctx context.Context, number string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.config.Addr+smallPath+number, nil)
	if err != nil {
		return err
	}
	answer, err := f.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("file %s: %s", number, answer.Status)
	}
	file, err := os.Create(filepath.Join(f.config.Dir, number))
	if err != nil {
		return err
	}
	_, err = io.Copy(file, answer.Body)
	if err == nil {
		err = file.Sync()
	}
	if closing := file.Close(); err == nil {
		err = closing
	}
	return err
}

func (f *bareFetcher) close() { f.client.CloseIdleConnections() }
