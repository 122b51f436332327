package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// largeExport is the id of the export that is downloaded.
const largeExport = "exp_large"

// download measures how fast one stored export is served, through each door, beside net/http serving the same file.
func (b *Bench) download(ctx context.Context) ([]Result, error) {
	files, err := b.startExportFiles(ctx)
	if err != nil {
		return nil, err
	}
	defer files.Kill()
	straw, strawErr := b.strawStoring(ctx, files)
	if strawErr == nil {
		defer straw.Kill()
	}
	side := func(name string, t *Target, config func(*Target) ExportReaderConfig) Side {
		return Side{name, func(ctx context.Context) (Sample, error) {
			if t == nil {
				return nil, strawErr
			}
			return b.downloaded(ctx, t, config(t))
		}}
	}
	over := func(decode string) func(*Target) ExportReaderConfig {
		return func(t *Target) ExportReaderConfig {
			return ExportReaderConfig{Addr: t.GRPC, Export: largeExport, Decode: decode}
		}
	}
	m, err := b.rounds(ctx, "download",
		side("net/http", files, func(t *Target) ExportReaderConfig { return ExportReaderConfig{URL: "http://" + t.HTTP + largePath} }),
		side("straw, HTTP", straw, func(t *Target) ExportReaderConfig {
			return ExportReaderConfig{URL: "http://" + t.HTTP + "/v1/exports/" + largeExport + ":download"}
		}),
		side("straw, gRPC", straw, over(decodeGenerated)),
		side("straw, gRPC undecoded", straw, over(decodeNothing)),
		side("straw, Go client", straw, over(decodeClient)),
	)
	if err != nil {
		return nil, err
	}
	line := func(what, name, unit, side string, wanted Bar) Result {
		return compare("download", what, unit, m.figure("net/http", name), m.figure(side, name), wanted)
	}
	return []Result{
		line("over HTTP", "mb_per_s", "MB/s", "straw, HTTP", atLeast(0.80)),
		line("over gRPC", "mb_per_s", "MB/s", "straw, gRPC", atLeast(0.60)),
		line("over gRPC, undecoded", "mb_per_s", "MB/s", "straw, gRPC undecoded", Bar{}),
		line("by the Go client, which sums it up", "mb_per_s", "MB/s", "straw, Go client", Bar{}),
		line("server CPU per MB, over HTTP", "server_cpu_us", "µs", "straw, HTTP", Bar{}),
		line("server CPU per MB, over gRPC", "server_cpu_us", "µs", "straw, gRPC", Bar{}),
	}, nil
}

func (b *Bench) startExportFiles(ctx context.Context) (*Target, error) {
	dir, err := os.MkdirTemp(b.dir, "files-")
	if err != nil {
		return nil, err
	}
	return b.startLimit(ctx, "export-files", ExportFilesConfig{Dir: dir, Large: b.scale.Export, Small: smallExport})
}

// strawStoring runs Straw on a new store and returns once it has stored the large file.
func (b *Bench) strawStoring(ctx context.Context, files *Target) (*Target, error) {
	t, err := b.freshStraw(ctx, "STRAW_EXPORT_ALLOW_HOST="+files.HTTP)
	if err != nil {
		return nil, err
	}
	if err := b.announced(ctx, t, []Announced{{ID: largeExport, Link: "http://" + files.HTTP + largePath}}, nil); err != nil {
		t.Kill()
		return nil, err
	}
	return t, nil
}

// downloaded measures a process that downloads the large file again and again. The first time doesn't count, and shows that it
// is the right file.
func (b *Bench) downloaded(ctx context.Context, t *Target, config ExportReaderConfig) (Sample, error) {
	reader, err := startRole(ctx, "export-reader", config, nil)
	if err != nil {
		return nil, err
	}
	defer reader.Kill()
	var first ExportReadResult
	if err := reader.call(ctx, "sum", nil, &first); err != nil {
		return nil, err
	}
	want, err := b.largeSum()
	if err != nil {
		return nil, err
	}
	if config.Decode != decodeNothing && first.SHA256 != want {
		return nil, fmt.Errorf("%d bytes came, with the SHA-256 %s instead of %s", first.Bytes, first.SHA256, want)
	}
	before, err := cpuOf(t.Process, reader)
	if err != nil {
		return nil, err
	}
	var total ExportReadResult
	for range b.scale.ExportPasses {
		var r ExportReadResult
		if err := reader.call(ctx, "read", nil, &r); err != nil {
			return nil, err
		}
		if r.Bytes != b.scale.Export && (config.Decode != decodeNothing || r.Bytes < b.scale.Export) {
			return nil, fmt.Errorf("%d bytes came instead of %d", r.Bytes, b.scale.Export)
		}
		total.Bytes, total.Elapsed = total.Bytes+b.scale.Export, total.Elapsed+r.Elapsed
	}
	after, err := cpuOf(t.Process, reader)
	if err != nil {
		return nil, err
	}
	megabytes := float64(total.Bytes) / 1e6
	return Sample{
		"mb_per_s":      megabytes / total.Elapsed.Seconds(),
		"server_cpu_us": microseconds(after[0]-before[0]) / megabytes, "client_cpu_us": microseconds(after[1]-before[1]) / megabytes,
	}, nil
}

func (b *Bench) largeSum() (string, error) {
	sum := sha256.New()
	if _, err := io.CopyN(sum, noise(0), b.scale.Export); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
