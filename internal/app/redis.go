package app

import (
	"context"

	"github.com/tidegate/tidegate/internal/redis"
)

// connectRedis connects to Redis where the configuration names one, and reports what would be lost with it. It returns an
// error of one sentence where the shop cannot rely on it.
func (a *App) connectRedis(ctx context.Context) (err error) {
	if !a.config.Redis.Enabled() {
		return nil
	}
	if a.redis, err = redis.Connect(ctx, a.config.Redis); err != nil {
		return err
	}
	for _, s := range a.redis.Servers() {
		a.log.InfoContext(ctx, "redis", "address", s.Address, "version", s.Version, "mode", s.Mode, "role", s.Role,
			"append_only", s.AppendOnly, "save", s.Saves, "replicas", s.Replicas, "min_replicas_to_write", s.ReplicasLeast,
			"maxmemory_bytes", s.MemoryBytesMax, "maxmemory_policy", s.EvictionPolicy)
	}
	return nil
}

// aids lists what the shop works without, slower, for /readyz to tell.
func (a *App) aids() []check {
	if a.redis == nil {
		return nil
	}
	return []check{{"redis", a.redis.Ping}}
}
