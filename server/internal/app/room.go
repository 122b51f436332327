package app

import (
	"github.com/straw-gateway/straw/server/internal/config"
	"github.com/straw-gateway/straw/server/internal/store/pebblestore"
)

// Room is how much room the store's disk has, and below how much webhooks are refused.
type Room = pebblestore.Room

// RoomFor says how much room there is where the settings have the store. It opens and makes nothing.
func RoomFor(c *config.Config) (Room, error) { return pebblestore.RoomOf(c.Store.Dir) }
