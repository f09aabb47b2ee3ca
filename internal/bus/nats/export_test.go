package nats

import (
	"net"
	"time"
)

// Through returns the configuration with another way to connect.
func (c Config) Through(dial func(network, address string) (net.Conn, error)) Config {
	c.dial = dial
	return c
}

// AckAfter returns the configuration with another wait for a process that says nothing of what it has.
func (c Config) AckAfter(d time.Duration) Config {
	c.ackWait = d
	return c
}
