package limit

import (
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Config is how many requests one customer, and one client address, may make of the public listeners.
type Config struct {
	CustomerPerSecond int `koanf:"customer_per_second" help:"requests a second of one customer, for long; 0: no limit, else 1 to 100000"`
	CustomerBurst     int `koanf:"customer_burst" help:"requests of one customer at once, 1 to 100000"`
	ClientPerSecond   int `koanf:"client_per_second" help:"requests a second from one client address (one /64 for IPv6), for long; 0: no limit, else 1 to 1000000; an office or a campus is one address"`
	ClientBurst       int `koanf:"client_burst" help:"requests from one client address at once, 1 to 1000000"`
	TrackedMax        int `koanf:"tracked_max" help:"customers, and client addresses, whose requests are counted in memory, 1000 to 10000000; about 150 bytes each"`
}

// DefaultConfig sets no limit: a shop that is rehearsed from one machine is one client.
func DefaultConfig() Config {
	return Config{CustomerBurst: 100, ClientBurst: 1000, TrackedMax: 200_000}
}

// Validate returns a fault.Invalid for the first value that is not allowed.
func (c Config) Validate() error {
	for _, n := range []struct {
		field        string
		is, min, max int
	}{
		{"customer_per_second", c.CustomerPerSecond, 0, 100_000},
		{"customer_burst", c.CustomerBurst, 1, 100_000},
		{"client_per_second", c.ClientPerSecond, 0, 1_000_000},
		{"client_burst", c.ClientBurst, 1, 1_000_000},
		{"tracked_max", c.TrackedMax, 1000, 10_000_000},
	} {
		if n.is < n.min || n.is > n.max {
			return fault.Bad(n.field, "a number from %d to %d, not %d", n.min, n.max, n.is)
		}
	}
	return nil
}

// rate returns the zero Rate for no limit.
func rate(perSecond, burst int) Rate {
	if perSecond == 0 {
		return Rate{}
	}
	return Rate{Burst: burst, Every: time.Second / time.Duration(perSecond)}
}
