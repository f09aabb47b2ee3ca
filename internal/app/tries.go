package app

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/admission/limit"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/sale"
)

// How often a customer may do what tells how much is left of a coarse sale: that many times at once, then one each interval. An
// honest shopper changes their mind once.
var (
	cancelRate = limit.Rate{Burst: 3, Every: 15 * time.Minute}
	probeRate  = limit.Rate{Burst: 5, Every: time.Minute}
)

// saleTries counts what a customer does in a sale.
type saleTries struct {
	counter   limit.Counter
	saleCache *sale.Cache
	kind      string
	rate      limit.Rate
	refusal   string
}

// Take implements order.Tries.
func (t *saleTries) Take(ctx context.Context, customer id.Customer, s id.Sale) (giveBack func(), err error) {
	key := t.kind + customer.String() + "/" + s.String()
	wait, err := t.counter.Take(ctx, key, t.rate)
	if err != nil {
		return nil, fault.Wrap(fault.Overloaded, err, "Tries cannot be counted at the moment; try again.").After(time.Second)
	}
	if wait > 0 {
		return nil, fault.New(fault.TooManyRequests, "%s", t.refusal).After(wait)
	}
	return func() { _ = t.counter.GiveBack(context.WithoutCancel(ctx), key, t.rate) }, nil // it comes back by itself, later
}

// MayCancel implements payment.Cancels.
func (t *saleTries) MayCancel(ctx context.Context, customer id.Customer, s id.Sale) error {
	if s.IsZero() {
		return nil
	}
	sl, err := t.saleCache.Sale(ctx, s)
	if err != nil || sl.ShowsLeft != sale.Coarse {
		return err
	}
	_, err = t.Take(ctx, customer, s)
	return err
}

// probes bounds the orders that ask for more than a coarse sale has. Each process counts by itself: the order path asks nobody.
func (a *App) probes() *saleTries {
	return &saleTries{
		limit.NewMemory(a.clock, a.config.Account.AttemptsTrackedMax), a.saleCache, "probe:", probeRate,
		"Too many orders of more units than are left: wait, or order one.",
	}
}

// cancels bounds the orders of a coarse sale that a customer cancels, with Redis across all processes.
func (a *App) cancels() *saleTries {
	return &saleTries{a.counter(), a.saleCache, "cancel:", cancelRate, "Too many orders of this sale were cancelled: an order that is not paid ends by itself."}
}
