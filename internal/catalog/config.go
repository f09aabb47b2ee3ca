package catalog

import (
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// Config is the catalogue part of the configuration.
type Config struct {
	Currency string      `koanf:"currency" help:"ISO 4217 currency of every price of the shop, such as GBP; it cannot change once there are prices"`
	Cache    CacheConfig `koanf:"cache"`
}

// CacheConfig bounds the cache of product reads.
type CacheConfig struct {
	Lifetime        time.Duration `koanf:"lifetime" help:"how long an answer is kept, give or take a tenth, 1s to 24h; a change drops it at once"`
	MissingLifetime time.Duration `koanf:"missing_lifetime" help:"how long the answer that something does not exist is kept, 100ms to 1m"`
	MaxMiB          int           `koanf:"max_mib" help:"memory for encoded answers in MiB, 1 to 65536"`
	PricesMax       int           `koanf:"prices_max" help:"prices kept in memory for orders, 1000 to 100000000"`
	MostReadMax     int           `koanf:"most_read_max" help:"how many of the most read products are remembered and warmed at start, 0 to 1000"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Currency: "GBP", Cache: CacheConfig{
		Lifetime: 5 * time.Minute, MissingLifetime: 5 * time.Second, MaxMiB: 64, PricesMax: 200_000, MostReadMax: 200,
	}}
}

// Validate returns a fault.Invalid for the first value that is out of range.
func (c Config) Validate() error {
	if _, err := money.ParseCurrency(c.Currency); err != nil {
		return fault.Bad("currency", "%q is not an ISO 4217 code such as GBP", c.Currency)
	}
	k := c.Cache
	switch {
	case k.Lifetime < time.Second || k.Lifetime > 24*time.Hour:
		return fault.Bad("cache.lifetime", "a duration from 1s to 24h, not %s", k.Lifetime)
	case k.MissingLifetime < 100*time.Millisecond || k.MissingLifetime > time.Minute:
		return fault.Bad("cache.missing_lifetime", "a duration from 100ms to 1m, not %s", k.MissingLifetime)
	case k.MaxMiB < 1 || k.MaxMiB > 65536:
		return fault.Bad("cache.max_mib", "a number from 1 to 65536, not %d", k.MaxMiB)
	case k.PricesMax < 1000 || k.PricesMax > 100_000_000:
		return fault.Bad("cache.prices_max", "a number from 1000 to 100000000, not %d", k.PricesMax)
	case k.MostReadMax < 0 || k.MostReadMax > 1000:
		return fault.Bad("cache.most_read_max", "a number from 0 to 1000, not %d", k.MostReadMax)
	}
	return nil
}
