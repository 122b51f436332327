package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// A gauge reads what a gateway takes of the machine.
type gauge struct {
	g     *gateway
	store string // the store's folder: how many tables Pebble has open is its own affair
	http  *http.Client
}

// A reading is what a gateway takes at one moment.
type reading struct {
	at time.Time
	// live is what the last collection of the heap found in use, in bytes. The block cache and the memtables are no part of
	// it: with cgo Pebble allocates both outside of Go's heap.
	live        int64
	collections int64
	goroutines  int64
	resident    int64 // bytes
	descriptors int   // outside of the store
}

func (r reading) String() string {
	return fmt.Sprintf("live heap %.1f MiB after %d collections, %d goroutines, %d descriptors outside of the store, resident %d MiB",
		float64(r.live)/(1<<20), r.collections, r.goroutines, r.descriptors, r.resident>>20)
}

func newGauge(g *gateway, dir string) *gauge {
	return &gauge{g: g, store: filepath.Join(dir, "store"), http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}}
}

// read takes a reading. Its own request is in each one alike.
func (g *gauge) read() (reading, error) {
	r := reading{at: time.Now()}
	resp, err := g.http.Get(g.g.http + "/metrics")
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return r, fmt.Errorf("GET /metrics: %s", resp.Status)
	}
	wanted := map[string]*int64{
		"go_gc_heap_live_bytes": &r.live, "go_gc_duration_seconds_count": &r.collections, "go_goroutines": &r.goroutines,
		"process_resident_memory_bytes": &r.resident,
	}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, text, _ := strings.Cut(lines.Text(), " ")
		if figure := wanted[name]; figure != nil {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return r, err
			}
			*figure = int64(v)
			delete(wanted, name)
		}
	}
	if len(wanted) > 0 {
		return r, fmt.Errorf("/metrics lacks %v", wanted)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return r, err
	}
	r.descriptors, err = g.descriptors()
	return r, err
}

// descriptors is how many the process has open, outside of the store.
func (g *gauge) descriptors() (n int, err error) {
	dir := fmt.Sprintf("/proc/%d/fd", g.g.cmd.Process.Pid)
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join(dir, entry.Name()))
		if err == nil && !strings.HasPrefix(target, g.store) { // it may have been closed meanwhile
			n++
		}
	}
	return n, err
}

// follow reads each second until the context ends.
func (g *gauge) follow(ctx context.Context) (readings []reading) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return readings
		case <-tick.C:
			if r, err := g.read(); err == nil { // a busy gateway may answer late; too few readings fail the run
				readings = append(readings, r)
			}
		}
	}
}

// atRest waits until a gateway that has no clients is quiet, has its heap collected anew, and returns the reading.
func (g *gauge) atRest(t testing.TB) reading {
	t.Helper()
	var latest reading
	least, since := int64(math.MaxInt64), time.Now() // of goroutines
	poll(time.Minute, func() bool {
		var err error
		if latest, err = g.read(); err != nil {
			t.Fatalf("%v\n%s", err, g.g.logs)
		}
		if latest.goroutines < least {
			least, since = latest.goroutines, time.Now()
		}
		return time.Since(since) > 2*time.Second
	})
	for from := latest.collections; latest.collections < from+2; {
		g.allocate(t)
		r, err := g.read()
		if err != nil {
			t.Fatalf("%v\n%s", err, g.g.logs)
		}
		latest = r
	}
	return latest
}

// allocate has the gateway make garbage, so that it collects: nothing from outside makes it collect otherwise.
func (g *gauge) allocate(t testing.TB) {
	t.Helper()
	resp, err := g.http.Get(g.g.http + "/v1/events?pageSize=1000")
	if err != nil {
		t.Fatalf("%v\n%s", err, g.g.logs)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
}

// A quarter is what the readings of a stretch of time come to.
type quarter struct {
	least       reading // with the smallest live heap, which has the least of what merely passes by
	peak        int64   // of the live heap
	resident    int64   // the most
	readings    int
	collections int64
}

func stretch(readings []reading, from, to time.Time) (q quarter) {
	var first int64
	for _, r := range readings {
		if r.at.Before(from) || r.at.After(to) {
			continue
		}
		if q.readings == 0 {
			first = r.collections
		}
		if q.readings == 0 || r.live < q.least.live {
			q.least = r
		}
		q.peak, q.resident = max(q.peak, r.live), max(q.resident, r.resident)
		q.collections = r.collections - first
		q.readings++
	}
	return q
}

func (q quarter) String() string {
	return fmt.Sprintf("live heap %.1f to %.1f MiB in %d collections, at most %d MiB resident", float64(q.least.live)/(1<<20), float64(q.peak)/(1<<20), q.collections, q.resident>>20)
}

// checkHeap compares a stretch of time with a later one.
func (s *soak) checkHeap(when string, before, after quarter) {
	s.t.Logf("second quarter: %v\nlast quarter: %v", before, after)
	if before.collections < minCollections || after.collections < minCollections {
		s.problem(problemIdle, "the heap was collected only %d and %d times", before.collections, after.collections)
		return
	}
	if grown := after.least.live - before.least.live; grown > s.plan.grows {
		s.problem(problemHeap, "%s from %d to %d MiB, and %d are allowed", when, before.least.live>>20, after.least.live>>20, s.plan.grows>>20)
	}
}

// checkRest holds a gateway whose clients have all left to what it took before they came.
func (s *soak) checkRest(idle reading) {
	var now reading
	back := func() bool {
		var err error
		if now, err = s.gauge.read(); err != nil {
			s.t.Fatalf("%v\n%s", err, s.g.logs)
		}
		return now.goroutines <= idle.goroutines+spareGoroutines && now.descriptors <= idle.descriptors+spareDescriptors
	}
	poll(s.plan.patience, back)
	if back() {
		now = s.gauge.atRest(s.t)
	}
	s.t.Logf("before: %v\nafter: %v", idle, now)
	if now.goroutines > idle.goroutines+spareGoroutines {
		s.problem(problemGoroutines, "%d, %v after all clients left; %d before they came", now.goroutines, s.plan.patience, idle.goroutines)
	}
	if now.descriptors > idle.descriptors+spareDescriptors {
		s.problem(problemDescriptors, "%d, %v after all clients left; %d before they came", now.descriptors, s.plan.patience, idle.descriptors)
	}
	if grown := now.live - idle.live; grown > s.plan.grows {
		s.problem(problemHeap, "from %d MiB before the clients came to %d after they left, and %d are allowed", idle.live>>20, now.live>>20, s.plan.grows>>20)
	}
}

// poll waits until something holds, or for so long.
func poll(atMost time.Duration, holds func() bool) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(atMost); !holds() && time.Now().Before(deadline); {
		<-tick.C
	}
}

// listAll reads the whole log in pages.
func (s *soak) listAll() []*strawv1.Event {
	conn := s.dialSoak()
	defer conn.Close()
	var all []*strawv1.Event
	for token := ""; ; {
		page, err := strawv1.NewEventServiceClient(conn).ListEvents(s.t.Context(), &strawv1.ListEventsRequest{PageSize: 1000, PageToken: token})
		if err != nil {
			s.t.Fatalf("list the log: %v\n%s", err, s.g.logs)
		}
		all = append(all, page.GetEvents()...)
		if token = page.GetNextPageToken(); token == "" {
			return all
		}
	}
}
