package kafka

import "net"

// Through returns the configuration with another way to connect.
func (c Config) Through(dial func(network, address string) (net.Conn, error)) Config {
	c.dial = dial
	return c
}
