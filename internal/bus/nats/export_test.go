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

// AckAfter returns the configuration with another ackWait.
func (c Config) AckAfter(d time.Duration) Config {
	c.ackWait = d
	return c
}
