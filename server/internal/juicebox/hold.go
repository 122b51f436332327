package juicebox

import (
	"sync"
	"time"

	strawv1 "github.com/straw-gateway/straw/gen/go/straw/v1"
)

// unknownHold is how long calls are held when Juicebox says that its quota is used up, and not understandably until when.
const unknownHold = time.Hour

// usedUp is the percentage from which on a quota.warning holds calls.
const usedUp = 100

// A hold keeps calls back while Juicebox's quota is used up: after a refused call, or by the newest quota.warning. It ends by
// itself, and a warning's also with a newer warning that says less.
type hold struct {
	latest func() *strawv1.Event

	mu      sync.Mutex
	refused Held
}

// Held says until when calls are held, and why. The zero value: they aren't.
type Held struct {
	Until time.Time
	// Why is a sentence.
	Why string
}

// at returns the hold that is in force at a time.
func (h *hold) at(now time.Time) Held {
	h.mu.Lock()
	held := h.refused
	h.mu.Unlock()
	if warned := warning(h.latest()); warned.Until.After(held.Until) {
		held = warned
	}
	if !held.Until.After(now) {
		return Held{}
	}
	return held
}

// warning is what a quota.warning event holds; nothing if there is none, or quota left.
func warning(e *strawv1.Event) Held {
	q := e.GetQuotaWarning()
	if q == nil || q.GetUsagePercent() < usedUp {
		return Held{}
	}
	if until, ok := parseReset(q.GetResetDate()); ok {
		return Held{until, "a quota.warning said that the quota is used up until then"}
	}
	return Held{e.GetReceiveTime().AsTime().Add(unknownHold), "a quota.warning said that the quota is used up, without a reset_date that can be read; so calls are held for an hour after it"}
}

// refuse begins a hold after a call that was answered 429.
func (h *hold) refuse(now time.Time, resetDate string, retryAfter time.Duration) Held {
	held := Held{now.Add(unknownHold), "Juicebox refused a call for its quota (429), without a reset_date that can be read; so calls are held for an hour"}
	if until, ok := parseReset(resetDate); ok && until.After(now) {
		held = Held{until, "Juicebox refused a call for its quota (429) until then"}
	} else if retryAfter > 0 {
		held = Held{now.Add(retryAfter), "Juicebox refused a call (429) and asked to be left alone until then"}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused = held
	return held
}

// parseReset reads a reset_date, whose form isn't documented: RFC 3339, or a date, which then begins in UTC.
func parseReset(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
