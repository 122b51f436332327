package listen

import (
	"cmp"
	"slices"
	"time"
)

// A victim is a connection that waited when the listener looked, and since when.
type victim struct {
	conn  *Conn
	since int64
}

// One look over all connections finds the next to make room, so that a flood of new ones doesn't make the listener look each
// time. After a look that found nobody, the next is a while away.
const (
	victimsAtOnce = 64
	barrenFor     = 50 * time.Millisecond
)

// evict ends the connection that has waited longest, and reports whether there was one. The lock is held.
func (l *Listener) evict() bool {
	if l.evictNext() {
		return true
	}
	if time.Since(l.barren) < barrenFor {
		return false
	}
	l.victims = l.longestWaiting()
	if l.evictNext() {
		return true
	}
	l.barren = time.Now()
	return false
}

func (l *Listener) evictNext() bool {
	for len(l.victims) > 0 {
		v := l.victims[0]
		l.victims = l.victims[1:]
		if v.conn.waiting.Load() != v.since || !l.forget(v.conn) {
			continue // it has done something since, or has gone
		}
		_ = v.conn.TCPConn.Close() // its peer was asked for nothing
		l.options.Observer.ConnectionEnded(l.options.Name, Evicted)
		if l.maySay(string(Evicted)) {
			l.options.Logger.Warn("connections that wait make room for new ones", "port", l.options.Name, "open", len(l.conns)+1, "max", l.options.Max)
		}
		return true
	}
	return false
}

// longestWaiting are the connections that make room next, in their order: those that have proven nothing, or else the others.
func (l *Listener) longestWaiting() []victim {
	var unknown, proven []victim
	for c := range l.conns {
		v := victim{c, c.waiting.Load()}
		switch {
		case v.since == 0:
		case c.proven.Load():
			proven = append(proven, v)
		default:
			unknown = append(unknown, v)
		}
	}
	found := unknown
	if len(found) == 0 {
		found = proven
	}
	slices.SortFunc(found, func(a, b victim) int { return cmp.Compare(a.since, b.since) })
	return slices.Clone(found[:min(len(found), victimsAtOnce)])
}
