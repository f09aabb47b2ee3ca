package payment

import (
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Config is the payment part of the configuration.
type Config struct {
	Provider    string        `koanf:"provider" help:"who takes the money of orders: sandbox, to try the shop with, where no money moves; empty is nobody, and payments are refused. With --demo it is sandbox. Rehearsals pay at the sandbox whatever this says"`
	CallTimeout time.Duration `koanf:"call_timeout" help:"how long one call to the provider may take, 100ms to 1m; an answer that did not come in time is asked for again, never taken for a no"`
	CallsMax    int           `koanf:"calls_max" help:"calls to the provider at the same time by one background worker, 1 to 1000"`
	Workers     int           `koanf:"workers" help:"background workers that ask the provider after attempts, 1 to 16; with two, a provider that hangs for some does not hold up the rest"`
	QueryAfter  time.Duration `koanf:"query_after" help:"how long after an attempt began its provider is asked without waiting for the notification, 1s to 1h; the waits double from there"`
}

// Sandbox is the provider that moves no money. Rehearsals are always paid there; other orders only if it is the
// configured provider.
const Sandbox = "sandbox"

// NoProvider is the provider's name in the payment of an order whose total is zero.
const NoProvider = "none"

// DefaultConfig returns the defaults: no provider.
func DefaultConfig() Config {
	return Config{CallTimeout: 5 * time.Second, CallsMax: 64, Workers: 2, QueryAfter: 30 * time.Second}
}

// Validate returns a fault.Invalid for the first value that is out of range.
func (c Config) Validate() error {
	switch {
	case c.Provider != "" && c.Provider != Sandbox:
		return fault.Bad("provider", "sandbox or nothing, not %q", c.Provider)
	case c.CallTimeout < 100*time.Millisecond || c.CallTimeout > time.Minute:
		return fault.Bad("call_timeout", "a duration from 100ms to 1m, not %s", c.CallTimeout)
	case c.CallsMax < 1 || c.CallsMax > 1000:
		return fault.Bad("calls_max", "a number from 1 to 1000, not %d", c.CallsMax)
	case c.Workers < 1 || c.Workers > 16:
		return fault.Bad("workers", "a number from 1 to 16, not %d", c.Workers)
	case c.QueryAfter < time.Second || c.QueryAfter > time.Hour:
		return fault.Bad("query_after", "a duration from 1s to 1h, not %s", c.QueryAfter)
	}
	return nil
}

// RetrySchedule returns the schedule of provider polls under this configuration.
func (c Config) RetrySchedule() RetrySchedule {
	return RetrySchedule{QueryAfter: c.QueryAfter, Lease: c.CallTimeout + time.Second}
}
