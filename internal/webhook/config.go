package webhook

import (
	"errors"
	"net/netip"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Config is the webhook part of the configuration.
type Config struct {
	Enabled       bool          `koanf:"enabled" help:"registered endpoints are told of events"`
	Timeout       time.Duration `koanf:"timeout" help:"how long one try may take, 1s to 60s"`
	Workers       int           `koanf:"workers" help:"endpoints that are told at the same time, 2 to 256; those that fail or are slow take half of them at most"`
	AllowNetworks []string      `koanf:"allow_networks" help:"addresses inside that endpoints may be at, such as 10.1.0.0/16; without it only public addresses over https are told anything"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return Config{Enabled: true, Timeout: 10 * time.Second, Workers: 16} }

// Validate returns a fault for every value that is out of range.
func (c Config) Validate() error {
	var wrong []error
	if c.Timeout < time.Second || c.Timeout > time.Minute {
		wrong = append(wrong, fault.Bad("timeout", "a duration from 1s to 60s, not %s", c.Timeout))
	}
	if c.Workers < 2 || c.Workers > 256 {
		wrong = append(wrong, fault.Bad("workers", "a number from 2 to 256, not %d", c.Workers))
	}
	for _, text := range c.AllowNetworks {
		if _, err := netip.ParsePrefix(text); err != nil {
			wrong = append(wrong, fault.Bad("allow_networks", "networks such as 10.1.0.0/16, not %q", text))
		}
	}
	return errors.Join(wrong...)
}

// networks returns the allowed networks. The configuration must be valid.
func (c Config) networks() []netip.Prefix {
	all := make([]netip.Prefix, len(c.AllowNetworks))
	for i, text := range c.AllowNetworks {
		all[i] = netip.MustParsePrefix(text).Masked()
	}
	return all
}
