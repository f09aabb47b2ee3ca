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

// Lose says what an SQLProxy does to a COMMIT.
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

// SQLProxy stands between a shop and its database and loses what it is told to.
type SQLProxy struct {
	// Address is where it listens.
	Address string
	// Lost counts the COMMITs that something was lost of; one that comes late, when it has come.
	Lost atomic.Int64

	lose     atomic.Int32
	listener net.Listener
	server   string
	protocol func() packets

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// StartMySQLProxy starts a proxy before a server, which ends with the test.
func StartMySQLProxy(t testing.TB, server string) *SQLProxy {
	t.Helper()
	return startSQLProxy(t, server, func() packets { return new(mysqlPackets) })
}

// StartPostgreSQLProxy is StartMySQLProxy before a PostgreSQL. Its clients must not ask for TLS.
func StartPostgreSQLProxy(t testing.TB, server string) *SQLProxy {
	t.Helper()
	return startSQLProxy(t, server, func() packets { return &postgresPackets{statements: map[string]bool{}} })
}

func startSQLProxy(t testing.TB, server string, protocol func() packets) *SQLProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &SQLProxy{Address: l.Addr().String(), listener: l, server: server, protocol: protocol, conns: map[net.Conn]struct{}{}}
	go p.accept()
	t.Cleanup(func() {
		_ = l.Close()
		p.Break()
	})
	return p
}

// LoseOnce loses something of the next COMMIT; Everything lasts until the next call.
func (p *SQLProxy) LoseOnce(what Lose) { p.lose.Store(int32(what)) }

// Break breaks every connection.
func (p *SQLProxy) Break() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *SQLProxy) accept() {
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

func (p *SQLProxy) refuses() bool { return p.lose.Load() == refusing }

// lateFor is how long a COMMIT is held back that comes late: longer than whoever sent it takes to ask after it.
const lateFor = 300 * time.Millisecond

// carry passes packets on until one side ends.
func (p *SQLProxy) carry(client, server net.Conn) {
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
	from := p.protocol()
	for {
		packet, commits, err := from.next(client)
		if err != nil {
			return
		}
		if commits {
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

// packets reads what a client sends, in parts that are passed on as a whole.
type packets interface {
	// next returns the next part, and whether the server commits by it.
	next(from io.Reader) (packet []byte, commits bool, err error)
}

// mysqlPackets are MySQL's: three bytes of length and a number before each.
type mysqlPackets struct{}

func (*mysqlPackets) next(from io.Reader) ([]byte, bool, error) {
	var head [4]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return nil, false, err
	}
	packet := make([]byte, 4+int(head[0])+int(head[1])<<8+int(head[2])<<16)
	copy(packet, head[:])
	_, err := io.ReadFull(from, packet[4:])
	const query = 3 // COM_QUERY
	body := packet[4:]
	return packet, len(body) > 0 && body[0] == query && bytes.HasSuffix(body, []byte("COMMIT")), err
}

// postgresPackets are PostgreSQL's: a letter and four bytes of length before each message but the first. A part is what is sent up to the message
// that the server answers at.
type postgresPackets struct {
	started bool
	// statements tells of the prepared ones whether they are a COMMIT.
	statements map[string]bool
}

func (p *postgresPackets) next(from io.Reader) (packet []byte, commits bool, err error) {
	for {
		var kind byte
		if p.started {
			var letter [1]byte
			if _, err := io.ReadFull(from, letter[:]); err != nil {
				return nil, false, err
			}
			kind = letter[0]
			packet = append(packet, kind)
		}
		var length [4]byte
		if _, err := io.ReadFull(from, length[:]); err != nil {
			return nil, false, err
		}
		body := make([]byte, max(int(binary.BigEndian.Uint32(length[:]))-4, 0))
		if _, err := io.ReadFull(from, body); err != nil {
			return nil, false, err
		}
		packet = append(append(packet, length[:]...), body...)
		if !p.started {
			p.started = true
			return packet, false, nil
		}
		texts := bytes.SplitN(body, []byte{0}, 3)
		switch kind {
		case 'P': // Parse: name, text
			p.statements[string(texts[0])] = string(texts[1]) == "COMMIT"
		case 'B': // Bind: portal, name
			commits = commits || p.statements[string(texts[1])]
		case 'Q': // Query: text
			return packet, string(texts[0]) == "COMMIT", nil
		case 'S', 'H', 'X', 'p': // Sync, Flush, Terminate, a password
			return packet, commits, nil
		}
	}
}
