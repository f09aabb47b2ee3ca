package engine

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Lose says what a MySQLProxy does to a COMMIT.
type Lose int32

// What can be lost.
const (
	// Nothing: everything is passed on.
	Nothing Lose = iota
	// Request: the COMMIT does not reach the server, and the connection breaks.
	Request
	// Answer: the server commits, its answer is not passed on, and the connection breaks.
	Answer
	// Everything: as Answer, and from then on no connection is made.
	Everything
	// Late: the connection breaks, and the COMMIT reaches the server a while afterwards.
	Late
)

// MySQLProxy stands between a shop and its database and loses what it is told to.
type MySQLProxy struct {
	// Address is where it listens.
	Address string
	// Lost counts the COMMITs that something was lost of; one that comes late, when it has come.
	Lost atomic.Int64

	lose     atomic.Int32
	listener net.Listener
	server   string

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// StartMySQLProxy starts a proxy before a server, which ends with the test.
func StartMySQLProxy(t testing.TB, server string) *MySQLProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &MySQLProxy{Address: l.Addr().String(), listener: l, server: server, conns: map[net.Conn]struct{}{}}
	go p.accept()
	t.Cleanup(func() {
		_ = l.Close()
		p.Break()
	})
	return p
}

// LoseOnce loses something of the next COMMIT; Everything lasts until the next call.
func (p *MySQLProxy) LoseOnce(what Lose) { p.lose.Store(int32(what)) }

// Break breaks every connection.
func (p *MySQLProxy) Break() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *MySQLProxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.refuses() {
			_ = client.Close()
			continue
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = struct{}{}, struct{}{}
		p.mu.Unlock()
		go p.carry(client, server)
	}
}

// refusing is what lose becomes when Everything has been lost.
const refusing = -1

func (p *MySQLProxy) refuses() bool { return p.lose.Load() == refusing }

// lateFor is how long a COMMIT is held back that comes late: longer than whoever sent it takes to ask after it.
const lateFor = 300 * time.Millisecond

// carry passes packets on until one side ends.
func (p *MySQLProxy) carry(client, server net.Conn) {
	defer func() {
		_, _ = client.Close(), server.Close()
		p.mu.Lock()
		delete(p.conns, client)
		delete(p.conns, server)
		p.mu.Unlock()
	}()
	var losing atomic.Bool
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if losing.Load() && n > 0 {
				_ = client.Close() // the server has answered, and nobody hears it
				return
			}
			if n > 0 {
				if _, err := client.Write(buf[:n]); err != nil {
					return
				}
			}
			if err != nil {
				_ = client.Close()
				return
			}
		}
	}()
	packet := make([]byte, 4)
	for {
		if _, err := io.ReadFull(client, packet[:4]); err != nil {
			return
		}
		length := int(binary.LittleEndian.Uint32(append(append([]byte(nil), packet[:3]...), 0)))
		if cap(packet) < length+4 {
			packet = append(make([]byte, 0, length+4), packet[:4]...)
		}
		packet = packet[:length+4]
		if _, err := io.ReadFull(client, packet[4:]); err != nil {
			return
		}
		if p.isCommit(packet[4:]) {
			switch what := Lose(p.lose.Load()); what {
			case Request:
				p.lose.Store(int32(Nothing))
				p.Lost.Add(1)
				return
			case Late:
				p.lose.Store(int32(Nothing))
				losing.Store(true)
				_ = client.Close()
				time.Sleep(lateFor)
				if _, err := server.Write(packet); err == nil {
					<-answered
				}
				p.Lost.Add(1)
				return
			case Answer, Everything:
				p.lose.Store(int32(Nothing))
				if what == Everything {
					p.lose.Store(refusing)
				}
				p.Lost.Add(1)
				losing.Store(true)
				if _, err := server.Write(packet); err == nil {
					<-answered
				}
				if what == Everything {
					p.Break()
				}
				return
			}
		}
		if _, err := server.Write(packet); err != nil {
			return
		}
	}
}

// isCommit reports whether a packet's body is a command that ends with the commit.
func (p *MySQLProxy) isCommit(body []byte) bool {
	const query = 3 // COM_QUERY
	return len(body) > 0 && body[0] == query && bytes.HasSuffix(body, []byte("COMMIT"))
}
