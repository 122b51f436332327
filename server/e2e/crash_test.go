package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// How hard a crash round is: senders that post at once, and what a round must have had answered to mean anything.
const (
	crashSenders  = 8
	minPerRound   = 20
	defaultRounds = 50
)

// TestCrashLosesNothing kills the gateway under load, again and again, on one store. At the end the log must hold every event
// that was ever answered 200, each once; and a subscriber that resumed from its cursor after every kill must have seen exactly
// the log, in its order. STRAW_CRASH_ROUNDS sets how often.
func TestCrashLosesNothing(t *testing.T) {
	rounds := defaultRounds
	if s := os.Getenv("STRAW_CRASH_ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatalf("STRAW_CRASH_ROUNDS: %v", err)
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	c := &crash{dir: t.TempDir(), random: rand.New(rand.NewPCG(seed, 0)), answered: map[string]bool{}}
	for round := range rounds {
		c.round(t, round)
	}
	c.check(t, rounds)
}

type crash struct {
	dir    string
	random *rand.Rand

	mu       sync.Mutex
	answered map[string]bool // ids that got a 200
	unknown  []string        // ids that got no answer: they may be stored or not, and are sent again
	inFlight int             // requests that a kill cut off

	cursor string // the subscriber's
	seen   []string
}

// round starts the gateway, loads it from all sides, and kills it at a random moment.
func (c *crash) round(t *testing.T, round int) {
	g := startGateway(t, c.dir)
	before := c.count()
	subscriber := c.subscribe(t, g)
	stop := make(chan struct{})
	var senders sync.WaitGroup
	for sender := range crashSenders {
		senders.Go(func() {
			c.send(g, round, sender, stop)
		})
	}
	c.await(t, g, before+minPerRound+c.random.IntN(400))
	g.kill()
	close(stop)
	senders.Wait()
	if err := <-subscriber; err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
}

func (c *crash) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.answered)
}

func (c *crash) await(t *testing.T, g *gateway, answered int) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); c.count() < answered; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("only %d of %d webhooks were answered within 30 s: too low a load to mean anything\n%s", c.count(), answered, g.logs)
		}
	}
}

// send posts new events, and those that got no answer before, until the gateway is gone.
func (c *crash) send(g *gateway, round, sender int, stop chan struct{}) {
	client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		id := c.again()
		if id == "" {
			id = fmt.Sprintf("evt_%d_%d_%d", round, sender, n)
		}
		status, _, err := g.post(client, fmt.Sprintf(`{"id":%q,"type":"dataset.updated","data":{"dataset_id":"d","records_added":%d}}`, id, n))
		c.mu.Lock()
		if err == nil && status == http.StatusOK {
			c.answered[id] = true
		} else {
			c.unknown = append(c.unknown, id)
			c.inFlight++
		}
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *crash) again() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.unknown) == 0 {
		return ""
	}
	id := c.unknown[0]
	c.unknown = c.unknown[1:]
	return id
}

// subscribe resumes from the cursor and notes what it sees until the gateway is gone.
func (c *crash) subscribe(t *testing.T, g *gateway) <-chan error {
	t.Helper()
	req := &strawv1.SubscribeRequest{Start: &strawv1.SubscribeRequest_StartPosition{StartPosition: strawv1.StartPosition_EARLIEST}}
	if c.cursor != "" {
		req.Start = &strawv1.SubscribeRequest_After{After: c.cursor}
	}
	stream, err := strawv1.NewEventServiceClient(g.dial()).Subscribe(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		for {
			frame, err := stream.Recv()
			if err != nil {
				done <- onlyAfterKill(g, err)
				return
			}
			for _, d := range frame.GetDeliveries() {
				c.seen = append(c.seen, d.GetEvent().GetId())
			}
			c.cursor = frame.GetCursor()
		}
	}()
	return done
}

// onlyAfterKill lets a stream's end pass if the gateway was killed.
func onlyAfterKill(g *gateway, err error) error {
	select {
	case <-g.exited:
		return nil
	case <-time.After(10 * time.Second):
		return fmt.Errorf("the stream ended while the gateway ran: %w\n%s", err, g.logs)
	}
}

// check starts the gateway once more and compares the log with what senders and subscriber know.
func (c *crash) check(t *testing.T, rounds int) {
	g := startGateway(t, c.dir)
	var order []string
	stored := map[string]int{}
	for _, e := range g.everything(t.Context()) {
		order = append(order, e.GetId())
		stored[e.GetId()]++
	}
	for id := range c.answered {
		if stored[id] == 0 {
			t.Errorf("%s was answered 200 and is gone", id)
		}
	}
	for id, n := range stored {
		if n > 1 {
			t.Errorf("%s is there %d times", id, n)
		}
	}
	if len(c.seen) > len(order) {
		t.Fatalf("the subscriber saw %d events, the log has %d", len(c.seen), len(order))
	}
	for i, id := range c.seen {
		if id != order[i] {
			t.Fatalf("the subscriber's event %d was %s, the log's is %s", i, id, order[i])
		}
	}
	if c.inFlight < rounds {
		t.Errorf("only %d requests were cut off in %d rounds: the kills hit an idle gateway", c.inFlight, rounds)
	}
	if len(c.seen) < len(order)/2 {
		t.Errorf("the subscriber saw only %d of %d events: it was hardly ever connected", len(c.seen), len(order))
	}
	t.Logf("%d rounds: %d answered, %d stored, %d cut off, %d seen by the subscriber", rounds, len(c.answered), len(order), c.inFlight, len(c.seen))
}
