package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/spf13/cobra"

	straw "github.com/straw-gateway/straw/clients/go"
)

// foreignToSubscription are the flags that say what a durable subscription says itself.
var foreignToSubscription = []string{"type", "filter", "after", "from", "end"}

func (f *tailFlags) checkSubscription(c *cobra.Command) error {
	if f.subscription == "" {
		if f.noAck {
			return usage("--no-ack is for --subscription: nothing else is acknowledged")
		}
		return nil
	}
	for _, name := range foreignToSubscription {
		if c.Flags().Changed(name) {
			return usage("--%s and --subscription exclude each other: the subscription says what is sent, and from where", name)
		}
	}
	return nil
}

// consume prints what a durable subscription owes until the context ends, and acknowledges what is printed.
func (p *program) consume(ctx context.Context, client *straw.Client, f *tailFlags, output format) error {
	ctx, give := context.WithCancelCause(ctx)
	defer give(nil)
	opts := straw.ConsumeOptions{Subscription: f.subscription, IncludeRaw: f.raw, Hooks: p.followHooks(give, straw.Hooks{})}
	opts.Hooks.Settled = func(d *straw.Delivery, _ straw.AckStatus, err error) {
		if err != nil {
			fmt.Fprintf(p.stderr, "straw: %s: %v\n", word(d.Event.GetId()), err)
		}
	}
	var kept keeper
	if f.noAck {
		opts.Concurrency = maxKept
		defer context.AfterFunc(ctx, kept.release)()
	}
	out := bufio.NewWriter(p.stdout)
	paint := p.painter(p.terminal.stdout)
	for d, err := range client.Deliveries(ctx, opts) {
		if _, ok := errors.AsType[*straw.GapError](err); ok {
			fmt.Fprintf(p.stderr, "straw: gap: %v\n", err)
			continue
		}
		if err != nil {
			return err
		}
		if err := errors.Join(paint.writeDelivery(out, d, output), out.Flush()); err != nil {
			return err
		}
		if f.noAck {
			kept.keep(d)
		} else {
			d.Ack()
		}
	}
	return context.Cause(ctx)
}

// writeDelivery writes the event; as text with the attempt, if it isn't the first.
func (p painter) writeDelivery(out *bufio.Writer, d *straw.Delivery, output format) error {
	if output == asText && d.Attempt > 1 {
		fmt.Fprintf(out, "%s  ", p.paint(yellow, fmt.Sprintf("attempt=%d", d.Attempt)))
	}
	return p.writeEvent(out, d.Event, output)
}

// maxKept is how many deliveries --no-ack prints: as many as one consumer may have.
const maxKept = 1000

// A keeper keeps deliveries until they are all given back. Safe for concurrent use.
type keeper struct {
	mu       sync.Mutex
	kept     []*straw.Delivery
	released bool
}

func (k *keeper) keep(d *straw.Delivery) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.released {
		d.Release()
		return
	}
	k.kept = append(k.kept, d)
}

func (k *keeper) release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.released = true
	for _, d := range k.kept {
		d.Release()
	}
}
