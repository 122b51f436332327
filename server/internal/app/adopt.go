package app

import (
	"fmt"

	"github.com/straw-gateway/straw/server/internal/config"
	"github.com/straw-gateway/straw/server/internal/observe"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore"
)

// An Adoption tells what AdoptStore did.
type Adoption struct {
	Folder, Store string
	// Before and After are incarnations.
	Before, After string
	// Head is the newest event, up to which cursors of both incarnations are good.
	Head uint64
}

// AdoptStore makes the copy of a store a store of its own. It reads the settings of the store and the log alone.
func AdoptStore(c *config.Config, o Options) (Adoption, error) {
	a, err := pebblestore.Adopt(c.Store.Dir, pebblestore.Options{Logger: observe.NewLogger(o.Stderr, c.LogLevel, string(c.LogFormat))})
	if err != nil {
		return Adoption{}, fmt.Errorf("adopt the store: %w", err)
	}
	return Adoption{
		Folder: c.Store.Dir, Store: a.After.StoreID(), Before: a.Before.IncarnationID(), After: a.After.IncarnationID(), Head: uint64(a.Head),
	}, nil
}
