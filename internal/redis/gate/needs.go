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

// Store is what the gate needs of the database.
type Store interface {
	inventory.SharedStore
	lease.Store
}

// Config is the gate's part of the configuration, where the gate is in Redis.
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

// Tracking is a client that Redis tells of changed keys: see redis.Client.Tracking.
type Tracking interface {
	rueidis.Client
	// Changes counts what it was told. As long as it stays, what DoCache has answered stays true.
	Changes() uint64
}

// Parts is what a Gate is made of.
type Parts struct {
	Client rueidis.Client
	// Tracking hears of changed keys.
	Tracking Tracking
	Store    Store
	Log      *slog.Logger
	Config   Config
	// Prefix begins the names of the gate's keys.
	Prefix string
	// Holder names this process among those that share the gate.
	Holder string
	// Cluster says that the servers are a Redis Cluster.
	Cluster bool
	// Drained reports whether no order is queued, in any process; nil where there is no queue. A rebuild waits for it.
	Drained func(context.Context) bool
	// Refuse settles queued orders that no intent stands for: it refuses them, and returns those that are refused now or were
	// before. It may return none of them where that is not certain. nil where there is no queue.
	Refuse func(context.Context, []inventory.Lost) ([]id.Order, error)
}
