package listener

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Bound is how many connections a client may hold. Safe for concurrent use.
type Bound interface {
	Enter(client netip.Addr) bool
	Leave(client netip.Addr)
}

// PerClient returns l with a bound on the connections of each client address, but for those that are exempt. One too many is
// answered with refusal, a whole answer, and closed.
func PerClient(l net.Listener, b Bound, exempt func(netip.Addr) bool, refusal []byte) net.Listener {
	return &perClient{l, b, exempt, refusal}
}

type perClient struct {
	net.Listener
	bound   Bound
	exempt  func(netip.Addr) bool
	refusal []byte
}

// refusalTimeout bounds the write of a refusal; it fits the buffer of a socket that is new.
const refusalTimeout = 100 * time.Millisecond

// Accept implements net.Listener.
func (l *perClient) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, err := netip.ParseAddrPort(c.RemoteAddr().String())
		if err != nil || l.exempt(from.Addr().Unmap()) {
			return c, nil // one without an address is of this process
		}
		if l.bound.Enter(from.Addr()) {
			return &held{Conn: c, leave: sync.OnceFunc(func() { l.bound.Leave(from.Addr()) })}, nil
		}
		// A client that does not take it is not told.
		_ = c.SetWriteDeadline(time.Now().Add(refusalTimeout))
		_, _ = c.Write(l.refusal)
		_ = c.Close()
	}
}

// held is a connection that is counted until it is closed.
type held struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *held) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
