package limit_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/admission/limit"
	"github.com/tidegate/tidegate/internal/admission/limit/limittest"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/redis"
	redislimit "github.com/tidegate/tidegate/internal/redis/limit"
	"github.com/tidegate/tidegate/test/engine"
)

func connect(t *testing.T, at engine.RedisPlace) *redis.Client {
	t.Helper()
	c := redis.DefaultConfig()
	c.Addresses, c.Cluster, c.SentinelMaster, c.Prefix = at.Addresses, at.Cluster, at.SentinelMaster, at.Prefix
	client, err := redis.Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func one(server *engine.RedisServer) engine.RedisPlace {
	return engine.RedisPlace{Addresses: []string{server.Address}, Prefix: "tidegate"}
}

func TestCounter(t *testing.T) {
	t.Parallel()
	engine.EachRedis(t, func(t *testing.T, at engine.RedisPlace) {
		a, b := redislimit.New(connect(t, at)), redislimit.New(connect(t, at))
		t.Run("suite", func(t *testing.T) {
			limittest.Run(t, func(*testing.T) (limit.Counter, limit.Counter) { return a, b })
		})
		t.Run("settle", func(t *testing.T) { settles(t, a, b) })
	})
}

// Nobody who looks at Redis learns who logs in, and what is counted leaves by itself.
func TestWhatIsKept(t *testing.T) {
	t.Parallel()
	server := engine.Redis(t)
	client := connect(t, one(server))
	c := redislimit.New(client)
	if _, err := c.Take(t.Context(), "account:ann@example.com", limit.Rate{Burst: 3, Every: time.Minute}); err != nil {
		t.Fatal(err)
	}
	keys, err := client.Do(t.Context(), client.B().Keys().Pattern("*").Build()).AsStrSlice()
	if err != nil || len(keys) != 1 || strings.Contains(keys[0], "ann") || !strings.HasPrefix(keys[0], "tidegate:limit1:") {
		t.Fatal(keys, err)
	}
	left, err := client.Do(t.Context(), client.B().Pttl().Key(keys[0]).Build()).AsInt64()
	if err != nil || left <= 0 || left > time.Minute.Milliseconds() {
		t.Errorf("%d ms are left, %v", left, err)
	}
}

// settles has two processes count portions of what they have let pass.
func settles(t *testing.T, a, b *redislimit.Counter) {
	r := limit.Rate{Burst: 10, Every: time.Hour}
	settle := func(c *redislimit.Counter, times int) time.Duration {
		t.Helper()
		wait, err := c.Settle(limit.Use{Key: "x", Rate: r, Times: times})
		if err != nil {
			t.Fatal(err)
		}
		return wait
	}
	if wait := settle(a, 6); wait != 0 {
		t.Error(wait)
	}
	if wait := settle(b, 6); wait <= 0 || wait > 2*time.Hour {
		t.Errorf("2 too many wait %s", wait)
	}
	// However far beyond, it is forgotten in bounded time.
	if wait := settle(b, 1000); wait < 10*time.Hour {
		t.Errorf("1002 too many wait %s", wait)
	}
	if wait := settle(b, 0); wait > 10*time.Hour {
		t.Errorf("what is beyond is bounded, but it is %s", wait)
	}
}

// Two processes that are asked at the same moment, and have not heard of the customer, grant one burst together and a portion each at most.
func TestBurstIsShared(t *testing.T) {
	t.Parallel()
	server := engine.Redis(t)
	const burst = 160
	c := limit.DefaultConfig()
	c.CustomerPerSecond, c.CustomerBurst = 1, burst
	var granted atomic.Int64
	var asking sync.WaitGroup
	for range 2 {
		process := limit.NewRequests(c, redislimit.New(connect(t, one(server))))
		for range 8 {
			asking.Go(func() {
				for range burst / 4 {
					if process.Customer(7) == nil {
						granted.Add(1)
					}
				}
			})
		}
	}
	began := time.Now()
	asking.Wait()
	back := int64(time.Since(began) / time.Second)
	if got := granted.Load(); got < burst-2*burst/16 || got > burst+2*burst/16+back+1 {
		t.Errorf("two processes grant %d, of a burst of %d", got, burst)
	}
}

// Without Redis each process counts for itself.
func TestFallback(t *testing.T) {
	t.Parallel()
	server := engine.Redis(t)
	f := limit.Fallback{First: redislimit.New(connect(t, one(server))), Second: limit.NewMemory(clock.System{}, 100)}
	r := limit.Rate{Burst: 2, Every: time.Hour}
	server.Kill()
	for i := range 3 {
		wait, err := f.Take(t.Context(), "k", r)
		if err != nil || (wait > 0) != (i == 2) {
			t.Errorf("%d: %s, %v", i, wait, err)
		}
	}
	if err := f.Forgive(t.Context(), "k"); err != nil {
		t.Error(err)
	}
	if wait, err := f.Take(t.Context(), "k", r); wait != 0 || err != nil {
		t.Error(wait, err)
	}
}
