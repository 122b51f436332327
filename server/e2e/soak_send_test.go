package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/straw-gateway/straw/server/internal/signature"
)

const (
	soakSenders = 8
	// soakText is the most bytes of text in a webhook; half of it on average.
	soakText = 1000
	// poisonIn is how many webhooks there are to one that consumers nack until it is dead-lettered.
	poisonIn = 60
)

// A postbox knows every signed webhook, and what was answered.
type postbox struct {
	mu sync.Mutex
	// answered are the event ids that got a 200; open are those that got no answer or a 503, with their bodies: they may be
	// stored or not, and are sent again, as Juicebox would.
	answered map[string]bool
	open     map[string]string
	ids      []string // the answered ones, as they came
	repeats  []string // bodies of some of them
}

func newPostbox() *postbox {
	return &postbox{answered: map[string]bool{}, open: map[string]string{}}
}

func (p *postbox) trying(id, body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.answered[id] {
		p.open[id] = body
	}
}

func (p *postbox) taken(id, body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if delete(p.open, id); p.answered[id] {
		return
	}
	p.answered[id] = true
	p.ids = append(p.ids, id)
	if len(p.repeats) < 5000 {
		p.repeats = append(p.repeats, body)
	} else {
		p.repeats[len(p.ids)%len(p.repeats)] = body
	}
}

// again returns one that is open.
func (p *postbox) again() (id, body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, body := range p.open {
		return id, body
	}
	return "", ""
}

// repeat returns the body of one that was answered.
func (p *postbox) repeat(random *rand.Rand) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.repeats) == 0 {
		return ""
	}
	return p.repeats[random.IntN(len(p.repeats))]
}

// any returns the id of one that was answered.
func (p *postbox) any(random *rand.Rand) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ids) == 0 {
		return ""
	}
	return p.ids[random.IntN(len(p.ids))]
}

// webhook makes one of each type in turn.
func webhook(random *rand.Rand, id string, n int) string {
	text := strings.Repeat("straw ", soakText/6+1)[:random.IntN(soakText)]
	switch n % 5 {
	case 0:
		return fmt.Sprintf(`{"id":%q,"type":"dataset.updated","data":{"dataset_id":%q,"records_added":%d}}`, id, "d "+text, n)
	case 1:
		return fmt.Sprintf(`{"id":%q,"type":"quota.warning","data":{"usage_percent":%d,"plan_tier":%q}}`, id, n%90, text)
	case 2:
		return fmt.Sprintf(`{"id":%q,"type":"profile.enriched","data":{"profile":%q}}`, id, text)
	case 3:
		return fmt.Sprintf(`{"id":%q,"type":"search.alert","data":{"alert_id":"a","new_matches":%d,"criteria":%q}}`, id, n, text)
	default:
		return fmt.Sprintf(`{"id":%q,"type":"analysis.completed","data":{"analysis_id":"a","result_count":%d,"query":%q}}`, id, n, text)
	}
}

// fillCaches posts webhooks like those of the soak until the tail that is kept in memory is full of them, and has them read with a
// filter, so that it is unpacked too.
func (s *soak) fillCaches() {
	var senders sync.WaitGroup
	for n := range soakSenders {
		random := rand.New(rand.NewPCG(uint64(n), 0))
		senders.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
			defer client.CloseIdleConnections()
			for i, bytes := 0, 0; bytes < s.plan.fill/soakSenders && s.t.Context().Err() == nil; i++ {
				body := webhook(random, fmt.Sprintf("fill-%d-%d", n, i), i)
				s.post(s.t.Context(), client, fmt.Sprintf("fill-%d-%d", n, i), body)
				bytes += len(body)
			}
		})
	}
	senders.Wait()
	random := rand.New(rand.NewPCG(0, 0))
	for range 3 {
		s.readFiltered(s.t.Context(), random, earliest())
	}
}

// sender returns a client that posts so many webhooks a second, keeping its connection for some seconds; and among them
// duplicates, forgeries and garbage.
func (s *soak) sender(number int, rate float64) func(context.Context, *rand.Rand) {
	n := 0
	return func(ctx context.Context, random *rand.Rand) {
		ctx, cancel := leaving(ctx, between(random, 3*time.Second, 10*time.Second))
		defer cancel()
		client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
		defer client.CloseIdleConnections()
		tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
		defer tick.Stop()
		for ctx.Err() == nil {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			kind := "fine"
			if random.IntN(poisonIn) == 0 {
				kind = "poison"
			}
			id, body := s.sent.again()
			if id == "" || random.IntN(4) > 0 {
				id = fmt.Sprintf("%s-%d-%d", kind, number, n)
				body = webhook(random, id, n)
				n++
			}
			// What has begun is finished: this client is well-behaved.
			s.post(context.WithoutCancel(ctx), client, id, body)
			s.postOthers(client, random, n)
		}
	}
}

// post posts a signed webhook, notes the answer, and reports whether it was 200.
func (s *soak) post(ctx context.Context, client *http.Client, id, body string) bool {
	s.sent.trying(id, body)
	code, answer := s.deliver(ctx, client, body, signature.Sign([]byte(secret), []byte(body)))
	switch {
	case code == http.StatusOK && strings.HasPrefix(answer, `{"received":true`):
		s.sent.taken(id, body)
		s.count(didStore)
		return true
	case code == 0 || code == http.StatusServiceUnavailable:
	default:
		s.problem(problemAnswer, "webhook %s: %d %s", id, code, answer)
	}
	return false
}

// deliver posts a body; the code is 0 if there was no answer.
func (s *soak) deliver(ctx context.Context, client *http.Client, body string, signatures ...string) (code int, answer string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.g.webhook+"/webhooks/juicebox", strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	req.Header["X-Juicebox-Signature"] = signatures
	s.count(wasCalled)
	resp, err := client.Do(req)
	if err != nil {
		s.count(wasRefused)
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	if resp.StatusCode == http.StatusServiceUnavailable {
		s.count(wasRefused)
	}
	return resp.StatusCode, string(b)
}

// postOthers posts, now and then, what is no new webhook.
func (s *soak) postOthers(client *http.Client, random *rand.Rand, n int) {
	ctx := context.Background()
	switch random.IntN(20) {
	case 0, 1: // as Juicebox does when the answer was lost
		body := s.sent.repeat(random)
		if body == "" {
			return
		}
		code, answer := s.deliver(ctx, client, body, signature.Sign([]byte(secret), []byte(body)))
		if code == http.StatusOK && strings.Contains(answer, `"duplicate":true`) {
			s.count(didRepeat)
		} else if code != 0 && code != http.StatusServiceUnavailable {
			s.problem(problemLost, "a webhook that was answered 200, sent again: %d %s", code, answer)
		}
	case 2, 3:
		s.forge(client, random, n)
	case 4:
		body := garbage(random)
		sum := sha256.Sum256([]byte(body))
		if s.post(ctx, client, "sha256-"+hex.EncodeToString(sum[:]), body) {
			s.count(didGarbage)
		}
	}
}

// forge posts what must be refused.
func (s *soak) forge(client *http.Client, random *rand.Rand, n int) {
	body := webhook(random, fmt.Sprintf("forged-%d-%d", random.Uint64(), n), n)
	right, wrong := signature.Sign([]byte(secret), []byte(body)), signature.Sign([]byte("another"), []byte(body))
	signatures := [][]string{{wrong}, nil, {"not hex"}, {right, right}, {right[:32]}}[random.IntN(5)]
	switch code, answer := s.deliver(context.Background(), client, body, signatures...); code {
	case http.StatusUnauthorized:
		s.count(didForge)
	case 0, http.StatusServiceUnavailable, http.StatusTooManyRequests:
	default:
		s.problem(problemForged, "a webhook with the signatures %q: %d %s", signatures, code, answer)
	}
}

// garbage is what authentic senders shouldn't send, and what is kept all the same.
func garbage(random *rand.Rand) string {
	var noise [64]byte
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	switch random.IntN(4) {
	case 0:
		return string(noise[:])
	case 1:
		return fmt.Sprintf("%s%x", strings.Repeat("[", 2000), noise)
	case 2:
		return fmt.Sprintf(`{"id":"twice","id":"forged-%x","type":"search.alert"}`, noise)
	default:
		return fmt.Sprintf(`{"type":"straw.export.stored","data":{"export_id":"%x"}}`, noise)
	}
}

// settle sends what is open until it is answered.
func (s *soak) settle() {
	client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	poll(time.Minute, func() bool {
		id, body := s.sent.again()
		for ; id != ""; id, body = s.sent.again() {
			if !s.post(s.t.Context(), client, id, body) {
				return false
			}
		}
		return true
	})
	if n := len(s.sent.open); n > 0 {
		s.problem(problemLost, "%d webhooks aren't taken, though nobody else is there", n)
	}
}
