package model

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
)

func newRefund(r id.Refund, a *payment.Attempt, kind payment.RefundKind, at time.Time) payment.Refund {
	at = at.Truncate(time.Millisecond)
	return payment.Refund{
		ID: r, Order: a.Order, Attempt: a.ID, Provider: a.Provider, Kind: kind, Status: payment.Requested, Amount: a.Amount, Round: 1, CreatedAt: at, LookAt: at,
	}
}

func (s *Store) beingRefunded(o id.Order) bool {
	for _, r := range s.refunds {
		if r.Order == o && r.Kind == payment.OfOrder && r.Status == payment.Requested {
			return true
		}
	}
	return false
}

// refundsOf lists an order's refunds, newest first.
func (s *Store) refundsOf(o id.Order) (found []payment.Refund) {
	for _, r := range slices.Backward(slices.Sorted(maps.Keys(s.refunds))) {
		if s.refunds[r].Order == o {
			found = append(found, s.refunds[r])
		}
	}
	return found
}

// RequestRefund implements payment.Store.
func (s *Store) RequestRefund(_ context.Context, req payment.RefundRequest) (out payment.Refund, err error) {
	err = s.write(func() error {
		o, err := s.order(req.Order)
		if err != nil {
			return err
		}
		known := s.refundsOf(req.Order)
		for i := range known {
			s.requestAgain(&known[i], &o, &req)
		}
		paid := o.Status == order.Paid || o.Status == order.Fulfilled
		for _, r := range known {
			if r.Kind == payment.OfOrder {
				out = r
				return nil
			}
		}
		if len(known) > 0 && !paid {
			out = known[0]
			return nil
		}
		if !paid {
			return fault.New(fault.BadTransition, "An order that is %s has nothing to refund.", o.Status)
		}
		a, err := s.paying(&o)
		if err != nil {
			return err
		}
		out = newRefund(req.Refund, &a, payment.OfOrder, req.At)
		out.Restock, out.Reason, out.Actor = req.Restock, req.Reason, req.Actor
		if out.Amount.Minor == 0 {
			out.Status, out.SettledAt = payment.Refunded, out.CreatedAt
			err = s.refunded(&out, req.At, req.Mint)
		}
		put(s, s.refunds, out.ID, out)
		return err
	})
	return out, err
}

func (s *Store) requestAgain(r *payment.Refund, o *order.Order, req *payment.RefundRequest) {
	if !r.Status.CanBecome(payment.Requested) {
		return
	}
	r.Status, r.Round, r.Refusal, r.LookAt, r.SettledAt = payment.Requested, r.Round+1, "", req.At.Truncate(time.Millisecond), time.Time{}
	if r.Kind == payment.OfOrder {
		r.Restock, r.Reason, r.Actor = req.Restock, req.Reason, req.Actor
	}
	put(s, s.refunds, r.ID, *r)
}

// ClaimRefunds implements payment.Store.
func (s *Store) ClaimRefunds(_ context.Context, now time.Time, limit int, next func(*payment.Refund) time.Time) ([]payment.DueRefund, error) {
	var claimed []payment.DueRefund
	err := s.write(func() error {
		for _, of := range slices.Sorted(maps.Keys(s.refunds)) {
			r := s.refunds[of]
			if r.Status != payment.Requested || r.LookAt.After(now) || len(claimed) == limit {
				continue
			}
			r.LookAt = next(&r)
			put(s, s.refunds, of, r)
			claimed = append(claimed, payment.DueRefund{Refund: r, Attempt: s.attempts[r.Attempt]})
		}
		return nil
	})
	return claimed, err
}

// RecordRefund implements payment.Store.
func (s *Store) RecordRefund(_ context.Context, of id.Refund, to payment.RefundStatus, refusal string, at time.Time, mint *id.Mint) (out payment.Refund, err error) {
	err = s.write(func() error {
		r, known := s.refunds[of]
		if !known {
			return fault.New(fault.NotFound, "There is no refund %s.", of)
		}
		if out = r; !r.Status.CanBecome(to) {
			return nil
		}
		r.Status, r.Refusal, r.SettledAt = to, refusal, at.Truncate(time.Millisecond)
		put(s, s.refunds, of, r)
		out = r
		if to != payment.Refunded || r.Kind != payment.OfOrder {
			return nil
		}
		return s.refunded(&r, at, mint)
	})
	return out, err
}

// refunded moves the order of a refund on, and brings its units back where the refund says so.
func (s *Store) refunded(r *payment.Refund, at time.Time, mint *id.Mint) error {
	o, err := s.order(r.Order)
	if err != nil {
		return err
	}
	if err := s.setStatus(&o, order.Refunded, at); err != nil || !r.Restock {
		return err
	}
	for _, l := range o.Lines {
		m := inventory.Movement{ID: id.New[id.Movement](mint), Pool: inventory.Pool{SKU: l.SKU}, Kind: inventory.Return, Units: l.Units, Order: o.ID}
		if err := s.move(m, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// Refunds implements payment.Store.
func (s *Store) Refunds(_ context.Context, f payment.RefundFilter) ([]payment.Refund, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []payment.Refund
	for _, of := range slices.Backward(slices.Sorted(maps.Keys(s.refunds))) {
		r := s.refunds[of]
		if (f.Order == 0 || r.Order == f.Order) && (f.Status == "" || r.Status == f.Status) && (f.Before == 0 || of < f.Before) && len(found) < f.Limit {
			found = append(found, r)
		}
	}
	return found, nil
}
