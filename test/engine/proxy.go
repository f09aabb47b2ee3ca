package engine

import (
	"net"
	"sync"
	"testing"
)

// Proxy stands between a client and a server and harms what passes. Its methods are safe for concurrent use.
type Proxy struct {
	// Address is where clients connect.
	Address string

	target string
	mu     sync.Mutex
	pass   *sync.Cond
	conns  map[net.Conn]bool
	frozen bool
	deaf   bool
	broken bool
}

// NewProxy starts a proxy to the address of a server. It ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Address: l.Addr().String(), target: target, conns: map[net.Conn]bool{}}
	p.pass = sync.NewCond(&p.mu)
	go p.serve(l)
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		p.frozen = false
		p.mu.Unlock()
		p.pass.Broadcast()
		p.Cut()
	})
	return p
}

func (p *Proxy) serve(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		if p.broken {
			p.mu.Unlock()
			_, _ = client.Close(), server.Close()
			continue
		}
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		go p.copy(server, client, false)
		go p.copy(client, server, true)
	}
}

// copy passes bytes on until one end closes. replies says that they come from the server.
func (p *Proxy) copy(to, from net.Conn, replies bool) {
	defer func() {
		_ = to.Close()
		_ = from.Close()
		p.mu.Lock()
		delete(p.conns, to)
		delete(p.conns, from)
		p.mu.Unlock()
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		for p.frozen {
			p.pass.Wait()
		}
		drop := replies && p.deaf
		p.mu.Unlock()
		if drop {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// Freeze passes nothing on any more and keeps every connection open, as a network does that has gone: half-open.
func (p *Proxy) Freeze() { p.set(func() { p.frozen = true }) }

// LoseReplies passes on what clients ask and drops what the server answers.
func (p *Proxy) LoseReplies() { p.set(func() { p.deaf = true }) }

// Break closes every connection, and each new one, as a network does that refuses.
func (p *Proxy) Break() {
	p.set(func() { p.broken = true })
	p.Cut()
}

// Mend passes everything on again. Connections whose replies were lost are cut, for nobody could read on in them.
func (p *Proxy) Mend() {
	var cut bool
	p.set(func() { cut, p.frozen, p.deaf, p.broken = p.deaf, false, false, false })
	if cut {
		p.Cut()
	}
}

// Cut closes every connection. New ones are taken.
func (p *Proxy) Cut() {
	p.set(func() {
		for c := range p.conns {
			_ = c.Close()
		}
	})
}

func (p *Proxy) set(change func()) {
	p.mu.Lock()
	change()
	p.mu.Unlock()
	p.pass.Broadcast()
}
