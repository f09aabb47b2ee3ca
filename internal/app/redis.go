package app

import (
	"context"
	"errors"
	"time"

	"github.com/tidegate/tidegate/internal/app/loop"
	"github.com/tidegate/tidegate/internal/app/ops"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/redis"
	"github.com/tidegate/tidegate/internal/redis/cache"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/telemetry"
)

const (
	// watchEvery bounds how long a connection that says nothing any more goes unnoticed, beside redis.reply_timeout.
	watchEvery = 250 * time.Millisecond
	// tellEvery bounds how late a change is told that could not be told at once.
	tellEvery = 500 * time.Millisecond
	// hotShown is how many of the most read products the metrics name.
	hotShown = 20
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
func (a *App) aids() []ops.Check {
	all := []ops.Check{{Name: "clock", Ask: a.checkClock}}
	if a.redis != nil {
		all = append(all, ops.Check{Name: "redis", Ask: a.redis.Ping})
	}
	a.store.Replicas(func(address string, _ bool) {
		all = append(all, ops.Check{Name: "replica " + address, Ask: func(context.Context) error { return a.replicaUsed(address) }})
	})
	return all
}

// errReplicaOut is why lists are not read from a replica.
var errReplicaOut = errors.New("it does not answer, or is further behind than store.replica_lag_max")

func (a *App) replicaUsed(address string) error {
	err := errReplicaOut
	a.store.Replicas(func(one string, used bool) {
		if one == address && used {
			err = nil
		}
	})
	return err
}

// sharedCache returns the cache that the shop's processes share, nil where each has its own.
func (a *App) sharedCache() catalog.Shared {
	if a.redis == nil {
		return nil
	}
	a.cache = cache.New(a.redis)
	return a.cache
}

// listenForChanges has the catalogue hear of what other processes change, before anything of it is read.
func (a *App) listenForChanges(ctx context.Context) error {
	if a.cache == nil {
		return nil
	}
	a.cache.Listen(catalogueListener{a.reader, a.store})
	_, err := a.cache.WatchStep(ctx)
	return err
}

// redisLoops lists what repeats where there is a Redis.
func (a *App) redisLoops() []loop.Loop {
	if a.cache == nil {
		return nil
	}
	return []loop.Loop{
		{Name: "cache_watch", Every: watchEvery, Wake: a.cache.WatchWake(), RetryMax: watchEvery, Step: loop.OnceAndRest(a.cache.WatchStep)},
		{Name: "cache_tell", Every: tellEvery, Wake: a.reader.TellWake(), RetryMax: time.Second, Step: loop.OnceAndRest(a.reader.TellStep)},
	}
}

func (a *App) closeRedis() {
	if a.cache != nil {
		a.cache.Unwatch()
	}
	if a.tracking != nil {
		a.tracking.Close()
	}
	if a.redis != nil {
		a.redis.Close()
	}
}

// observeCache gives the metrics the shared level of the cache and the most read products.
func (a *App) observeCache() error {
	if err := a.metrics.ObserveHottest(func(yield func(product string, reads int64)) {
		for _, h := range a.reader.Hottest(hotShown) {
			yield(h.Product.String(), int64(h.Reads))
		}
	}); err != nil || a.cache == nil {
		return err
	}
	return a.metrics.ObserveSharedCache(func() telemetry.SharedCacheCounts {
		s := a.cache.Stats()
		return telemetry.SharedCacheCounts{
			Hits: s.Hits, Loads: s.Loads, Waits: s.Waits, Refused: s.Refused, Failed: s.Failed, Live: a.cache.Live(),
		}
	})
}

// catalogueListener hears for the cache, and for the database: what another process has changed is not read from a replica
// that may not have it yet.
type catalogueListener struct {
	*catalog.Reader
	store *store.Store
}

// Forgotten implements cache.Listener.
func (l catalogueListener) Forgotten(key string) {
	l.store.CatalogueChanged()
	l.Reader.Forgotten(key)
}

// OnConnect implements cache.Listener.
func (l catalogueListener) OnConnect() {
	l.store.CatalogueChanged()
	l.Reader.OnConnect()
}
