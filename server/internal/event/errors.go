package event

import "errors"

// What can be wrong with a request or a store, in the words of the log. Package rpc alone maps them to status codes.
var (
	ErrInvalidCursor = errors.New("the cursor is not one that a gateway gave out")
	ErrForeignCursor = errors.New("the cursor is of another store")
	ErrCursorAhead   = errors.New("the cursor lies beyond what this store has held")
	ErrNotFound      = errors.New("there is no such event")
	// ErrSubscriptionNotFound also ends what goes on with a subscription that is deleted.
	ErrSubscriptionNotFound = errors.New("there is no such subscription")
	ErrSubscriptionExists   = errors.New("there is a subscription of this id")
	// ErrTooManySubscriptions means that the store has as many subscriptions as it may.
	ErrTooManySubscriptions = errors.New("there are too many subscriptions")
	ErrExportNotFound       = errors.New("there is no such export")
	// ErrPassed means that retention has removed what comes after a position.
	ErrPassed = errors.New("retention has passed the position")
	// ErrOverloaded means that the event was not accepted, for too many wait; trying again is safe.
	ErrOverloaded = errors.New("too many events wait to be stored")
	// ErrFull means that the disk has no room for another event; reading goes on.
	ErrFull = errors.New("the disk is full")
	// ErrUnavailable means that the store can't be reached or is closing.
	ErrUnavailable = errors.New("the store is unavailable")
	// ErrCorrupt means that stored bytes are not what was written. The process must not go on serving them.
	ErrCorrupt = errors.New("the store is corrupt")
)
