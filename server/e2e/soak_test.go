package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// A soakPlan is how long a soak is, and how hard.
type soakPlan struct {
	bin string
	// lasts is the time under load, after the caches were filled. What the heap needs is compared between its second quarter
	// and its last.
	lasts time.Duration
	// webhooks is how many new ones are posted a second, of about 600 bytes each; duplicates, forgeries and garbage come on top.
	webhooks int
	// fill is how many bytes are posted before, to fill the caches.
	fill int
	// collect is GOGC. Collected more often than it would be, the heap is measured more often; what lives in it is the same.
	collect string
	// grows is how much the live heap may differ, in bytes.
	grows int64
	// patience is how long the gateway may take to let go of what clients had, once they have left.
	patience time.Duration
	// lookups bounds how many events are asked for by their id at the end.
	lookups int
}

// What every soak must have done to mean anything, as a share of its plan: a machine may be slow, but not this slow.
const (
	soakFloor = 0.1
	// minCollections is how often each of the compared stretches of time must have seen the heap collected.
	minCollections = 3
	// spareGoroutines and spareDescriptors may be there at the end that weren't at the beginning: Pebble begins and ends a few
	// as it goes.
	spareGoroutines  = 8
	spareDescriptors = 4
)

// TestSoak lets every kind of client come and go for some minutes, one in ten of them hostile. The caches are filled first.
// Then the gateway's live heap must stay where it is, and when all clients have left, its goroutines and descriptors must be
// those of before. Nothing that was answered 200 may be lost, come twice or out of order, nothing forged may be stored, and
// subscriptions must have had each of their events acknowledged or dead-lettered. STRAW_SOAK sets how long it lasts.
func TestSoak(t *testing.T) {
	bin, err := buildStraw()
	if err != nil {
		t.Fatal(err)
	}
	plan := soakPlan{bin: bin, lasts: 4 * time.Minute, webhooks: 150, fill: 48 << 20, collect: "50", grows: 32 << 20, patience: time.Minute, lookups: 2000}
	if text := os.Getenv("STRAW_SOAK"); text != "" {
		if plan.lasts, err = time.ParseDuration(text); err != nil {
			t.Fatalf("STRAW_SOAK: %v", err)
		}
	}
	s := runSoak(t, plan)
	for _, kind := range slices.Sorted(maps.Keys(s.problems)) {
		found := s.problems[kind]
		t.Errorf("%s, %d times: %s", kind, len(found), strings.Join(found[:min(len(found), 10)], "\n"))
	}
	if t.Failed() {
		t.Logf("the gateway's log ends with\n%s", s.g.logs)
	}
}

// The kinds of problems that a soak finds.
const (
	problemHeap        = "the live heap grew"
	problemGoroutines  = "goroutines stayed"
	problemDescriptors = "descriptors stayed"
	problemLost        = "answered 200 and not stored once"
	problemForged      = "stored and never sent"
	problemOrder       = "out of order"
	problemDurable     = "a subscription lost or repeated something"
	problemAnswer      = "an answer was wrong"
	problemIdle        = "too low a load to mean anything"
)

// A soak is one run.
type soak struct {
	t       testing.TB
	began   time.Time
	g       *gateway
	plan    soakPlan
	files   *files
	gauge   *gauge
	sent    *postbox
	reader  *witness
	durable []*durableReader

	mu       sync.Mutex
	problems map[string][]string
	done     map[string]int
}

// problem notes what must not be; a test fails for it at its end.
func (s *soak) problem(kind, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems[kind] = append(s.problems[kind], fmt.Sprintf(format, args...))
}

// phase says how far the run is.
func (s *soak) phase(reached string) {
	s.t.Logf("after %.0f s: %s", time.Since(s.began).Seconds(), reached)
}

// count notes that something was done.
func (s *soak) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[what]++
}

func (s *soak) counted(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done[what]
}

// runSoak runs the plan and returns what it found.
func runSoak(t testing.TB, plan soakPlan) *soak {
	dir := t.TempDir()
	s := &soak{t: t, began: time.Now(), plan: plan, problems: map[string][]string{}, done: map[string]int{}, sent: newPostbox(), reader: newWitness()}
	s.files = startFiles(t, hostile)
	t.Setenv("GOGC", plan.collect)
	s.g = startBinary(t, plan.bin, dir, "--export-allow-host", s.files.host)
	s.gauge = newGauge(s.g, dir)
	s.phase("the gateway runs")
	s.fillCaches()
	s.phase("the caches are full")
	s.done = map[string]int{}
	s.createSubscriptions()
	idle := s.gauge.atRest(t)
	s.phase("clients come")

	began := time.Now()
	ctx, cancel := leaving(t.Context(), plan.lasts)
	defer cancel()
	readings := s.underLoad(ctx)
	second := stretch(readings, began.Add(plan.lasts/4), began.Add(plan.lasts/2))
	last := stretch(readings, began.Add(plan.lasts*3/4), began.Add(plan.lasts))

	s.phase("all clients have left")
	s.checkHeap("while clients come and go", second, last)
	s.settle()
	s.checkLog()
	s.phase("the log is checked")
	s.checkSubscriptions()
	s.phase("the subscriptions are checked")
	s.checkRest(idle)
	s.phase("the gateway is at rest")
	s.checkLoad()
	return s
}

// underLoad runs all clients until the context ends, and the gauge beside them.
func (s *soak) underLoad(ctx context.Context) []reading {
	var clients sync.WaitGroup
	for n, visit := range s.clients() {
		random := rand.New(rand.NewPCG(rand.Uint64(), uint64(n)))
		clients.Go(func() {
			for ctx.Err() == nil {
				visit(ctx, random)
			}
		})
	}
	readings := s.gauge.follow(ctx)
	clients.Wait()
	return readings
}

// clients are what each client does, again and again, as long as the load lasts: forty, of which four are hostile.
func (s *soak) clients() []func(context.Context, *rand.Rand) {
	var all []func(context.Context, *rand.Rand)
	add := func(n int, visit func(context.Context, *rand.Rand)) {
		for range n {
			all = append(all, visit)
		}
	}
	for n := range soakSenders {
		add(1, s.sender(n, float64(s.plan.webhooks)/soakSenders))
	}
	add(1, s.witness)
	add(6, s.readGRPC)
	add(4, s.readLines)
	add(4, s.readEvents)
	for _, d := range s.durable {
		add(2, d.consumeGRPC)
		add(1, d.consumeREST)
	}
	add(2, s.passingSubscription)
	add(3, s.ask)
	add(2, s.export)
	add(4, s.hostile)
	return all
}

// checkLoad holds the run to its floor.
func (s *soak) checkLoad() {
	seconds := s.plan.lasts.Seconds()
	floors := map[string]float64{
		didStore: float64(s.plan.webhooks) * seconds, didForge: 8 * seconds, didRepeat: 8 * seconds, didGarbage: 3 * seconds,
		didReadGRPC: 1.5 * seconds, didReadLines: seconds, didReadEvents: seconds, didResume: seconds / 5,
		didAck: 0.8 * float64(s.plan.webhooks) * seconds, didNack: seconds / 2, didExtend: seconds / 2, didAckREST: seconds / 2,
		didSeek: seconds / 20, didDeadLetters: seconds / 20, didAsk: 4 * seconds, didDownload: seconds / 4, didHostile: seconds / 3,
	}
	for what, full := range floors {
		if n := s.counted(what); float64(n) < full*soakFloor {
			s.problem(problemIdle, "%s: %d, and at full load %d", what, n, int(full))
		}
	}
	if refused, asked := s.counted(wasRefused), s.counted(wasCalled); refused*10 > asked {
		s.problem(problemIdle, "%d of %d calls were refused for want of room", refused, asked)
	}
	for _, what := range slices.Sorted(maps.Keys(s.done)) {
		s.t.Logf("%-40s %d", what, s.done[what])
	}
}

// What clients have done.
const (
	didStore       = "webhooks answered 200"
	didForge       = "forgeries refused"
	didRepeat      = "duplicates answered as such"
	didGarbage     = "signed garbage answered 200"
	didReadGRPC    = "gRPC streams read"
	didReadLines   = "NDJSON streams read"
	didReadEvents  = "SSE streams read"
	didResume      = "times the witness resumed"
	didAck         = "events acknowledged"
	didAckREST     = "acknowledgements over REST"
	didNack        = "nacks"
	didExtend      = "extensions"
	didSeek        = "seeks"
	didDeadLetters = "dead letters redelivered or purged"
	didAsk         = "unary calls"
	didDownload    = "exports downloaded"
	didHostile     = "hostile visits"
	wasCalled      = "calls of well-behaved clients"
	wasRefused     = "calls of well-behaved clients that were refused for want of room"
)

// fine judges how a well-behaved client's call ended, and reports whether it did what it should. A gateway may say that it
// has no room now, but no more often than checkLoad allows; that the client itself gave up is nobody's fault.
func (s *soak) fine(ctx context.Context, what string, err error) bool {
	if err != nil && ctx.Err() != nil {
		return false
	}
	s.count(wasCalled)
	switch status.Code(err) {
	case codes.OK:
		return true
	case codes.ResourceExhausted, codes.Unavailable:
		s.count(wasRefused)
		_ = pause(ctx, 100*time.Millisecond)
	default:
		s.problem(problemAnswer, "%s: %v", what, err)
	}
	return false
}

// dialSoak returns a connection of its own for one visit.
func (s *soak) dialSoak() *grpc.ClientConn {
	conn, err := grpc.NewClient(s.g.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err) // the address was parsed before
	}
	return conn
}

// leaving is a context that is cancelled after a time. It has no deadline that the gateway would be told of.
func leaving(ctx context.Context, after time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(after, cancel)
	return ctx, func() {
		timer.Stop()
		cancel()
	}
}

// pause waits for a time or the context's end.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// between is a random time.
func between(random *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(random.Int64N(int64(most-least)))
}

// earliest is the start of the log.
func earliest() *strawv1.SubscribeRequest_StartPosition {
	return &strawv1.SubscribeRequest_StartPosition{StartPosition: strawv1.StartPosition_EARLIEST}
}
