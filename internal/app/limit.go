package app

import (
	"time"

	"github.com/tidegate/tidegate/internal/limit"
	redislimit "github.com/tidegate/tidegate/internal/redis/limit"
	"github.com/tidegate/tidegate/internal/wire"
)

// settleEvery is how often a process tells the others what it has counted: what a crowd may have beyond its rate is what it asks
// for in that time.
const settleEvery = 50 * time.Millisecond

// limit wires the limits of requests and of tries to log in: counted by this process, or with Redis by all of them together.
func (a *App) limit() (err error) {
	if a.proxies, err = wire.ParseProxies(a.config.HTTP.TrustedProxies); err != nil {
		return err
	}
	if a.redis == nil {
		a.requests = limit.NewRequests(a.config.HTTP.RateLimit, nil)
		return nil
	}
	counter := redislimit.New(a.redis)
	a.requests = limit.NewRequests(a.config.HTTP.RateLimit, counter)
	local := func() limit.Counter {
		return limit.Fallback{First: counter, Second: limit.NewMemory(a.clock, a.config.Account.AttemptsTrackedMax)}
	}
	a.account.CountAttempts(local(), local())
	return nil
}
