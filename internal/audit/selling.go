package audit

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/order"
)

// checkSelling compares the pools with what the catalogue sells, and notes those that are closed.
func (r *run) checkSelling(ctx context.Context) error {
	err := r.snap.Contradictions(ctx, func(p inventory.Pool, sold bool) error {
		if sold {
			r.violated(i17, poolSubject(p), "the catalogue sells it, and the pool is closed")
		} else {
			r.violated(i17, poolSubject(p), "the catalogue does not sell it, and the pool takes orders")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.snap.Closed(ctx, func(p inventory.Pool, since time.Time) error {
		r.closed[p] = since
		return nil
	})
}

// clocksApart is how far the clocks of a shop's processes may be apart before an order of one seems to follow what another has done.
const clocksApart = time.Minute

// addOrdered checks that a line was not ordered after its pool had been closed.
func (r *run) addOrdered(o *order.Order, p inventory.Pool) {
	if since, closed := r.closed[p]; closed && o.CreatedAt.After(since.Add(clocksApart)) {
		r.violated(i17, orderSubject(o.ID), "it was made at %s, and %s sells nothing since %s", o.CreatedAt.UTC().Format(time.RFC3339), poolSubject(p), since.UTC().Format(time.RFC3339))
	}
}
