package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"math/rand/v2"
	"strconv"
	"time"
)

const (
	webhookPath     = "/webhooks/juicebox"
	signatureHeader = "X-Juicebox-Signature"
	// webhookSecret signs every webhook of a run; it guards nothing.
	webhookSecret = "bench-secret"
)

// IDOrder says how the ids of generated webhooks follow each other.
type IDOrder string

const (
	// RandomIDs have no order, as UUIDv4 has none: each lands elsewhere in an index.
	RandomIDs IDOrder = "random"
	// OrderedIDs grow with time, as UUIDv7, ULID and KSUID do.
	OrderedIDs IDOrder = "ordered"
)

// Webhooks generates realistic webhooks of all documented types in turn. The same seed gives the same webhooks.
type Webhooks struct {
	Order IDOrder
	// Seed tells streams of webhooks apart. With OrderedIDs a larger seed's ids come after a smaller one's.
	Seed uint64

	random *rand.Rand
	index  uint32
}

// Next returns the id and body of the next webhook. The last eight digits of an id are the webhook's index, from 0.
func (w *Webhooks) Next() (id string, body []byte) {
	if w.random == nil {
		w.random = rand.New(rand.NewPCG(w.Seed, 1))
	}
	prefix := w.random.Uint64()
	if w.Order == OrderedIDs {
		prefix = w.Seed<<32 | uint64(w.index)
	}
	id = fmt.Sprintf("evt_%016x%08x", prefix, w.index)
	body = fmt.Appendf(nil, `{"id":"%s","type":"%s","created_at":"%s","data":{`, id, webhookTypes[w.index%5], createdAt)
	body = appendData(body, w.index)
	w.index++
	return id, append(body, "}}"...)
}

// indexOf reads the index from an id that Next made; false for any other id.
func indexOf(id string) (int, bool) {
	if len(id) != len("evt_")+24 {
		return 0, false
	}
	index, err := strconv.ParseUint(id[len(id)-8:], 16, 32)
	return int(index), err == nil
}

// The types of the load leave export.ready out: the gateway would fetch what each announces.
var (
	webhookTypes = [5]string{"analysis.completed", "dataset.updated", "analysis.completed", "quota.warning", "search.alert"}
	createdAt    = time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC).Format(time.RFC3339)
)

func appendData(b []byte, i uint32) []byte {
	switch i % 5 {
	case 0:
		return fmt.Appendf(b, `"analysis_id":"an_%010d","result_count":%d,"query":"staff engineers in Berlin who wrote a database"`, i, i%1000)
	case 1:
		return fmt.Appendf(b, `"dataset_id":"ds_%010d","records_added":%d,"total_records":%d`, i, i%500, i)
	case 2:
		return fmt.Appendf(b, `"analysis_id":"an_%010d","result_count":%d,"query":"product designers near Lisbon, five years and more, open to work, with a portfolio"`, i, i%1000)
	case 3:
		return fmt.Appendf(b, `"usage_percent":%d.5,"reset_date":"2026-12-01","plan_tier":"growth"`, i%90)
	default:
		return fmt.Appendf(b, `"alert_id":"al_%010d","new_matches":%d,"criteria":"machine learning, remote, open to work"`, i, i%40)
	}
}

// A signer makes complete signed HTTP/1.1 requests for one host.
type signer struct {
	host string
	mac  hash.Hash
}

func newSigner(host string) *signer {
	return &signer{host: host, mac: hmac.New(sha256.New, []byte(webhookSecret))}
}

// request appends the request's bytes to b.
func (s *signer) request(b, body []byte) []byte {
	s.mac.Reset()
	s.mac.Write(body)
	b = fmt.Appendf(b, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s: ",
		webhookPath, s.host, len(body), signatureHeader)
	b = hex.AppendEncode(b, s.mac.Sum(nil))
	return append(append(b, "\r\n\r\n"...), body...)
}
