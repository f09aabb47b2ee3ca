package listener

import (
	"context"
	"net"
)

// Pipe is a net.Listener whose connections are pipes in memory. Safe for concurrent use.
type Pipe struct {
	connections chan net.Conn
	closed      context.Context
	close       context.CancelFunc
}

// NewPipe returns a listener that Dial reaches.
func NewPipe() *Pipe {
	closed, stop := context.WithCancel(context.Background())
	return &Pipe{connections: make(chan net.Conn), closed: closed, close: stop}
}

// Dial connects to the listener, whatever network and address are named; an http.Transport takes it as its DialContext. It returns
// net.ErrClosed after Close.
func (l *Pipe) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.connections <- localConn{server}:
		return client, nil
	case <-l.closed.Done():
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (l *Pipe) Accept() (net.Conn, error) {
	select {
	case c := <-l.connections:
		return c, nil
	case <-l.closed.Done():
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *Pipe) Close() error {
	l.close()
	return nil
}

// Addr implements net.Listener.
func (l *Pipe) Addr() net.Addr { return pipeAddr{} }

// localConn says that its other end is on this machine, in the form that the limits per client address expect.
type localConn struct{ net.Conn }

// RemoteAddr implements net.Conn.
func (localConn) RemoteAddr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

// Network implements net.Addr.
func (pipeAddr) Network() string { return "pipe" }

// String implements net.Addr.
func (pipeAddr) String() string { return "127.0.0.1:0" }
