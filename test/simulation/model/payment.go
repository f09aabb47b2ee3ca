package model

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
)

// Attempt implements payment.Store.
func (s *Store) Attempt(_ context.Context, a id.Attempt) (payment.Attempt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempt(a)
}

func (s *Store) attempt(a id.Attempt) (payment.Attempt, error) {
	found, known := s.attempts[a]
	if !known {
		return found, fault.New(fault.NotFound, "There is no payment attempt %s.", a)
	}
	return found, nil
}

// LiveAttempt implements payment.Store.
func (s *Store) LiveAttempt(_ context.Context, o id.Order) (payment.Attempt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if live, is := s.live(o); is {
		return live, nil
	}
	return payment.Attempt{}, fault.New(fault.NotFound, "There is no live payment attempt of order %s.", o)
}

func (s *Store) live(o id.Order) (payment.Attempt, bool) {
	for _, a := range s.attempts {
		if a.Order == o && a.Status.Live() {
			return a, true
		}
	}
	return payment.Attempt{}, false
}

// Attempts implements payment.Store.
func (s *Store) Attempts(_ context.Context, o id.Order) ([]payment.Attempt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []payment.Attempt
	for _, a := range slices.Backward(slices.Sorted(maps.Keys(s.attempts))) {
		if s.attempts[a].Order == o && len(found) < payment.AttemptsMax {
			found = append(found, s.attempts[a])
		}
	}
	return found, nil
}

// BeginAttempt implements payment.Store.
func (s *Store) BeginAttempt(_ context.Context, a payment.Attempt) (live payment.Attempt, created bool, err error) {
	err = s.write(func() error {
		o, err := s.order(a.Order)
		if err != nil {
			return err
		}
		if o.Status != order.Pending || !a.CreatedAt.Before(o.ExpiresAt) {
			return fault.New(fault.OrderClosed, "The order takes no payment.")
		}
		var is bool
		if live, is = s.live(a.Order); is {
			return nil
		}
		had := 0
		for _, other := range s.attempts {
			if other.Order == a.Order {
				had++
			}
		}
		if had >= payment.AttemptsMax {
			return fault.New(fault.PaymentRefused, "The order has had %d payment attempts.", had)
		}
		live, created = a, true
		put(s, s.attempts, a.ID, a)
		return nil
	})
	return live, created, err
}

// PayFree implements payment.Store.
func (s *Store) PayFree(_ context.Context, a payment.Attempt, mint *id.Mint) (paid payment.Attempt, err error) {
	err = s.write(func() error {
		o, err := s.order(a.Order)
		if err != nil {
			return err
		}
		switch {
		case o.Status == order.Paid || o.Status == order.Fulfilled:
			paid, err = s.paying(&o)
			return err
		case o.Status != order.Pending || !a.CreatedAt.Before(o.ExpiresAt):
			return fault.New(fault.OrderClosed, "The order takes no payment.")
		case o.Total.Minor != 0:
			return fault.New(fault.AmountMismatch, "The order costs %s.", o.Total)
		}
		paid = a
		put(s, s.attempts, a.ID, a)
		return s.pay(&o, a.SettledAt, mint)
	})
	return paid, err
}

// paying returns the attempt that has paid an order.
func (s *Store) paying(o *order.Order) (payment.Attempt, error) {
	for _, a := range s.attempts {
		if a.Order == o.ID && a.Pays {
			return a, nil
		}
	}
	return payment.Attempt{}, fmt.Errorf("order %s is %s and no attempt has paid it", o.ID, o.Status)
}

// RecordReports implements payment.Store.
func (s *Store) RecordReports(_ context.Context, batch []payment.ReportEntry) ([]payment.RecordedReport, error) {
	out := make([]payment.RecordedReport, len(batch))
	err := s.write(func() error {
		for i := range batch {
			if failed := s.apart(func() (err error) { out[i], err = s.settle(&batch[i]); return err }); failed != nil {
				out[i] = payment.RecordedReport{Err: failed}
			}
		}
		return nil
	})
	return out, err
}

func (s *Store) settle(r *payment.ReportEntry) (out payment.RecordedReport, err error) {
	if out.Attempt, err = s.attempt(r.Report.Attempt); err != nil {
		return out, err
	}
	a := &out.Attempt
	if err := a.Check(r.Report); err != nil {
		return out, err
	}
	to, moves := a.StatusAfter(r.Report.State)
	if !moves {
		return out, nil
	}
	out.Changed = true
	a.Status = to
	a.Reference = cmp.Or(a.Reference, r.Report.Reference)
	if to == payment.Open {
		a.PayURL = r.Report.PayURL
	} else {
		a.SettledAt = r.At.Truncate(time.Millisecond)
	}
	if to != payment.Succeeded {
		put(s, s.attempts, a.ID, *a)
		return out, nil
	}
	return out, s.receive(a, r)
}

// receive records that an attempt's money has come.
func (s *Store) receive(a *payment.Attempt, r *payment.ReportEntry) error {
	o, err := s.order(a.Order)
	if err != nil {
		return err
	}
	effect := payment.EffectOf(o.Status)
	if effect == payment.Honour && s.apart(func() error { return s.holdAgain(&o, r.Mint) }) != nil {
		effect = payment.RefundPayment
	}
	a.Pays = effect != payment.RefundPayment
	put(s, s.attempts, a.ID, *a)
	if effect == payment.RefundPayment {
		f := newRefund(r.Refund, a, payment.OfSurplus, r.At)
		put(s, s.refunds, f.ID, f)
		return nil
	}
	return s.pay(&o, r.At, r.Mint)
}

// pay moves an order to paid and sells its units.
func (s *Store) pay(o *order.Order, at time.Time, mint *id.Mint) error {
	if err := s.setStatus(o, order.Paid, at); err != nil {
		return err
	}
	for _, l := range o.Lines {
		m := inventory.Movement{ID: id.New[id.Movement](mint), Pool: inventory.Pool{Sale: o.Sale, SKU: l.SKU}, Kind: inventory.Sell, Units: l.Units, Order: o.ID}
		if err := s.move(m, o.Customer, 0); err != nil {
			return err
		}
	}
	if live, is := s.live(o.ID); is {
		live.LookAt = at
		put(s, s.attempts, live.ID, live)
	}
	return nil
}

// ClaimAttempts implements payment.Store.
func (s *Store) ClaimAttempts(_ context.Context, now time.Time, limit int, next func(*payment.Attempt, bool) time.Time) ([]payment.DueAttempt, error) {
	var claimed []payment.DueAttempt
	err := s.write(func() error {
		for _, a := range slices.Sorted(maps.Keys(s.attempts)) {
			c := payment.DueAttempt{Attempt: s.attempts[a]}
			if !c.Attempt.Status.Live() || c.Attempt.LookAt.After(now) || len(claimed) == limit {
				continue
			}
			c.Pending = s.orders[c.Attempt.Order].Status == order.Pending
			c.Attempt.LookAt = next(&c.Attempt, c.Pending)
			put(s, s.attempts, a, c.Attempt)
			claimed = append(claimed, c)
		}
		return nil
	})
	return claimed, err
}

// ExpireOrders implements payment.Store.
func (s *Store) ExpireOrders(_ context.Context, now time.Time, mint *id.Mint) (ended int, stuck []error, err error) {
	err = s.write(func() error {
		for _, of := range slices.Sorted(maps.Keys(s.orders)) {
			o := s.orders[of].Order
			if _, live := s.live(of); live || o.Status != order.Pending || o.ExpiresAt.After(now) {
				continue
			}
			if failed := s.apart(func() error { return s.closeOrder(&o, order.Expired, now, mint) }); failed != nil {
				stuck = append(stuck, fmt.Errorf("expire order %s: %w", of, failed))
				continue
			}
			ended++
		}
		return nil
	})
	return ended, stuck, err
}

// CancelOrder implements payment.Store.
func (s *Store) CancelOrder(_ context.Context, of id.Order, _ string, now time.Time, mint *id.Mint) (after order.Order, live bool, err error) {
	err = s.write(func() error {
		if after, err = s.order(of); err != nil || after.Status != order.Pending {
			return err
		}
		if _, live = s.live(of); live {
			return nil
		}
		return s.closeOrder(&after, order.Cancelled, now, mint)
	})
	return after, live, err
}

// OldestDue implements payment.Store.
func (s *Store) OldestDue(_ context.Context, now time.Time) (oldest time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.orders {
		if r.Status == order.Pending && !r.ExpiresAt.After(now) && (oldest.IsZero() || r.ExpiresAt.Before(oldest)) {
			oldest = r.ExpiresAt
		}
	}
	return oldest, nil
}
