package model

import (
	"fmt"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
)

// Check returns what of the invariants that can be read from the rows does not hold at this moment: I1, I4, I6 and I7. limits
// are the largest limit that each sale ever had; 0 where it ever had none.
func (s *Store) Check(limits map[id.Sale]int64) (wrong []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held, sold := map[inventory.Pool]int64{}, map[inventory.Pool]int64{}
	type buyer struct {
		sale     id.Sale
		customer id.Customer
	}
	has := map[buyer]int64{}
	for _, r := range s.orders {
		for _, l := range r.Lines {
			p := inventory.Pool{Sale: r.Sale, SKU: l.SKU}
			switch r.Status {
			case order.Pending:
				held[p] += l.Units
			case order.Paid, order.Fulfilled, order.Refunded:
				sold[p] += l.Units
			}
		}
		has[buyer{r.Sale, r.Customer}] += used(&r.Order)
	}
	owned := map[id.SKU]int64{}
	for p, st := range s.stock {
		owned[p.SKU] += st.OnHand + st.Sold
		if st.Reserved < 0 || st.OnHand < st.Reserved || st.Sold < 0 {
			wrong = append(wrong, fmt.Sprintf("I1: pool %v is %+v", p, st))
		}
		if l := s.ledger[p]; l.OnHand != st.OnHand || l.Reserved != st.Reserved || l.Sold != st.Sold {
			wrong = append(wrong, fmt.Sprintf("I4: pool %v is %+v, its ledger %+v", p, st, l))
		}
		if st.Reserved != held[p] || st.Sold != sold[p] {
			wrong = append(wrong, fmt.Sprintf("I6: pool %v is %+v, its orders hold %d and bought %d", p, st, held[p], sold[p]))
		}
	}
	for sku, units := range owned {
		if units != s.received[sku] {
			wrong = append(wrong, fmt.Sprintf("I4: of SKU %s came %d units, and there are %d", sku, s.received[sku], units))
		}
	}
	for b, units := range has {
		if limit := limits[b.sale]; limit > 0 && units > limit {
			wrong = append(wrong, fmt.Sprintf("I7: customer %s has %d units of sale %s, the limit was never above %d", b.customer, units, b.sale, limit))
		}
	}
	return wrong
}

// Books returns every order, attempt and refund, for the checks of a run that is over.
func (s *Store) Books() (orders map[id.Order]order.Order, attempts map[id.Attempt]payment.Attempt, refunds map[id.Attempt]payment.Refund) {
	s.mu.Lock()
	defer s.mu.Unlock()
	orders, attempts, refunds = map[id.Order]order.Order{}, map[id.Attempt]payment.Attempt{}, map[id.Attempt]payment.Refund{}
	for o, r := range s.orders {
		orders[o] = r.Order
	}
	for a, one := range s.attempts {
		attempts[a] = one
	}
	for _, r := range s.refunds {
		refunds[r.Attempt] = r
	}
	return orders, attempts, refunds
}

// Bound reports whether a key has an order.
func (s *Store) Bound(sl id.Sale, c id.Customer, key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.keys[keyed{sl, c, key}]
	return known
}

// Stock returns every pool.
func (s *Store) Stock() map[inventory.Pool]inventory.Stock {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[inventory.Pool]inventory.Stock{}
	for p, st := range s.stock {
		all[p] = st
	}
	return all
}
