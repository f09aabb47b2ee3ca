package load

import (
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epoll is the poller for plain TCP: one thread, no goroutine and no lock for a connection. A request costs one write and
// one read; waiting is shared by all that are ready.
type epoll struct {
	fd     int
	conns  []int // file descriptors; -1: not connected
	events []unix.EpollEvent
	list   []int
	coarse bool // the kernel has no epoll_pwait2 (before 5.11): milliseconds
}

func newPoller(slots int, plain bool) (poller, error) {
	if !plain {
		return newGoPoller(slots), nil
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	p := &epoll{fd: fd, conns: make([]int, slots), events: make([]unix.EpollEvent, 256)}
	for i := range p.conns {
		p.conns[i] = -1
	}
	return p, nil
}

// add takes a duplicate of the descriptor, so that the runtime's own poller no longer watches it.
func (p *epoll) add(slot int, c net.Conn) error {
	defer func() { _ = c.Close() }()
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return fmt.Errorf("epoll cannot watch a %T", c)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var fd int
	var dupErr error
	if err := raw.Control(func(own uintptr) { fd, dupErr = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return err
	}
	if dupErr != nil {
		return dupErr
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(slot)}
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		_ = unix.Close(fd)
		return err
	}
	p.conns[slot] = fd
	return nil
}

func (p *epoll) wait(timeout time.Duration) ([]int, error) {
	n, err := p.pause(max(timeout, 0))
	if err == unix.EINTR {
		n, err = 0, nil
	}
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	p.list = p.list[:0]
	for _, e := range p.events[:n] {
		p.list = append(p.list, int(e.Fd))
	}
	return p.list, nil
}

func (p *epoll) pause(timeout time.Duration) (int, error) {
	if !p.coarse {
		ts := unix.NsecToTimespec(int64(timeout))
		n, _, e := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), uintptr(unsafe.Pointer(&ts)), 0, 0)
		if e == 0 {
			return int(n), nil
		}
		if e != unix.ENOSYS && e != unix.EPERM { // EPERM: some sandboxes
			return 0, e
		}
		p.coarse = true
	}
	return unix.EpollWait(p.fd, p.events, int((timeout+time.Millisecond-1)/time.Millisecond))
}

// read and write do not tell the scheduler: they never block, and telling it costs more than they do.
func (p *epoll) read(slot int, b []byte) (int, error) {
	if p.conns[slot] < 0 {
		return 0, errAgain
	}
	n, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(p.conns[slot]), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	switch {
	case e == unix.EAGAIN || e == unix.EINTR:
		return 0, errAgain
	case e != 0:
		return 0, e
	case n == 0:
		return 0, io.EOF
	}
	return int(n), nil
}

func (p *epoll) write(slot int, b []byte) error {
	if p.conns[slot] < 0 {
		return io.ErrClosedPipe
	}
	n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(p.conns[slot]), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
	switch {
	case e != 0:
		return syscall.Errno(e)
	case int(n) < len(b):
		return errShort
	}
	return nil
}

func (p *epoll) remove(slot int) {
	if p.conns[slot] >= 0 {
		_ = unix.Close(p.conns[slot])
		p.conns[slot] = -1
	}
}

func (p *epoll) close() {
	for slot := range p.conns {
		p.remove(slot)
	}
	_ = unix.Close(p.fd)
}
