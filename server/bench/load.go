package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// LoadConfig is what the load generator sends, and where.
type LoadConfig struct {
	Addr  string // host:port
	Conns int    // keep-alive connections
	// Rate is webhooks per second, sent when they are due whether or not earlier ones were answered. 0 sends the next on a
	// connection as soon as the one before it is answered.
	Rate int
	// Warmup comes before the measured Window.
	Warmup, Window time.Duration
	// Most bounds how many webhooks are prepared when Rate is 0. When they run out the window ends early.
	Most  int
	Order IDOrder
	Seed  uint64
	// ServerPID is the process whose CPU time is read at both ends of the window.
	ServerPID int
	// KeepTimes asks for LoadResult.Sent.
	KeepTimes bool
}

// LoadResult is what came of it, within the window if not said otherwise.
type LoadResult struct {
	Answered  int           // with 200
	Total     int           // sent over the whole run
	Refused   int           // with anything else, over the whole run
	Refusal   string        // the first of those answers
	Elapsed   time.Duration // the window's true length
	ServerCPU time.Duration
	LoadCPU   time.Duration
	P50, P99  time.Duration
	Late      time.Duration // the longest that a due webhook waited for a free connection; Rate only
	// Sent is when each webhook of the whole run was written, in monotonic nanoseconds, by index; 0 if it wasn't.
	Sent []int64
}

// PerSecond is the rate of accepted webhooks.
func (r LoadResult) PerSecond() float64 { return float64(r.Answered) / r.Elapsed.Seconds() }

// load is the load generator: one thread, one epoll loop, requests signed and assembled before the clock starts. It shares
// the machine with what it measures, so it does next to nothing per request.
type load struct {
	config   LoadConfig
	slab     []byte // all requests
	ends     []int  // where each request ends in slab
	conns    []*loadConn
	byFD     map[int32]*loadConn
	free     []*loadConn
	epoll    int
	timer    int // paced: becomes readable when requests are due
	next     int // the next request to send
	due      int // paced: requests that should have been sent by now
	began    time.Duration
	sent     []int64
	answered []time.Duration // latencies within the window
	events   [128]unix.EpollEvent
	result   LoadResult
}

// closedLoopMost is how many webhooks a second are prepared for a generator without a rate, unless it is told.
const closedLoopMost = 60_000

func openLoad(config LoadConfig) (*load, any, error) {
	l := &load{config: config, byFD: map[int32]*loadConn{}, epoll: -1, timer: -1}
	l.prepare()
	if err := l.connect(); err != nil {
		l.close()
		return nil, nil, err
	}
	return l, struct{}{}, nil
}

func (l *load) prepare() {
	total := (l.config.Warmup + l.config.Window).Seconds()
	count := int(total * float64(l.config.Rate))
	if l.config.Rate == 0 {
		count = int(total * closedLoopMost)
		if l.config.Most > 0 {
			count = min(count, l.config.Most)
		}
	}
	hooks := &Webhooks{Order: l.config.Order, Seed: l.config.Seed}
	sign := newSigner(l.config.Addr)
	l.slab, l.ends = make([]byte, 0, count*512), make([]int, 0, count)
	for range count {
		_, body := hooks.Next()
		l.slab = sign.request(l.slab, body)
		l.ends = append(l.ends, len(l.slab))
	}
	l.answered = make([]time.Duration, 0, count)
	if l.config.KeepTimes {
		l.sent = make([]int64, count)
	}
}

func (l *load) connect() error {
	addr, err := net.ResolveTCPAddr("tcp4", l.config.Addr)
	if err != nil {
		return err
	}
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	for range l.config.Conns {
		fd, err := dialLoopback(addr)
		if err != nil {
			return fmt.Errorf("connecting to %s: %w", addr, err)
		}
		c := &loadConn{fd: fd, buf: make([]byte, 4096)}
		l.conns, l.free, l.byFD[int32(fd)] = append(l.conns, c), append(l.free, c), c
		if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
			return err
		}
	}
	if l.config.Rate > 0 {
		return l.armTimer()
	}
	return nil
}

func (l *load) armTimer() error {
	var err error
	if l.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return err
	}
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, l.timer, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(l.timer)})
}

func (l *load) do(verb string, _ json.RawMessage) (any, error) {
	if verb != "run" {
		return nil, errVerb(verb)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	runtime.GC() // not during the run
	return l.run()
}

func (l *load) run() (*LoadResult, error) {
	l.began = monotonic()
	if l.config.Rate > 0 {
		every := unix.NsecToTimespec(int64(time.Second) / int64(l.config.Rate))
		if err := unix.TimerfdSettime(l.timer, 0, &unix.ItimerSpec{Interval: every, Value: every}, nil); err != nil {
			return nil, err
		}
	} else {
		l.due = len(l.ends)
	}
	var from, to mark
	for to.at == 0 || len(l.free) < len(l.conns) {
		if to.at == 0 {
			if err := l.sendDue(); err != nil {
				return nil, err
			}
		}
		if err := l.wait(); err != nil {
			return nil, err
		}
		now, err := monotonic(), error(nil)
		switch {
		case from.at == 0 && now >= l.began+l.config.Warmup:
			from, err = l.mark()
			l.answered = l.answered[:0]
		case to.at == 0 && (from.at > 0 && now >= from.at+l.config.Window || l.next == len(l.ends) && len(l.free) == len(l.conns)):
			to, err = l.mark()
			l.finish(from, to)
		case from.at > 0 && now > from.at+l.config.Window+answerLimit:
			err = fmt.Errorf("%d webhooks were not answered within %v", len(l.conns)-len(l.free), answerLimit)
		}
		if err != nil {
			return nil, err
		}
	}
	if from.at == 0 {
		return nil, fmt.Errorf("all %d prepared webhooks were answered before the warm-up ended", len(l.ends))
	}
	return &l.result, nil
}

// answerLimit is how long after the window the last answers may come.
const answerLimit = 10 * time.Second

// wait waits for what happens next and deals with it.
func (l *load) wait() error {
	n, err := unix.EpollWait(l.epoll, l.events[:], 100)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return err
	}
	now := monotonic()
	for i := range max(n, 0) {
		if err := l.handle(l.events[i].Fd, now); err != nil {
			return err
		}
	}
	return nil
}

// A mark is one end of the window.
type mark struct{ at, server, self time.Duration }

func (l *load) mark() (m mark, err error) {
	m.at = monotonic()
	if m.self, err = cpuTime(unix.Getpid()); err != nil {
		return m, err
	}
	if l.config.ServerPID != 0 {
		m.server, err = cpuTime(l.config.ServerPID)
	}
	return m, err
}

// finish closes the window. Answers still come in for what was sent within it; they count no more.
func (l *load) finish(from, to mark) {
	r := &l.result
	r.Answered, r.Total, r.Elapsed = len(l.answered), l.next, to.at-from.at
	r.ServerCPU, r.LoadCPU = to.server-from.server, to.self-from.self
	r.P50, r.P99 = percentile(l.answered, 0.50), percentile(l.answered, 0.99)
	r.Sent = l.sent
}

// sendDue sends what is due on whatever connections are free.
func (l *load) sendDue() error {
	for l.next < min(l.due, len(l.ends)) && len(l.free) > 0 {
		// The longest free comes first: a server closes a connection that it hears nothing from.
		c := l.free[0]
		l.free = l.free[1:]
		if err := l.send(c); err != nil {
			return err
		}
	}
	return nil
}

func (l *load) send(c *loadConn) error {
	from := 0
	if l.next > 0 {
		from = l.ends[l.next-1]
	}
	b := l.slab[from:l.ends[l.next]]
	c.sentAt, c.pending, c.n = monotonic(), true, 0
	if l.sent != nil {
		l.sent[l.next] = int64(c.sentAt)
	}
	if l.config.Rate > 0 {
		dueAt := l.began + time.Duration(l.next+1)*time.Second/time.Duration(l.config.Rate)
		l.result.Late = max(l.result.Late, c.sentAt-dueAt)
	}
	l.next++
	// A request is far smaller than the empty socket buffer before it.
	if n, err := unix.Write(c.fd, b); err != nil || n != len(b) {
		return fmt.Errorf("sending a webhook: wrote %d of %d bytes: %w", n, len(b), err)
	}
	return nil
}

func (l *load) handle(fd int32, now time.Duration) error {
	if int(fd) == l.timer {
		return l.tick()
	}
	c := l.byFD[fd]
	n, err := unix.Read(c.fd, c.buf[c.n:])
	switch {
	case errors.Is(err, unix.EAGAIN):
		return nil
	case err != nil:
		return fmt.Errorf("reading an answer: %w", err)
	case n == 0:
		return fmt.Errorf("the server closed a connection")
	}
	c.n += n
	status, complete, err := parseAnswer(c.buf[:c.n])
	if err != nil || !complete {
		return err
	}
	if !c.pending {
		return fmt.Errorf("an answer to no request: %q", c.buf[:c.n])
	}
	c.pending = false
	l.free = append(l.free, c)
	if status == 200 {
		l.answered = append(l.answered, now-c.sentAt)
	} else {
		l.refuse(c.buf[:c.n])
	}
	return nil
}

func (l *load) refuse(answer []byte) {
	if l.result.Refused++; l.result.Refused == 1 {
		l.result.Refusal = string(answer)
	}
}

func (l *load) tick() error {
	var expirations [8]byte
	if _, err := unix.Read(l.timer, expirations[:]); err != nil {
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		return err
	}
	// The clock says how many are due; counting expirations would carry a late start along.
	l.due = int((monotonic() - l.began) * time.Duration(l.config.Rate) / time.Second)
	return nil
}

func (l *load) close() {
	for _, c := range l.conns {
		_ = unix.Close(c.fd)
	}
	for _, fd := range []int{l.epoll, l.timer} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
