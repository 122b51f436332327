package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// The gateway removes events in stretches of 1,024, and looks for what is to be removed once a minute. The store is made once
// for all languages and cases, beside everything else that runs meanwhile.
const (
	passedEvents  = 1024
	keptEvents    = 76
	retentionTime = 90 * time.Second
)

// A passedStore is a store from which retention has removed its first events.
type passedStore struct {
	dir     string
	cursors map[string]string // by the id of the event, removed ones included
}

// makePassedStore lets a gateway pass its own first events.
var makePassedStore = sync.OnceValues(func() (*passedStore, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*retentionTime)
	defer cancel()
	s := &passedStore{dir: filepath.Join(scratch, "passed")}
	// Less than the last 76 of these events take, so that all before them may go.
	g, err := newGateway(s.dir, "--retention-bytes", "4KiB")
	if err != nil {
		return nil, err
	}
	defer g.close()
	for n := range passedEvents + keptEvents {
		if err := g.post(ctx, fmt.Sprintf(`{"id":"old-%d","type":"search.alert","data":{"alert_id":"al"}}`, n+1)); err != nil {
			return nil, err
		}
	}
	if s.cursors, err = g.cursors(ctx); err != nil {
		return nil, err
	}
	err = poll(ctx, func() (bool, error) { return strings.Contains(g.logs.String(), "retention has removed events"), nil },
		func() error { return fmt.Errorf("retention removed nothing:\n%s", &g.logs) })
	return s, errors.Join(err, g.terminate())
})

// copyPassedStore gives a case a store of its own, and returns the events' cursors.
func copyPassedStore(ctx context.Context, dir string) (map[string]string, error) {
	s, err := makePassedStore()
	if err != nil {
		return nil, err
	}
	return s.cursors, errors.Join(ctx.Err(), os.CopyFS(dir, os.DirFS(s.dir)))
}
