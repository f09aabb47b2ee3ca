package account

import (
	"context"
	"net/netip"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/limit"
)

// giveBackMax bounds the giving back of a try, for which nobody waits any more.
const giveBackMax = time.Second

// attempts counts tries of one kind by who makes them: so many in a row, then one at a time as they are given back. It is safe
// for concurrent use.
type attempts struct {
	counter limit.Counter
	kind    string // before the key, which another kind may have too
	rate    limit.Rate
}

// take counts one try. It returns a TooManyRequests fault, and counts nothing, when none is left; else a function that
// gives the try back, for one that came to nothing through no fault of who made it.
func (a *attempts) take(ctx context.Context, key string) (giveBack func(), err error) {
	wait, err := a.counter.Take(ctx, a.kind+key, a.rate)
	if err != nil {
		return nil, fault.Wrap(fault.Overloaded, err, "Attempts cannot be counted at the moment; try again.").After(time.Second)
	}
	if wait > 0 {
		return nil, fault.New(fault.TooManyRequests, "Too many attempts; wait before the next.").After(wait)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackMax)
		defer cancel()
		_ = a.counter.GiveBack(ctx, a.kind+key, a.rate) // it comes back by itself, later
	}, nil
}

// forgive forgets the tries of one who succeeded.
func (a *attempts) forgive(ctx context.Context, key string) {
	_ = a.counter.Forgive(ctx, a.kind+key) // they are forgotten by themselves, later
}

// clientKey is whom an address stands for.
func clientKey(client netip.Addr) string { return limit.ClientKey(client).String() }
