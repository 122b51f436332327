package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	straw "github.com/straw-gateway/straw/clients/go"
	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
	"github.com/straw-gateway/straw/server/internal/signature"
)

const (
	// smallExport is the size of each of many exports, in bytes.
	smallExport = 16 << 10
	// fetches is how many exports Straw downloads at once, and the limit beside it.
	fetches = 4
)

// exports measures how long it takes to store many small exports that are announced at once, beside a bare fetcher.
func (b *Bench) exports(ctx context.Context) ([]Result, error) {
	files, err := b.startExportFiles(ctx)
	if err != nil {
		return nil, err
	}
	defer files.Kill()
	m, err := b.rounds(ctx, "exports",
		Side{"bare", func(ctx context.Context) (Sample, error) { return b.fetchedBare(ctx, files) }},
		Side{"straw", func(ctx context.Context) (Sample, error) { return b.fetchedByStraw(ctx, files) }},
	)
	if err != nil {
		return nil, err
	}
	line := func(what, name, unit string) Result {
		return compare("exports", fmt.Sprintf("%s of %d small exports", what, b.scale.Exports), unit, m.figure("bare", name), m.figure("straw", name), Bar{})
	}
	return []Result{line("last stored", "s", "s"), line("CPU per export,", "cpu_us", "µs")}, nil
}

func (b *Bench) fetchedBare(ctx context.Context, files *Target) (Sample, error) {
	dir, err := os.MkdirTemp(b.dir, "bare-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	fetcher, err := startRole(ctx, "export-fetcher", BareFetcherConfig{Addr: files.HTTP, Dir: dir, Files: b.scale.Exports, Concurrency: fetches}, nil)
	if err != nil {
		return nil, err
	}
	defer fetcher.Kill()
	before, err := fetcher.CPU()
	if err != nil {
		return nil, err
	}
	var r ReplayResult
	if err := fetcher.call(ctx, "fetch", nil, &r); err != nil {
		return nil, err
	}
	after, err := fetcher.CPU()
	return b.fetchedIn(r.Elapsed, after-before), err
}

func (b *Bench) fetchedIn(elapsed, cpu time.Duration) Sample {
	return Sample{"s": elapsed.Seconds(), "cpu_us": microseconds(cpu) / float64(b.scale.Exports)}
}

func (b *Bench) fetchedByStraw(ctx context.Context, files *Target) (Sample, error) {
	announcements, sums := make([]Announced, b.scale.Exports), make(map[string]string, b.scale.Exports)
	for i := range announcements {
		number := strconv.Itoa(i)
		announcements[i] = Announced{ID: "exp_" + number, Link: "http://" + files.HTTP + smallPath + number}
		content, err := smallFile(uint64(i), smallExport)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(content)
		sums[announcements[i].ID] = hex.EncodeToString(sum[:])
	}
	t, err := b.freshStraw(ctx, "STRAW_EXPORT_ALLOW_HOST="+files.HTTP)
	if err != nil {
		return nil, err
	}
	defer t.Kill()
	cpu, err := t.CPU()
	if err != nil {
		return nil, err
	}
	began := monotonic()
	if err := b.announced(ctx, t, announcements, sums); err != nil {
		return nil, err
	}
	elapsed := monotonic() - began
	after, err := t.CPU()
	return b.fetchedIn(elapsed, after-cpu), err
}

// Announced is an export that Straw is told of.
type Announced struct{ ID, Link string }

// announced posts export.ready webhooks, over as many connections as the load, and returns once the log tells that each export
// is stored, once. sums, if not nil, are the checksums it must tell.
func (b *Bench) announced(ctx context.Context, t *Target, exports []Announced, sums map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return postAnnouncements(ctx, t, exports) })
	both.Go(func() error { return awaitStored(ctx, t, len(exports), sums) })
	return both.Wait()
}

func postAnnouncements(ctx context.Context, t *Target, exports []Announced) error {
	transport := &http.Transport{MaxIdleConnsPerHost: loaders}
	defer transport.CloseIdleConnections()
	posting, ctx := errgroup.WithContext(ctx)
	posting.SetLimit(loaders)
	for _, x := range exports {
		posting.Go(func() error {
			body := fmt.Sprintf(`{"id":"evt_%s","type":"export.ready","data":{"export_id":"%s","download_url":"%s","format":"csv"}}`, x.ID, x.ID, x.Link)
			return postWebhook(ctx, &http.Client{Transport: transport}, t, body)
		})
	}
	return posting.Wait()
}

func postWebhook(ctx context.Context, client *http.Client, t *Target, body string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+t.Webhook+webhookPath, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set(signatureHeader, signature.Sign([]byte(webhookSecret), []byte(body)))
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("an announcement was answered with %s: %s", answer.Status, text)
	}
	return err
}

// awaitStored reads the log until it has told of so many exports.
func awaitStored(ctx context.Context, t *Target, count int, sums map[string]string) error {
	client, err := straw.Dial(t.GRPC)
	if err != nil {
		return err
	}
	defer client.Close()
	told := map[string]bool{}
	for e, err := range client.Subscribe(ctx, straw.SubscribeOptions{Start: straw.Earliest(), Types: []string{"straw.export.*"}}) {
		if err != nil {
			return fmt.Errorf("%d of %d exports were stored: %w", len(told), count, err)
		}
		if err := checkStored(e, told, sums); err != nil {
			return err
		}
		if len(told) == count {
			return nil
		}
	}
	return errors.Join(fmt.Errorf("%d of %d exports were stored", len(told), count), ctx.Err())
}

func checkStored(e *strawv1.Event, told map[string]bool, sums map[string]string) error {
	stored := e.GetExportStored()
	switch id := stored.GetExportId(); {
	case stored == nil:
		return fmt.Errorf("instead of a stored export the log tells of %v", e)
	case told[id]:
		return fmt.Errorf("the log tells twice of %s", id)
	case sums != nil && sums[id] != stored.GetSha256():
		return fmt.Errorf("%s has the SHA-256 %s instead of %s", id, stored.GetSha256(), sums[id])
	default:
		told[id] = true
	}
	return nil
}
