package load

import (
	"errors"
	"io"
	"net"
	"time"
)

// poller watches connections for one loop, which alone calls it. The loop knows a connection by its slot.
type poller interface {
	// add watches a connection and owns it from then on.
	add(slot int, c net.Conn) error
	// wait returns slots that have something to read or have ended, after at most the timeout. The slice is good until the
	// next call.
	wait(timeout time.Duration) ([]int, error)
	// read reads once. It returns errAgain where there is nothing.
	read(slot int, b []byte) (int, error)
	// write writes all of b or fails: one small request at a time is on a connection, its buffer is never full.
	write(slot int, b []byte) error
	// remove closes the connection.
	remove(slot int)
	close()
}

var (
	errAgain = errors.New("nothing to read")
	errShort = errors.New("the connection's send buffer is full")
)

// goPoller is a poller of any net.Conn: a goroutine a connection. It serves TLS, and systems without epoll.
type goPoller struct {
	conns []*goConn
	ready chan int
	list  []int
	timer *time.Timer
}

type goConn struct {
	net.Conn
	buf    []byte
	unread []byte
	err    error
	resume chan struct{}
}

func newGoPoller(slots int) *goPoller {
	return &goPoller{conns: make([]*goConn, slots), ready: make(chan int, 2*slots+1), timer: time.NewTimer(time.Hour)}
}

func (p *goPoller) add(slot int, c net.Conn) error {
	g := &goConn{Conn: c, buf: make([]byte, 16<<10), resume: make(chan struct{}, 1)}
	p.conns[slot] = g
	go func() {
		for {
			n, err := g.Read(g.buf)
			g.unread, g.err = g.buf[:n], err
			p.ready <- slot
			if _, more := <-g.resume; !more || err != nil {
				return
			}
		}
	}()
	return nil
}

func (p *goPoller) wait(timeout time.Duration) ([]int, error) {
	p.list = p.list[:0]
	p.timer.Reset(timeout)
	select {
	case slot := <-p.ready:
		p.list = append(p.list, slot)
	case <-p.timer.C:
		return nil, nil
	}
	for len(p.list) < 256 {
		select {
		case slot := <-p.ready:
			p.list = append(p.list, slot)
		default:
			return p.list, nil
		}
	}
	return p.list, nil
}

func (p *goPoller) read(slot int, b []byte) (int, error) {
	g := p.conns[slot]
	if g == nil {
		return 0, errAgain // of a connection that was here before
	}
	switch {
	case len(g.unread) == 0 && g.err != nil:
		return 0, g.err
	case len(g.unread) == 0:
		return 0, errAgain
	}
	n := copy(b, g.unread)
	g.unread = g.unread[n:]
	switch {
	case len(g.unread) > 0 || g.err != nil:
		p.ready <- slot
	default:
		g.resume <- struct{}{}
	}
	return n, nil
}

func (p *goPoller) write(slot int, b []byte) error {
	if p.conns[slot] == nil {
		return io.ErrClosedPipe
	}
	_, err := p.conns[slot].Write(b)
	return err
}

func (p *goPoller) remove(slot int) {
	if g := p.conns[slot]; g != nil {
		p.conns[slot] = nil
		close(g.resume)
		_ = g.Close()
	}
}

func (p *goPoller) close() {
	for slot := range p.conns {
		p.remove(slot)
	}
}
