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
	"github.com/tidegate/tidegate/internal/sale"
)

// move writes a movement and applies it to its pool, where nothing falls below what is held.
func (s *Store) move(m inventory.Movement, customer id.Customer, allowance int64) error {
	d := m.Delta()
	st, known := s.stock[m.Pool]
	if st.Pool = m.Pool; !known && d.OnHand <= 0 || st.OnHand+d.OnHand < st.Reserved+d.Reserved {
		return fault.New(fault.OutOfStock, "There is not enough stock of SKU %s for that.", m.Pool.SKU)
	}
	s.add(m, d)
	if d.OnHand == d.Reserved && allowance == 0 {
		return nil
	}
	s.announce(inventory.Change{Moved: &inventory.Moved{
		Movement: m.ID, Sale: m.Pool.Sale, SKU: m.Pool.SKU, Kind: m.Kind, Units: m.Units, Order: m.Order,
		Customer: customer, Available: d.OnHand - d.Reserved, Allowance: allowance,
	}})
	return nil
}

// add adds a movement to its pool and to the ledger.
func (s *Store) add(m inventory.Movement, d inventory.Delta) {
	st := s.stock[m.Pool]
	put(s, s.stock, m.Pool, inventory.Stock{Pool: m.Pool, OnHand: st.OnHand + d.OnHand, Reserved: st.Reserved + d.Reserved, Sold: st.Sold + d.Sold})
	l := s.ledger[m.Pool]
	put(s, s.ledger, m.Pool, inventory.Delta{OnHand: l.OnHand + d.OnHand, Reserved: l.Reserved + d.Reserved, Sold: l.Sold + d.Sold})
	switch m.Kind {
	case inventory.Receive, inventory.Adjust, inventory.Return:
		put(s, s.received, m.Pool.SKU, s.received[m.Pool.SKU]+m.Units)
	}
}

// allocate moves units from the general pool to a sale's, or back where units is negative.
func (s *Store) allocate(sl id.Sale, sku id.SKU, units int64, o id.Order, mint *id.Mint) error {
	for _, half := range []inventory.Movement{
		{Pool: inventory.Pool{SKU: sku}, Units: -units},
		{Pool: inventory.Pool{Sale: sl, SKU: sku}, Units: units},
	} {
		half.ID, half.Kind, half.Order = id.New[id.Movement](mint), inventory.Allocate, o
		if err := s.move(half, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// AdjustStock implements inventory.Store.
func (s *Store) AdjustStock(_ context.Context, a inventory.Adjustment, movement id.Movement, at time.Time) (after inventory.Stock, err error) {
	err = s.write(func() error {
		err := s.adjust(a, movement, at)
		after = s.stock[inventory.Pool{SKU: a.SKU}]
		return err
	})
	return after, err
}

// AdjustStocks implements inventory.Store.
func (s *Store) AdjustStocks(_ context.Context, all []inventory.Adjustment, movements []id.Movement, at time.Time) error {
	return s.write(func() error {
		for i, a := range all {
			if err := s.adjust(a, movements[i], at); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) adjust(a inventory.Adjustment, movement id.Movement, at time.Time) error {
	if old, known := s.adjustments[a.Key]; known {
		if old.SKU != a.SKU || old.Kind != a.Kind || old.Units != a.Units || old.Reason != a.Reason {
			return fault.New(fault.KeyReused, "This key has made another adjustment; use a new key for a new one.")
		}
		return nil
	}
	m := inventory.Movement{ID: movement, Pool: inventory.Pool{SKU: a.SKU}, Kind: a.Kind, Units: a.Units, Actor: a.Actor, Reason: a.Reason, At: at}
	if err := s.move(m, 0, 0); err != nil {
		return err
	}
	n := len(s.movements)
	s.undo = append(s.undo, func() { s.movements = s.movements[:n] })
	s.movements = append(s.movements, m)
	put(s, s.adjustments, a.Key, a)
	return nil
}

// Pools implements inventory.Store.
func (s *Store) Pools(_ context.Context, sku id.SKU) ([]inventory.Stock, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []inventory.Stock
	for p, st := range s.stock {
		if p.SKU == sku {
			all = append(all, st)
		}
	}
	slices.SortFunc(all, func(a, b inventory.Stock) int { return int(a.Sale - b.Sale) })
	return all, nil
}

// Movements implements inventory.Store.
func (s *Store) Movements(_ context.Context, sku id.SKU, before id.Movement, limit int) ([]inventory.Movement, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []inventory.Movement
	for _, m := range slices.Backward(s.movements) {
		if m.Pool.SKU == sku && (before == 0 || m.ID < before) && len(all) < limit {
			all = append(all, m)
		}
	}
	return all, nil
}

// GateChanges implements inventory.Store.
func (s *Store) GateChanges(_ context.Context, after int64, limit int) ([]inventory.Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := s.changes[min(int(after), len(s.changes)):]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

// GateSnapshot implements inventory.Store.
func (s *Store) GateSnapshot(context.Context) (inventory.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap := inventory.Snapshot{Position: int64(len(s.changes))}
	for _, st := range s.stock {
		if st.Sale == 0 || s.sales[st.Sale].Status != sale.Ended {
			snap.Stock = append(snap.Stock, st)
		}
	}
	for _, sl := range s.sales {
		if sl.Status != sale.Ended && sl.Status != sale.Draft {
			snap.Terms = append(snap.Terms, termsOf(&sl))
		}
	}
	for _, o := range slices.Sorted(maps.Keys(s.orders)) {
		r := s.orders[o]
		if sl, known := s.sales[r.Sale]; !known || sl.Status == sale.Ended || sl.Status == sale.Draft {
			continue
		}
		snap.KeyedOrders = append(snap.KeyedOrders, inventory.KeyedOrder{Order: o, Sale: r.Sale, Customer: r.Customer, Key: r.key, Body: r.body, Used: used(&r.Order)})
	}
	return snap, nil
}

// used is what an order uses of its customer's allowance.
func used(o *order.Order) int64 {
	if o.Status == order.Expired || o.Status == order.Cancelled {
		return 0
	}
	return o.Units
}

func termsOf(sl *sale.Sale) inventory.Terms {
	return inventory.Terms{Sale: sl.ID, Limit: sl.Limit, Open: sl.Status == sale.Scheduled || sl.Status == sale.Live, Ended: sl.Status == sale.Ended}
}
