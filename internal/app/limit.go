package app

import (
	"context"

	"github.com/tidegate/tidegate/internal/admission"
	"github.com/tidegate/tidegate/internal/admission/limit"
	redislimit "github.com/tidegate/tidegate/internal/redis/limit"
	"github.com/tidegate/tidegate/internal/wire"
)

// openLimits wires the limits of requests and of tries to log in: counted by this process, or with Redis by all of them together.
func (a *App) openLimits(context.Context) (err error) {
	if a.origins, err = wire.ParseOrigins(a.config.HTTP.CORSOrigins); err != nil {
		return err
	}
	if a.proxies, err = wire.ParseProxies(a.config.HTTP.TrustedProxies); err != nil {
		return err
	}
	a.admission = &admission.Control{Able: a.able}
	a.streams, a.connections = limit.NewHeld(a.config.HTTP.ClientConnectionsMax), limit.NewHeld(a.config.HTTP.ClientConnectionsMax)
	if a.redis == nil {
		a.requests = limit.NewRequests(a.config.HTTP.RateLimit, nil)
		a.admission.Limits = a.requests
		return nil
	}
	a.requests = limit.NewRequests(a.config.HTTP.RateLimit, redislimit.New(a.redis))
	a.admission.Limits = a.requests
	a.account.CountAttempts(a.counter)
	return nil
}

// able returns why the shop can take no more orders. A queue takes them while the committer behind it has its hands full.
func (a *App) able() error {
	if a.queue.intake != nil {
		return nil
	}
	return a.intake.Able()
}

// counter counts tries: in this process, or with Redis in all of them together, and while that is gone in each.
func (a *App) counter() limit.Counter {
	here := limit.NewMemory(a.clock, a.config.Account.AttemptsTrackedMax)
	if a.redis == nil {
		return here
	}
	return limit.Fallback{First: redislimit.New(a.redis), Second: here}
}
