// Package listener makes connections cheaper for a crowd that asks and is answered at once: what an HTTP server does to each for
// those that are slow, or that leave, costs next to nothing until one is, or does.
//
// It changes nothing of what a client sees, and nothing of what is bounded: a deadline ends a read or a write at its time.
package listener

import (
	"bytes"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// New returns l with connections as described at connection. A request that begins with one of unwatched, such as
// "POST /v1/orders ", is answered without a look at whether its client is still there.
func New(l net.Listener, unwatched ...string) net.Listener {
	w := &listener{Listener: l}
	for _, begin := range unwatched {
		w.unwatched = append(w.unwatched, []byte(begin))
	}
	return w
}

type listener struct {
	net.Listener
	unwatched [][]byte
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	w := &connection{Conn: c, unwatched: l.unwatched}
	w.reads.set, w.writes.set = c.SetReadDeadline, c.SetWriteDeadline
	return w, nil
}

// connection is a connection of an HTTP server. net/http sets its deadlines eight times a request, and from the last byte of
// a request until its answer it reads one byte more in a goroutine of its own, to learn that the client has left.
//
// A deadline here is only noted, unless it is the earliest so far: what is set below may be too early and never too late. Where it is
// reached too early, what is wanted is set and the read or the write goes on.
//
// An order goes on without its client, and other answers are there before anybody could leave. So that one byte is not waited for
// after a request that begins with one of unwatched: the read returns no byte and no error, which net/http takes for no news. A
// request that does not come in one piece, or behind another one, is watched as ever.
type connection struct {
	net.Conn
	unwatched [][]byte
	heedless  atomic.Bool // what was read last began such a request
	reads     deadline
	writes    deadline
}

// Read implements net.Conn. A read of one byte may return none, and no error.
func (c *connection) Read(p []byte) (n int, err error) {
	if len(p) == 1 && c.heedless.Load() && c.heedless.Swap(false) {
		return 0, nil
	}
	for {
		if err := c.reads.begin(); err != nil {
			return 0, err
		}
		n, err = c.Conn.Read(p)
		if !c.reads.end(err) {
			break
		}
	}
	if len(p) > 1 && len(c.unwatched) > 0 {
		c.heedless.Store(c.begins(p[:n]))
	}
	return n, err
}

func (c *connection) begins(read []byte) bool {
	for _, begin := range c.unwatched {
		if bytes.HasPrefix(read, begin) {
			return true
		}
	}
	return false
}

// Write implements net.Conn.
func (c *connection) Write(p []byte) (n int, err error) {
	for {
		if err := c.writes.begin(); err != nil {
			return n, err
		}
		var more int
		more, err = c.Conn.Write(p[n:])
		n += more
		if !c.writes.end(err) {
			return n, err
		}
	}
}

// SetDeadline implements net.Conn.
func (c *connection) SetDeadline(t time.Time) error {
	return errors.Join(c.reads.want(t), c.writes.want(t))
}

// SetReadDeadline implements net.Conn.
func (c *connection) SetReadDeadline(t time.Time) error { return c.reads.want(t) }

// SetWriteDeadline implements net.Conn.
func (c *connection) SetWriteDeadline(t time.Time) error { return c.writes.want(t) }

// deadline is one that is wanted, and one that is set: while anything is under way, never later. Safe for concurrent use.
type deadline struct {
	set func(time.Time) error

	mu       sync.Mutex
	wanted   time.Time // zero: none
	isSet    time.Time // zero: none
	underWay int
}

// longAgo is before any deadline that is one: net/http sets such a time to end a read at once.
var longAgo = time.Unix(1<<20, 0)

// want notes a deadline, and sets it where what is set is later. One that is long past is left to begin where nothing is under way.
func (d *deadline) want(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = t
	switch {
	case t.IsZero(), !d.isSet.IsZero() && !t.Before(d.isSet):
		return nil
	case d.underWay == 0 && t.Before(longAgo):
		return nil
	}
	d.isSet = t
	return d.set(t)
}

// begin is called before a read or a write. It returns os.ErrDeadlineExceeded where the deadline is long past.
func (d *deadline) begin() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.wanted.IsZero() && d.wanted.Before(longAgo) {
		return os.ErrDeadlineExceeded
	}
	d.underWay++
	return nil
}

// end is called after it. It reports whether it is to be begun again, because it was ended by a deadline that is not wanted
// any more.
func (d *deadline) end(err error) (again bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.underWay--
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) || !d.wanted.IsZero() && !time.Now().Before(d.wanted) {
		return false
	}
	d.isSet = d.wanted
	return d.set(d.wanted) == nil
}
