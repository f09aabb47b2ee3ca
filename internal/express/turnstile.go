package express

import (
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/wire"
)

// turnstile lets a bounded number of connections in. One too many is told to come back, rather than left to hang. It also waits
// where the process has run out of file descriptors: fasthttp would end the lane for that.
type turnstile struct {
	net.Listener
	max     int
	open    func() int32 // connections that are served
	refusal []byte
}

const (
	// refusalTimeout bounds the write of a refusal; it fits the buffer of a socket that is new.
	refusalTimeout = 100 * time.Millisecond
	// exhaustedWait is how long nobody is let in while there is no file descriptor.
	exhaustedWait = 10 * time.Millisecond
)

// Accept implements net.Listener.
func (t *turnstile) Accept() (net.Conn, error) {
	for {
		c, err := t.Listener.Accept()
		switch {
		case errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED):
			time.Sleep(exhaustedWait)
			continue
		case err != nil || int(t.open()) < t.max:
			return c, err
		}
		// A client that does not take it is not told.
		_ = c.SetWriteDeadline(time.Now().Add(refusalTimeout))
		_, _ = c.Write(t.refusal)
		_ = c.Close()
	}
}

// overloaded returns the whole answer to one connection too many.
func overloaded() []byte {
	return wire.WholeProblem(fault.New(fault.Overloaded, "There are too many connections; try again.").After(time.Second), "Service Unavailable")
}
