// Package load is the drill's generator: it puts requests on many HTTP/1.1 connections from one thread and reads the
// answers, at a few microseconds each, so that on one machine it is the shop that is measured. It knows nothing of shops.
package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"
)

// Ticket names a request to the script that asked for it.
type Ticket uint64

// Script says what to send and takes what comes back. One loop calls it from one goroutine. Times are since the loop began.
type Script interface {
	// Next returns the next request and when it was due. Where none is due yet, ok is false and due is when to ask again;
	// a negative due says that nothing will come before an answer does.
	Next(now time.Duration) (t Ticket, due time.Duration, ok bool)
	// Encode appends the request.
	Encode(b []byte, t Ticket) []byte
	// Answer takes an answer; took is counted from when the request was due.
	Answer(t Ticket, a Answer, now, took time.Duration)
	// Lost says that a request will get no answer: the connection broke, what came is not HTTP, or the time was up. The
	// script may ask for it again.
	Lost(t Ticket, now time.Duration, err error)
	// Done reports whether nothing more will be asked for once what is under way has been answered.
	Done(now time.Duration) bool
}

// Target is where a loop sends. Its methods are safe for concurrent use.
type Target struct {
	mu      sync.Mutex
	address string
	tls     *tls.Config
	also    []string // further addresses of the same shop
	dials   int
}

// AddAddress adds a base address of another process of the same shop, with the same scheme: connections are made to one after the
// other. It returns an error for what is no such address.
func (t *Target) AddAddress(base string) error {
	other, err := NewTarget(base)
	if err != nil {
		return err
	}
	if t.plain() != other.plain() {
		return fmt.Errorf("%s and %s must both be http or both https", t.Host(), base)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.also = append(t.also, other.address)
	return nil
}

// NewTarget returns the target of a base address such as http://127.0.0.1:8080.
func NewTarget(base string) (*Target, error) {
	t := &Target{}
	return t, t.SetAddress(base)
}

// SetAddress changes the address: a shop that was started again listens elsewhere.
func (t *Target) SetAddress(base string) error {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%q is not the address of a shop, such as http://127.0.0.1:8080", base)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.address, t.tls = u.Host, nil
	port := "80"
	if u.Scheme == "https" {
		// HTTP/1.1 alone: no ALPN.
		t.tls, port = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}, "443"
	}
	if u.Port() == "" {
		t.address = net.JoinHostPort(u.Hostname(), port)
	}
	return nil
}

// Host is the Host header.
func (t *Target) Host() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.address
}

func (t *Target) plain() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tls == nil
}

// dialTimeout bounds one attempt to connect.
const dialTimeout = 5 * time.Second

// Dial opens a connection, to one address of the target after the other.
func (t *Target) Dial(ctx context.Context) (net.Conn, error) {
	t.mu.Lock()
	address, config := t.address, t.tls
	if at := t.dials % (1 + len(t.also)); at > 0 {
		address = t.also[at-1]
		if config != nil {
			config = config.Clone()
			config.ServerName, _, _ = net.SplitHostPort(address)
		}
	}
	t.dials++
	t.mu.Unlock()
	d := &net.Dialer{Timeout: dialTimeout, KeepAlive: -1}
	if config == nil {
		return d.DialContext(ctx, "tcp", address)
	}
	return (&tls.Dialer{NetDialer: d, Config: config}).DialContext(ctx, "tcp", address)
}

// Options bound a loop.
type Options struct {
	Connections int
	// AnswerTimeout is how long an answer may take; then the request is lost and its connection closed.
	AnswerTimeout time.Duration
	// Drain is how long, after the end, answers under way are waited for.
	Drain time.Duration
}

// conn is one connection and the request that is under way on it.
type conn struct {
	in     []byte
	filled int
	ticket Ticket
	due    time.Duration
	sent   time.Duration
	state  state
}

type state uint8

const (
	down state = iota
	idle
	waiting
)

// Loop drives a script over connections. Open it, Run it once, Close it.
type Loop struct {
	target  *Target
	script  Script
	o       Options
	poller  poller
	conns   []conn
	free    []int
	waiting int
	out     []byte
	began   time.Time
	dialled chan dialled
	dialing int
	// refused is when the last attempt to connect failed: the next ones wait.
	refused time.Duration
	swept   time.Duration
	over    bool
}

type dialled struct {
	slot int
	c    net.Conn
	err  error
}

// dialsMax is how many connections are opened at the same time: a listener's backlog is no larger than a few hundred.
const dialsMax = 64

// Open connects every connection. It returns the first error where one cannot be made, with none left open.
func Open(ctx context.Context, target *Target, script Script, o Options) (*Loop, error) {
	l := &Loop{target: target, script: script, o: o, conns: make([]conn, o.Connections), free: make([]int, 0, o.Connections), dialled: make(chan dialled, o.Connections), out: make([]byte, 0, 4096)}
	var err error
	if l.poller, err = newPoller(o.Connections, target.plain()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	turns := make(chan struct{}, dialsMax)
	for slot := range l.conns {
		go func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			c, err := target.Dial(ctx)
			l.dialled <- dialled{slot, c, err}
		}()
	}
	for range l.conns {
		d := <-l.dialled
		if d.err == nil {
			d.err = l.up(d)
		}
		if d.err != nil && err == nil {
			err = d.err
			cancel()
		}
	}
	if err != nil {
		l.poller.close()
		return nil, fmt.Errorf("cannot connect to %s: %w", target.Host(), err)
	}
	return l, nil
}

// up begins with a connection.
func (l *Loop) up(d dialled) error {
	if err := l.poller.add(d.slot, d.c); err != nil {
		return err
	}
	c := &l.conns[d.slot]
	if c.in == nil {
		c.in = make([]byte, 4096)
	}
	c.state, c.filled = idle, 0
	l.free = append(l.free, d.slot)
	return nil
}

// Close closes every connection.
func (l *Loop) Close() { l.poller.close() }

// Limits of the loop's own housekeeping.
const (
	pauseMax   = 50 * time.Millisecond  // between looks at the context and at what was dialled
	sweepEvery = 100 * time.Millisecond // between looks for answers that are overdue
	redial     = 20 * time.Millisecond  // after a refused connection
)

// Run drives the script until it is done and all is answered, or, after ctx has ended, until what is under way is answered
// or Drain is over. What is then still unanswered is Lost. It returns an error only where polling itself fails.
func (l *Loop) Run(ctx context.Context, began time.Time) error {
	l.began = began
	stopped := time.Duration(-1)
	for {
		now := time.Since(l.began)
		l.over = l.script.Done(now) || ctx.Err() != nil
		switch {
		case !l.over:
			stopped = -1
		case stopped < 0:
			stopped = now
		}
		if l.over && (l.waiting == 0 || now-stopped > l.o.Drain) {
			break
		}
		pause := l.send(now)
		if l.dialing > 0 || len(l.free)+l.waiting < len(l.conns) {
			l.reconnect(ctx, now)
			pause = min(pause, time.Millisecond)
		}
		ready, err := l.poller.wait(pause)
		if err != nil {
			return err
		}
		for _, slot := range ready {
			l.receive(slot)
		}
		if now-l.swept > sweepEvery {
			l.sweep(now)
		}
	}
	l.abortAll()
	return nil
}

// send puts what is due on free connections and returns how long there is nothing to do.
func (l *Loop) send(now time.Duration) time.Duration {
	for len(l.free) > 0 && !l.over {
		t, due, ok := l.script.Next(now)
		if !ok {
			if due < 0 {
				return pauseMax
			}
			return min(max(due-now, 0), pauseMax)
		}
		slot := l.free[len(l.free)-1]
		l.free = l.free[:len(l.free)-1]
		l.put(slot, t, due)
	}
	return pauseMax
}

// put sends one request.
func (l *Loop) put(slot int, t Ticket, due time.Duration) {
	c := &l.conns[slot]
	l.out = l.script.Encode(l.out[:0], t)
	c.ticket, c.due, c.sent, c.state = t, due, time.Since(l.began), waiting
	l.waiting++
	if err := l.poller.write(slot, l.out); err != nil {
		l.fail(slot, err)
	}
}

// receive reads a connection, gives the script its answer, and sends the next request if there is one.
func (l *Loop) receive(slot int) {
	c := &l.conns[slot]
	if c.state == down {
		return
	}
	n, err := l.poller.read(slot, c.in[c.filled:])
	if errors.Is(err, errAgain) {
		return
	}
	if err != nil {
		l.fail(slot, err)
		return
	}
	c.filled += n
	for {
		a, took, err := parseAnswer(c.in[:c.filled])
		if err == nil && took > 0 && c.state != waiting {
			err = ErrMalformed // an answer that nobody asked for
		}
		if err != nil {
			l.fail(slot, err)
			return
		}
		if took == 0 {
			if c.filled == len(c.in) {
				if len(c.in) >= answerBytesMax {
					l.fail(slot, ErrMalformed)
					return
				}
				c.in = append(c.in, make([]byte, len(c.in))...)
			}
			return
		}
		if a.Status < 200 { // an interim answer: the real one follows
			c.filled = copy(c.in, c.in[took:c.filled])
			continue
		}
		now := time.Since(l.began)
		c.state = idle
		l.waiting--
		l.script.Answer(c.ticket, a, now, now-c.due)
		c.filled = copy(c.in, c.in[took:c.filled])
		if a.closes {
			l.drop(slot)
			return
		}
		l.next(slot, now)
		return
	}
}

// next sends the next request on a connection that has become free, or leaves it free.
func (l *Loop) next(slot int, now time.Duration) {
	if !l.over {
		if t, due, ok := l.script.Next(now); ok {
			l.put(slot, t, due)
			return
		}
	}
	l.free = append(l.free, slot)
}

// fail ends a connection and tells the script of the request that was on it.
func (l *Loop) fail(slot int, err error) {
	c := &l.conns[slot]
	if c.state == waiting {
		l.waiting--
		c.state = down
		l.script.Lost(c.ticket, time.Since(l.began), err)
	}
	l.drop(slot)
}

// drop closes a connection; reconnect opens it again.
func (l *Loop) drop(slot int) {
	if l.conns[slot].state == idle {
		for i, f := range l.free {
			if f == slot {
				l.free = append(l.free[:i], l.free[i+1:]...)
				break
			}
		}
	}
	l.conns[slot].state, l.conns[slot].filled = down, 0
	l.poller.remove(slot)
}

// reconnect takes what was dialled and dials what is down.
func (l *Loop) reconnect(ctx context.Context, now time.Duration) {
	for more := l.dialing > 0; more; {
		select {
		case d := <-l.dialled:
			l.dialing--
			l.conns[d.slot].sent = 0
			if d.err == nil {
				d.err = l.up(d)
			}
			if d.err != nil {
				l.refused = now
			}
		default:
			more = false
		}
	}
	if l.refused > 0 && now-l.refused < redial {
		return
	}
	for slot := range l.conns {
		if l.dialing >= dialsMax {
			return
		}
		if c := &l.conns[slot]; c.state == down && c.sent >= 0 {
			c.sent = -1 // being dialled
			l.dialing++
			go func() {
				c, err := l.target.Dial(ctx)
				l.dialled <- dialled{slot, c, err}
			}()
		}
	}
}

// errOverdue says that an answer did not come in time.
var errOverdue = errors.New("no answer in time")

func (l *Loop) sweep(now time.Duration) {
	l.swept = now
	for slot := range l.conns {
		if c := &l.conns[slot]; c.state == waiting && now-c.sent > l.o.AnswerTimeout {
			l.fail(slot, errOverdue)
		}
	}
}

func (l *Loop) abortAll() {
	for slot := range l.conns {
		if l.conns[slot].state == waiting {
			l.fail(slot, errOverdue)
		}
	}
	for ; l.dialing > 0; l.dialing-- {
		if d := <-l.dialled; d.err == nil {
			_ = d.c.Close()
		}
	}
}
