package pebblestore

import (
	"crypto/rand"
	"errors"

	"github.com/straw-gateway/straw/server/internal/event"
)

// An Adoption tells what Adopt did.
type Adoption struct {
	// Before and After are the identities, which differ by the newest incarnation.
	Before, After event.Identity
	// Head is the newest event, up to which both incarnations share every position.
	Head event.Sequence
}

// Adopt makes the copy of a store a store of its own, in the folder in which it is found: cursors that the original gave out
// are good in it up to the copy's head, and lie ahead of it beyond; ack ids mean nothing in it. Its errors are those of Open,
// and one if there is no store.
func Adopt(dir string, o Options) (a Adoption, err error) {
	o.incarnate, o.existing = true, true
	l, err := Open(dir, o)
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	a.After, a.Head = l.Identity(), l.Bounds().Head
	a.Before = a.After
	a.Before.Lineage = append([]event.Incarnation{}, a.After.Lineage[:len(a.After.Lineage)-1]...)
	return a, nil
}

// incarnate gives the store a new incarnation, which shares everything up to now with the one it is copied from, and makes the
// folder in which it is now its home.
func (l *Log) incarnate(head event.Sequence) error {
	here, err := l.here()
	if err != nil {
		return err
	}
	var next event.Incarnation
	rand.Read(next.ID[:])
	lineage := append([]event.Incarnation{}, l.identity.Lineage...)
	lineage[len(lineage)-1].Last = head
	l.identity.Lineage = append(lineage, next)
	if err := l.apply([]ownRecord{{keyIdentity, appendIdentity(nil, l.identity)}, {keyHome, here.append(nil)}}); err != nil {
		return err
	}
	return l.db.Flush() // to where it is found without replaying a log
}
