package model

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/sale"
)

// CreateSale implements sale.Store.
func (s *Store) CreateSale(_ context.Context, sl *sale.Sale) error {
	return s.write(func() error {
		put(s, s.sales, sl.ID, *sl)
		return nil
	})
}

// ReplaceSale implements sale.Store.
func (s *Store) ReplaceSale(_ context.Context, sl *sale.Sale, version int64) error {
	return s.write(func() error {
		current, err := s.sale(sl.ID)
		switch {
		case err != nil:
			return err
		case current.Status != sale.Draft:
			return fault.New(fault.SaleLocked, "The sale is %s.", current.Status)
		case current.Version != version:
			return fault.New(fault.VersionMismatch, "The sale has version %d by now.", current.Version)
		}
		next := *sl
		next.Status, next.Version, next.CreatedAt = sale.Draft, version+1, current.CreatedAt
		put(s, s.sales, sl.ID, next)
		return nil
	})
}

// ChangeSale implements sale.Store.
func (s *Store) ChangeSale(_ context.Context, c sale.Change) (*sale.Sale, error) {
	return s.change(c.Sale, func(sl *sale.Sale) error {
		if c.Limit != nil {
			sl.Limit = *c.Limit
		}
		if c.EndsAt != nil {
			sl.EndsAt = c.EndsAt.UTC()
		}
		sl.Version++
		sl.UpdatedAt = c.At
		return nil
	})
}

// AllocateSale implements sale.Store.
func (s *Store) AllocateSale(_ context.Context, a sale.Allocation) (*sale.Sale, error) {
	return s.change(a.Sale, func(sl *sale.Sale) error {
		it := sl.Item(a.SKU)
		if it == nil {
			return fault.New(fault.NotInSale, "SKU %s is not in this sale.", a.SKU)
		}
		if it.Allocation+a.Units < 0 {
			return fault.Bad("quantity", "the allocation would become %d", it.Allocation+a.Units)
		}
		sl.Items = slices.Clone(sl.Items)
		it = sl.Item(a.SKU)
		it.Allocation += a.Units
		if sl.Status == sale.Draft {
			return nil
		}
		it.Stopped = it.Stopped && a.Units < 0
		return s.allocate(a.Sale, a.SKU, a.Units, 0, a.Mint)
	})
}

// StopItem implements sale.Store.
func (s *Store) StopItem(ctx context.Context, stop sale.Stop) (*sale.Sale, error) {
	var errStopped = errors.New("it was stopped before")
	after, err := s.change(stop.Sale, func(sl *sale.Sale) error {
		it := sl.Item(stop.SKU)
		switch {
		case it == nil:
			return fault.New(fault.NotInSale, "SKU %s is not in this sale.", stop.SKU)
		case sl.Status == sale.Draft:
			return fault.New(fault.BadTransition, "The sale is a draft.")
		case it.Stopped:
			return errStopped
		}
		left := s.stock[inventory.Pool{Sale: stop.Sale, SKU: stop.SKU}].Available()
		sl.Items = slices.Clone(sl.Items)
		it = sl.Item(stop.SKU)
		it.Stopped, it.Allocation = true, it.Allocation-left
		if left == 0 {
			return nil
		}
		return s.allocate(stop.Sale, stop.SKU, -left, 0, stop.Mint)
	})
	if errors.Is(err, errStopped) {
		return s.Sale(ctx, stop.Sale)
	}
	return after, err
}

// handsOn reports whether what comes free of an item goes on to general stock.
func (s *Store) handsOn(of id.Sale, sku id.SKU) bool {
	sl := s.sales[of]
	if sl.Status == sale.Ended {
		return true
	}
	it := sl.Item(sku)
	return it != nil && it.Stopped
}

// change runs fn on a sale that has not ended, and announces it.
func (s *Store) change(of id.Sale, fn func(*sale.Sale) error) (*sale.Sale, error) {
	var after sale.Sale
	err := s.write(func() (err error) {
		if after, err = s.sale(of); err != nil {
			return err
		}
		if after.Status == sale.Ended {
			return fault.New(fault.SaleEnded, "The sale has ended.")
		}
		if err := fn(&after); err != nil {
			return err
		}
		put(s, s.sales, of, after)
		terms := termsOf(&after)
		s.announce(inventory.Change{Terms: &terms})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &after, nil
}

// MoveSale implements sale.Store.
func (s *Store) MoveSale(_ context.Context, m sale.Move) (*sale.Sale, error) {
	var after sale.Sale
	err := s.write(func() (err error) {
		if after, err = s.sale(m.Sale); err != nil || after.Status == m.To {
			return err
		}
		if !after.Status.CanBecome(m.To) {
			return fault.New(fault.BadTransition, "A sale that is %s cannot become %s.", after.Status, m.To)
		}
		after.Status = m.To
		put(s, s.sales, m.Sale, after)
		terms := termsOf(&after)
		s.announce(inventory.Change{Terms: &terms})
		for _, it := range after.Items {
			units := it.Allocation
			switch m.To {
			case sale.Scheduled:
			case sale.Ended:
				units = -s.stock[inventory.Pool{Sale: m.Sale, SKU: it.SKU}].Available()
			default:
				continue
			}
			if units == 0 {
				continue
			}
			if err := s.allocate(m.Sale, it.SKU, units, 0, m.Mint); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &after, nil
}

// Sale implements sale.Store.
func (s *Store) Sale(_ context.Context, sl id.Sale) (*sale.Sale, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.sale(sl)
	if err != nil {
		return nil, err
	}
	return &found, nil
}

func (s *Store) sale(sl id.Sale) (sale.Sale, error) {
	found, known := s.sales[sl]
	if !known {
		return found, fault.New(fault.NotFound, "There is no sale %s.", sl)
	}
	return found, nil
}

// SalesOpen implements sale.Store.
func (s *Store) SalesOpen(context.Context) ([]*sale.Sale, error) {
	return s.list(func(sl sale.Sale) bool { return sl.Status != sale.Draft && sl.Status != sale.Ended }), nil
}

// Sales implements sale.Store.
func (s *Store) Sales(_ context.Context, before id.Sale, limit int) ([]*sale.Sale, error) {
	all := s.list(func(sl sale.Sale) bool { return before == 0 || sl.ID < before })
	slices.Reverse(all)
	return all[:min(limit, len(all))], nil
}

func (s *Store) list(which func(sale.Sale) bool) (found []*sale.Sale) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range slices.Sorted(maps.Keys(s.sales)) {
		if sl := s.sales[of]; which(sl) {
			found = append(found, &sl)
		}
	}
	return found
}

// EndOf returns when a sale ends; zero where there is no such sale.
func (s *Store) EndOf(sl id.Sale) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sales[sl].EndsAt
}
