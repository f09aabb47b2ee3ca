package engine

import (
	"errors"
	"net"
	"sync"
	"time"
)

// Cut is a way to an engine that a test can cut, where the engine itself is not the test's to stop. Safe for concurrent use.
type Cut struct {
	mu   sync.Mutex
	gone bool
	open map[net.Conn]bool
}

var errCut = errors.New("the test has cut the way to the engine")

// Dial connects, unless the way is cut.
func (c *Cut) Dial(network, address string) (net.Conn, error) {
	c.mu.Lock()
	gone := c.gone
	c.mu.Unlock()
	if gone {
		return nil, errCut
	}
	conn, err := net.DialTimeout(network, address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return nil, errors.Join(errCut, conn.Close())
	}
	if c.open == nil {
		c.open = map[net.Conn]bool{}
	}
	c.open[conn] = true
	return conn, nil
}

// Stop closes every connection and lets no new one be made.
func (c *Cut) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	for conn := range c.open {
		_ = conn.Close()
	}
	clear(c.open)
}

// Start lets connections be made again.
func (c *Cut) Start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = false
}
