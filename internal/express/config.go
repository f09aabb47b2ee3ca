package express

import (
	"net"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Config is the part of the configuration that the express lane has. Its other limits are those of the public listener.
type Config struct {
	Address        string `koanf:"address" help:"where the express lane listens, host:port; empty: there is none; port 0 takes a free one"`
	ConnectionsMax int    `koanf:"connections_max" help:"connections the express lane holds at once, 1 to 1000000; one more is answered 503"`
}

// DefaultConfig returns the defaults: no express lane, since nothing sends its routes there before a proxy is told to.
func DefaultConfig() Config {
	return Config{ConnectionsMax: 20_000} // some 40 KiB each while busy
}

// Validate returns a fault.Invalid for the first value that is not allowed.
func (c Config) Validate() error {
	if c.Address != "" {
		if _, _, err := net.SplitHostPort(c.Address); err != nil {
			return fault.Bad("address", "%q is not an address: write host:port, such as 127.0.0.1:8081, or nothing", c.Address)
		}
	}
	if c.ConnectionsMax < 1 || c.ConnectionsMax > 1_000_000 {
		return fault.Bad("connections_max", "a number from 1 to 1000000, not %d", c.ConnectionsMax)
	}
	return nil
}

// Limits are those of the public listener, which hold here as well.
type Limits struct {
	HeaderTimeout  time.Duration // to send the headers
	ReadTimeout    time.Duration // to send a whole request; more than HeaderTimeout
	WriteTimeout   time.Duration // to take the answer
	IdleTimeout    time.Duration // between requests
	HeaderBytesMax int
}
