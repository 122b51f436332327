package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/straw-gateway/straw/server/internal/convert"
	"github.com/straw-gateway/straw/server/internal/event"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore"
)

// FillConfig says what a store is filled with.
type FillConfig struct {
	Dir    string
	Events int
	Order  IDOrder
	Seed   uint64
}

// fillers is how many appends wait at once: several of the engine's batches.
const fillers = 2048

// fill is a role that fills a store through Straw's engine and is done once it is ready.
type fill struct{ noRequests }

func openFill(config FillConfig) (fill, any, error) {
	log, err := pebblestore.Open(config.Dir, pebblestore.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fill{}, nil, err
	}
	err = fillLog(log, config)
	if err == nil { // compactions that are put off would be measured later
		err = waitIdle(context.Background(), os.Getpid())
	}
	err = errors.Join(err, log.Close())
	return fill{}, struct{}{}, err
}

func fillLog(log *pebblestore.Log, config FillConfig) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	drafts := make(chan *event.Draft, fillers)
	var appending sync.WaitGroup
	for range fillers {
		appending.Go(func() {
			for d := range drafts {
				if receipt, err := log.Append(ctx, d); err != nil {
					cancel(err)
				} else if receipt.Duplicate {
					cancel(fmt.Errorf("event %s was stored already", d.ID))
				}
			}
		})
	}
	hooks := &Webhooks{Order: config.Order, Seed: config.Seed}
	for i := 0; i < config.Events && ctx.Err() == nil; i++ {
		_, body := hooks.Next()
		drafts <- convert.Convert(body, convert.Request{ReceiveTime: time.Now()})
	}
	close(drafts)
	appending.Wait()
	return context.Cause(ctx)
}

func (fill) close() {}
