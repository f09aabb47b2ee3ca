package model

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
)

// CommitOrders implements order.Store.
func (s *Store) CommitOrders(_ context.Context, batch []*order.Draft, mint *id.Mint) ([]order.Outcome, error) {
	out := make([]order.Outcome, len(batch))
	err := s.write(func() error {
		for i, d := range batch {
			_ = s.apart(func() error {
				if out[i] = s.place(d, mint); out[i].Result != order.Accepted {
					return errRefused
				}
				return nil
			})
		}
		return nil
	})
	return out, err
}

// errRefused undoes what was written of a draft that is not accepted.
var errRefused = fault.New(fault.Conflict, "The draft is not accepted.")

func (s *Store) place(d *order.Draft, mint *id.Mint) order.Outcome {
	c := &d.Claim
	k := keyed{c.Sale, c.Customer, c.Key}
	if existing, known := s.keys[k]; known {
		if r := s.orders[existing]; r.body == c.Body {
			found := r.Order
			return order.Outcome{Result: order.Replayed, Existing: &found}
		}
		return order.Outcome{Result: order.KeyReused}
	}
	if _, taken := s.orders[c.Order]; taken {
		return order.Outcome{Result: order.Collision}
	}
	if (c.Deadline != 0 || c.Queued) && s.fences[k] > c.Fence {
		return order.Outcome{Result: order.Fenced, Fence: s.fence}
	}
	if held := s.unpaid(c.Customer); c.Sale == 0 && !d.UnpaidMax.Takes(held, d.Order.Units) {
		return order.Outcome{Result: order.TooManyUnpaid, Unpaid: &held}
	}
	if c.Sale != 0 {
		sl, known := s.sales[c.Sale]
		switch {
		case known && sl.Limit > 0 && s.had(c.Sale, c.Customer, 0)+c.Units() > sl.Limit:
			return order.Outcome{Result: order.LimitReached}
		case !known || sl.Status != sale.Scheduled && sl.Status != sale.Live:
			return order.Outcome{Result: order.SaleClosed}
		case sl.Version != d.SaleVersion:
			return order.Outcome{Result: order.SaleChanged}
		}
	}
	for _, l := range c.Lines {
		p := inventory.Pool{Sale: c.Sale, SKU: l.SKU}
		if s.stock[p].Available() < l.Units {
			return order.Outcome{Result: order.SoldOut, SKU: l.SKU}
		}
		m := inventory.Movement{ID: id.New[id.Movement](mint), Pool: p, Kind: inventory.Reserve, Units: l.Units, Order: c.Order}
		s.add(m, m.Delta())
	}
	put(s, s.orders, c.Order, row{d.Order, c.Key, c.Body})
	put(s, s.keys, k, c.Order)
	return order.Outcome{Result: order.Accepted}
}

// had is what a customer has of a sale, but for one order.
func (s *Store) had(sl id.Sale, c id.Customer, but id.Order) (units int64) {
	for _, r := range s.orders {
		if r.Sale == sl && r.Customer == c && r.ID != but {
			units += used(&r.Order)
		}
	}
	return units
}

// unpaid is what a customer holds of general stock unpaid.
func (s *Store) unpaid(c id.Customer) (held order.Unpaid) {
	for _, r := range s.orders {
		if r.Sale == 0 && r.Customer == c && r.Status == order.Pending {
			held.Orders, held.Units = held.Orders+1, held.Units+r.Units
		}
	}
	return held
}

// Order implements order.Store.
func (s *Store) Order(_ context.Context, o id.Order) (order.Order, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.order(o)
}

func (s *Store) order(o id.Order) (order.Order, error) {
	r, known := s.orders[o]
	if !known {
		return order.Order{}, fault.New(fault.NotFound, "There is no order %s.", o)
	}
	return r.Order, nil
}

// OrderByKey implements order.Store.
func (s *Store) OrderByKey(_ context.Context, sl id.Sale, c id.Customer, key string) (order.Order, inventory.Digest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, known := s.keys[keyed{sl, c, key}]
	if !known {
		return order.Order{}, inventory.Digest{}, fault.New(fault.NotFound, "There is no order with that key.")
	}
	return s.orders[o].Order, s.orders[o].body, nil
}

// Refusal implements order.Store.
func (s *Store) Refusal(_ context.Context, o id.Order) (order.Refusal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, known := s.refusals[o]; known {
		return r, nil
	}
	return order.Refusal{}, fault.New(fault.NotFound, "There is no refused order %s.", o)
}

// Refuse implements order.Store.
func (s *Store) Refuse(_ context.Context, refusals []order.Refusal) (refused []id.Order, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range refusals {
		if _, made := s.orders[r.Order]; made {
			continue
		}
		if _, before := s.refusals[r.Order]; !before {
			s.refusals[r.Order] = r
		}
		refused = append(refused, r.Order)
	}
	return refused, nil
}

// RefuseKeys implements order.Store.
func (s *Store) RefuseKeys(_ context.Context, claims []*inventory.Claim) (int64, []order.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fence++
	out := make([]order.Outcome, len(claims))
	for i, c := range claims {
		s.fences[keyed{c.Sale, c.Customer, c.Key}] = s.fence
		out[i] = s.probe(c)
	}
	return s.fence, out, nil
}

// RefusalFence implements order.Store.
func (s *Store) RefusalFence(context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fence, nil
}

// Probe implements order.Store.
func (s *Store) Probe(_ context.Context, c *inventory.Claim) (order.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.probe(c), nil
}

func (s *Store) probe(c *inventory.Claim) order.Outcome {
	o, known := s.keys[keyed{c.Sale, c.Customer, c.Key}]
	if !known {
		return order.Outcome{Result: order.Declined}
	}
	found := s.orders[o].Order
	if s.orders[o].body != c.Body {
		return order.Outcome{Result: order.KeyReused, Existing: &found}
	}
	return order.Outcome{Result: order.Replayed, Existing: &found}
}

// OrdersOf implements order.Store.
func (s *Store) OrdersOf(ctx context.Context, c id.Customer, before id.Order, limit int) ([]order.Order, error) {
	return s.Orders(ctx, order.Filter{Customer: c, Before: before, Limit: limit})
}

// Orders implements order.Store.
func (s *Store) Orders(_ context.Context, f order.Filter) ([]order.Order, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []order.Order
	for _, o := range slices.Backward(slices.Sorted(maps.Keys(s.orders))) {
		r := s.orders[o]
		if (f.Sale == 0 || r.Sale == f.Sale) && (f.Customer == 0 || r.Customer == f.Customer) && (f.Status == "" || r.Status == f.Status) && (f.Before == 0 || o < f.Before) && len(found) < f.Limit {
			found = append(found, r.Order)
		}
	}
	return found, nil
}

// FulfilOrder implements order.Store.
func (s *Store) FulfilOrder(_ context.Context, o id.Order, at time.Time) (after order.Order, err error) {
	err = s.write(func() error {
		if after, err = s.order(o); err != nil || after.Status == order.Fulfilled {
			return err
		}
		if s.beingRefunded(o) || !after.Status.CanBecome(order.Fulfilled) {
			return fault.New(fault.BadTransition, "The order cannot be fulfilled.")
		}
		return s.setStatus(&after, order.Fulfilled, at)
	})
	return after, err
}

// setStatus moves an order along a legal edge.
func (s *Store) setStatus(o *order.Order, to order.Status, at time.Time) error {
	if !o.Status.CanBecome(to) {
		return fmt.Errorf("order %s is %s and was to become %s", o.ID, o.Status, to)
	}
	o.Status = to
	switch to {
	case order.Paid:
		o.PaidAt, o.ClosedAt = at, time.Time{}
	case order.Expired, order.Cancelled, order.Refunded:
		o.ClosedAt = at
	}
	r := s.orders[o.ID]
	r.Order = *o
	put(s, s.orders, o.ID, r)
	return nil
}

// closeOrder ends a hold and gives its units back, from the pools of a sale that has ended, or of an item that was stopped, on to general stock.
func (s *Store) closeOrder(o *order.Order, to order.Status, at time.Time, mint *id.Mint) error {
	if err := s.setStatus(o, to, at); err != nil {
		return err
	}
	for _, l := range o.Lines {
		m := inventory.Movement{ID: id.New[id.Movement](mint), Pool: inventory.Pool{Sale: o.Sale, SKU: l.SKU}, Kind: inventory.Release, Units: l.Units, Order: o.ID}
		if err := s.move(m, o.Customer, -l.Units); err != nil {
			return err
		}
		if !s.handsOn(o.Sale, l.SKU) {
			continue
		}
		if err := s.allocate(o.Sale, l.SKU, -l.Units, o.ID, mint); err != nil {
			return err
		}
	}
	return nil
}

// holdAgain reserves an expired order's units and allowance once more.
func (s *Store) holdAgain(o *order.Order, mint *id.Mint) error {
	if limit := s.sales[o.Sale].Limit; limit > 0 && s.had(o.Sale, o.Customer, o.ID)+o.Units > limit {
		return fault.New(fault.LimitReached, "The customer's allowance is used up.")
	}
	for _, l := range o.Lines {
		if s.handsOn(o.Sale, l.SKU) {
			if err := s.allocate(o.Sale, l.SKU, l.Units, o.ID, mint); err != nil {
				return err
			}
		}
		m := inventory.Movement{ID: id.New[id.Movement](mint), Pool: inventory.Pool{Sale: o.Sale, SKU: l.SKU}, Kind: inventory.Reserve, Units: l.Units, Order: o.ID}
		if err := s.move(m, o.Customer, l.Units); err != nil {
			return err
		}
	}
	return nil
}

// Now implements order.Store: no reservation has a deadline here.
func (s *Store) Now(context.Context) (time.Time, error) { return time.Time{}, nil }
