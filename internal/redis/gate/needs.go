package gate

import (
	"context"
	"log/slog"
	"time"

	"github.com/redis/rueidis"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/lease"
)

// Store is the database as the gate needs it.
type Store interface {
	inventory.SharedStore
	lease.Store
}

// Config is the configuration of the gate in Redis.
type Config struct {
	AskTimeout time.Duration `koanf:"ask_timeout" help:"how long one question to the gate in Redis may take, 10ms to 10s; an order waits for two at most, and then goes on by the database's guard alone"`
	Hold       time.Duration `koanf:"hold" help:"how long a reservation in Redis stands before its order must have been committed, 5s to 10m; after twice that, what was not is given back"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{AskTimeout: 250 * time.Millisecond, Hold: 30 * time.Second}
}

// Validate returns a fault.Invalid for the first value that is out of range.
func (c Config) Validate() error {
	switch {
	case c.AskTimeout < 10*time.Millisecond || c.AskTimeout > 10*time.Second:
		return fault.Bad("ask_timeout", "a duration from 10ms to 10s, not %s", c.AskTimeout)
	case c.Hold < 5*time.Second || c.Hold > 10*time.Minute:
		return fault.Bad("hold", "a duration from 5s to 10m, not %s", c.Hold)
	}
	return nil
}

// Tracking is a client with a client-side cache: see redis.Client.Tracking.
type Tracking interface {
	rueidis.Client
	// Changes counts invalidations. While it does not change, answers of DoCache are current.
	Changes() uint64
}

// Parts holds the dependencies of a Gate.
type Parts struct {
	Client rueidis.Client
	// Tracking receives invalidations.
	Tracking Tracking
	Store    Store
	Log      *slog.Logger
	Config   Config
	// Prefix starts every key of the gate.
	Prefix string
	// Holder identifies this process among those that share the gate.
	Holder string
	// Cluster says that the servers form a Redis Cluster.
	Cluster bool
	// Drained reports whether the queue is empty for all processes; nil without a queue. A rebuild waits for it.
	Drained func(context.Context) bool
	// RefuseOrphans refuses queued orders that have no intent. It returns those that are refused, now or earlier, and
	// may return none if it is not certain. nil without a queue.
	RefuseOrphans func(context.Context, []inventory.OrphanedReservation) ([]id.Order, error)
}
