package limit

import (
	"errors"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Config limits the requests of one customer and of one client address to the public listeners.
type Config struct {
	CustomerPerSecond int `koanf:"customer_per_second" help:"requests a second of one customer, for long; 0: no limit, else 1 to 100000" live:"true"`
	CustomerBurst     int `koanf:"customer_burst" help:"requests of one customer at once, 1 to 100000" live:"true"`
	ClientPerSecond   int `koanf:"client_per_second" help:"requests a second from one client address (one /64 for IPv6), for long; 0: no limit, else 1 to 1000000; an office or a campus is one address" live:"true"`
	ClientBurst       int `koanf:"client_burst" help:"requests from one client address at once, 1 to 1000000" live:"true"`
	TrackedMax        int `koanf:"tracked_max" help:"customers, and client addresses, whose requests are counted in memory, 1000 to 10000000; about 150 bytes each" live:"true"`
}

// DefaultConfig sets no limit: in a load test from one machine all shoppers share an address.
func DefaultConfig() Config {
	return Config{CustomerBurst: 100, ClientBurst: 1000, TrackedMax: 200_000}
}

// Validate returns a fault.Invalid for each value that is not allowed.
func (c Config) Validate() error {
	var wrong []error
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
			wrong = append(wrong, fault.Bad(n.field, "a number from %d to %d, not %d", n.min, n.max, n.is))
		}
	}
	return errors.Join(wrong...)
}

// rate returns the zero Rate for no limit.
func rate(perSecond, burst int) Rate {
	if perSecond == 0 {
		return Rate{}
	}
	return Rate{Burst: burst, Every: time.Second / time.Duration(perSecond)}
}
