package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The gateway removes events in stretches of 1,024, and looks for what is to be removed once a minute.
const (
	passedEvents  = 1024
	keptEvents    = 76
	retentionTime = 3 * time.Minute
)

// overtaken are the durable subscriptions that retention has overtaken, one for each form of consuming.
var overtaken = []string{"overtaken-1", "overtaken-2"}

// A passedStore is a store from which retention has removed its first events, old-1 to old-1024, although durable subscriptions
// owed them. It is made once for all languages and cases, beside everything else that runs meanwhile.
type passedStore struct {
	dir     string
	cancel  context.CancelFunc
	made    chan struct{}
	cursors map[string]string // by the id of the event, removed ones included; read it after made, as err
	err     error
}

// startPassedStore begins to make a store.
func startPassedStore(ctx context.Context) *passedStore {
	s := &passedStore{dir: filepath.Join(scratch, "passed"), made: make(chan struct{})}
	ctx, s.cancel = context.WithTimeout(ctx, retentionTime)
	go func() {
		defer close(s.made)
		s.err = s.make(ctx)
	}()
	return s
}

// stop returns when nothing of the making is left.
func (s *passedStore) stop() {
	s.cancel()
	<-s.made
}

// make lets a gateway pass its own first events.
func (s *passedStore) make(ctx context.Context) error {
	// Less than the last 76 of these events take, so that all before them may go.
	g, err := newGateway(s.dir, "--retention-bytes", "4KiB", "--retention-hard-bytes", "4KiB")
	if err != nil {
		return err
	}
	defer g.close()
	for _, id := range overtaken {
		if err := g.subscribe(ctx, map[string]any{"id": id, "startPosition": "EARLIEST"}); err != nil {
			return err
		}
	}
	for n := range passedEvents + keptEvents {
		if err := g.post(ctx, fmt.Sprintf(`{"id":"old-%d","type":"search.alert","data":{"alert_id":"al"}}`, n+1)); err != nil {
			return err
		}
	}
	if s.cursors, err = g.cursors(ctx); err != nil {
		return err
	}
	err = poll(ctx, func() (bool, error) { return strings.Contains(g.logs.String(), "retention has removed events"), nil },
		func() error { return fmt.Errorf("retention removed nothing:\n%s", &g.logs) })
	return errors.Join(err, g.terminate())
}

// copy gives a case a store of its own, and returns the events' cursors.
func (s *passedStore) copy(ctx context.Context, dir string) (map[string]string, error) {
	select {
	case <-s.made:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if s.err != nil {
		return nil, s.err
	}
	if err := os.CopyFS(dir, os.DirFS(s.dir)); err != nil {
		return nil, err
	}
	bin, err := buildStraw()
	if err != nil {
		return nil, err
	}
	// A copy isn't served until it is a store of its own; the original's cursors stay good in it.
	cmd := exec.CommandContext(ctx, bin, "store", "adopt", "--store", "pebble:"+filepath.Join(dir, "store"))
	cmd.Env = cleanEnvironment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("straw store adopt: %w\n%s", err, out)
	}
	return s.cursors, nil
}
