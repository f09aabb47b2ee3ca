package catalog

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/maypok86/otter/v2/stats"

	"github.com/tidegate/tidegate/internal/kernel/clock"
)

// loadTimeout bounds one load. All waiting readers share a load, so it continues when the reader who started it leaves.
const loadTimeout = 5 * time.Second

// errUnknown says that the filter does not know the key. It is not cached.
var errUnknown = errors.New("unknown key")

// cache keeps loaded values in memory. All readers of a key share one load. Lifetimes vary randomly by a tenth, so that
// values loaded together do not expire together. A value read in the last quarter of its lifetime is refreshed in the
// background. It is safe for concurrent use.
//
// A change must be followed by drop. otter discards and repeats a load that began before the change and ends after the
// drop, so an old value never replaces a change: TestReadersNeverGoBack checks that.
type cache[K comparable, V any] struct {
	name    string
	otter   *otter.Cache[K, V]
	counter *stats.Counter
	load    func(context.Context, K) (V, error)
	known   func(K) bool // nil: every key may exist
	shared  *sharedForm[K, V]
	// lifetime returns how long to keep a value, with random variation.
	lifetime func(V) time.Duration
	epoch    atomic.Uint64 // incremented when everything is dropped
	loads    atomic.Uint64
	failed   atomic.Uint64
	stopped  atomic.Uint64
}

type cacheSettings[K comparable, V any] struct {
	name      string
	clock     clock.Clock
	log       *slog.Logger
	lifetime  time.Duration
	missing   time.Duration
	isMissing func(V) bool
	weigh     func(K, V) uint32
	weightMax uint64
	load      func(context.Context, K) (V, error)
	known     func(K) bool
	shared    *sharedForm[K, V] // nil: each process loads for itself
}

func newCache[K comparable, V any](s cacheSettings[K, V]) *cache[K, V] {
	c := &cache[K, V]{name: s.name, counter: stats.NewCounter(), load: s.load, known: s.known, shared: s.shared}
	c.lifetime = func(v V) time.Duration {
		if s.isMissing(v) {
			return s.missing
		}
		return jitter(s.lifetime)
	}
	lifetime := func(e otter.Entry[K, V]) time.Duration {
		if s.shared.deaf() {
			return min(c.lifetime(e.Value), deafLifetime)
		}
		return c.lifetime(e.Value)
	}
	refresh := func(e otter.Entry[K, V]) time.Duration {
		if s.isMissing(e.Value) {
			return 24 * time.Hour // never: it expires first
		}
		return jitter(s.lifetime) * 3 / 4 // at latest 0.825 of the lifetime, which ends at 0.9 at the earliest
	}
	c.otter = otter.Must(&otter.Options[K, V]{
		MaximumWeight:     s.weightMax,
		Weigher:           s.weigh,
		StatsRecorder:     c.counter,
		ExpiryCalculator:  otter.ExpiryWritingFunc(lifetime),
		RefreshCalculator: otter.RefreshWritingFunc(refresh),
		Clock:             cacheClock{s.clock},
		Logger:            cacheLogger{s.log.With("cache", s.name)},
	})
	return c
}

// jitter varies d randomly by a tenth.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}

// get returns the value of a key. It returns errUnknown for a key that the filter does not know, and the errors of the
// load.
func (c *cache[K, V]) get(ctx context.Context, key K) (V, error) {
	v, err := c.otter.Get(ctx, key, c)
	if errors.Is(err, otter.ErrNotFound) {
		return v, errUnknown
	}
	return v, err
}

// Load implements otter.Loader.
func (c *cache[K, V]) Load(ctx context.Context, key K) (V, error) {
	if c.known != nil && !c.known(key) {
		c.stopped.Add(1)
		var none V
		return none, otter.ErrNotFound
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	defer cancel()
	for {
		epoch := c.epoch.Load()
		v, err := c.shared.load(ctx, key, c.lifetime, c.loadCounted)
		if err != nil || c.epoch.Load() == epoch {
			return v, err
		}
	}
}

// loadCounted loads from the source and counts it.
func (c *cache[K, V]) loadCounted(ctx context.Context, key K) (V, error) {
	c.loads.Add(1)
	v, err := c.load(ctx, key)
	if err != nil {
		c.failed.Add(1)
	}
	return v, err
}

// Reload implements otter.Loader.
func (c *cache[K, V]) Reload(ctx context.Context, key K, _ V) (V, error) { return c.Load(ctx, key) }

// drop removes a key and repeats a running load of it.
func (c *cache[K, V]) drop(key K) { c.otter.Invalidate(key) }

// dropAll removes every key and repeats running loads.
func (c *cache[K, V]) dropAll() {
	c.epoch.Add(1)
	c.otter.InvalidateAll()
}

// CacheStats counts the use of a cache since the process started.
type CacheStats struct {
	Name string
	// Hits were answered from memory. Loads were read from the database; Failures are those that failed.
	Hits, Loads, Failures uint64
	// Stopped keys were rejected by the filter without a query.
	Stopped uint64
	// Evictions are values that were removed to make space.
	Evictions uint64
	Entries   int
}

func (c *cache[K, V]) stats() CacheStats {
	s := c.counter.Snapshot()
	return CacheStats{
		Name: c.name, Hits: s.Hits, Loads: c.loads.Load(), Failures: c.failed.Load(), Stopped: c.stopped.Load(),
		Evictions: s.Evictions, Entries: c.otter.EstimatedSize(),
	}
}

// cacheClock gives otter the shop's clock. It does not tick: expired entries are removed at the next write.
type cacheClock struct{ clock clock.Clock }

func (c cacheClock) NowNano() int64                      { return c.clock.Now().UnixNano() }
func (c cacheClock) Tick(time.Duration) <-chan time.Time { return nil }

// cacheLogger logs failed refreshes. The old value stays until it expires.
type cacheLogger struct{ log *slog.Logger }

func (l cacheLogger) Warn(ctx context.Context, msg string, err error) {
	l.log.WarnContext(ctx, msg, "error", err)
}

func (l cacheLogger) Error(ctx context.Context, msg string, err error) {
	l.log.ErrorContext(ctx, msg, "error", err)
}
