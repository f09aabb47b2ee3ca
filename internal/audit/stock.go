package audit

import (
	"context"
	"maps"
	"slices"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/sale"
)

// poolSum is what a pool should hold, by the orders and by the ledger. A shop has as many as it has SKUs and items of sales.
type poolSum struct {
	pending, sold int64 // units, by the lines of the orders
	ledger        inventory.Delta
	allocated     int64 // by allocations that no order made
	ordered       int64 // units, by the lines of all orders
	again         int64 // units that were released and held again, for payments that came late
	reserved      int64 // units, by what the ledger reserved
	hash          uint64
	row           inventory.Stock
	hasRow        bool
}

// skuSum is what came into the shop of a SKU, and what is left of it.
type skuSum struct {
	in        int64 // received, adjusted, returned
	allocated int64 // the sum of all allocations: what leaves one pool enters another
	here      int64 // on hand and sold, over all pools
}

func (r *run) pool(p inventory.Pool) *poolSum {
	t := r.pools[p]
	if t == nil {
		t = new(poolSum)
		r.pools[p] = t
	}
	return t
}

func (r *run) supply(s id.SKU) *skuSum {
	v := r.supplies[s]
	if v == nil {
		v = new(skuSum)
		r.supplies[s] = v
	}
	return v
}

// addMovement adds a movement to its pool's sums, and to what came into the shop.
func (r *run) addMovement(m *Movement) {
	sums := &r.pool(m.Pool).ledger
	d := inventory.Movement{Kind: m.Kind, Units: m.Units}.Delta()
	sums.OnHand += d.OnHand
	sums.Reserved += d.Reserved
	sums.Sold += d.Sold
	switch m.Kind {
	case inventory.Reserve:
		r.pool(m.Pool).reserved += m.Units
	case inventory.Receive, inventory.Adjust, inventory.Return:
		r.supply(m.Pool.SKU).in += m.Units
	case inventory.Allocate:
		r.supply(m.Pool.SKU).allocated += m.Units
		if m.Order == 0 {
			r.pool(m.Pool).allocated += m.Units
		}
	}
}

// checkPools compares the rows of stock with the orders, the ledger and the sales.
func (r *run) checkPools(ctx context.Context) error {
	err := r.snap.Pools(ctx, func(s inventory.Stock) error {
		r.tick()
		t := r.pool(s.Pool)
		t.row, t.hasRow = s, true
		r.supply(s.SKU).here += s.OnHand + s.Sold
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range slices.SortedFunc(maps.Keys(r.pools), comparePools) {
		r.judgePool(p, r.pools[p])
	}
	for _, sku := range slices.Sorted(maps.Keys(r.supplies)) {
		s := r.supplies[sku]
		if s.allocated != 0 {
			r.violated(i4, skuSubject(sku), "allocations moved %d units from nowhere", s.allocated)
		}
		if s.in != s.here {
			r.violated(i4, skuSubject(sku), "%d units came in, and %d are on hand or sold", s.in, s.here)
		}
	}
	return r.checkItems(ctx)
}

func (r *run) judgePool(p inventory.Pool, t *poolSum) {
	subject := poolSubject(p)
	r.saw(i1, 1)
	r.saw(i4, 1)
	r.saw(i17, 1)
	if !t.hasRow && (t.ledger != inventory.Delta{} || t.pending+t.sold != 0) {
		r.violated(i4, subject, "the ledger knows it, and it has no row")
	}
	if t.row.OnHand < 0 || t.row.Reserved < 0 || t.row.Sold < 0 || t.row.Reserved > t.row.OnHand {
		r.violated(i1, subject, "%d on hand, %d reserved, %d sold", t.row.OnHand, t.row.Reserved, t.row.Sold)
	}
	if t.row.Reserved != t.pending {
		r.violated(i1, subject, "%d units are reserved, and pending orders hold %d", t.row.Reserved, t.pending)
	}
	if t.row.Sold != t.sold {
		r.violated(i1, subject, "%d units are sold, and paid orders have %d", t.row.Sold, t.sold)
	}
	// What was put into the pool is what the ledger brought in, before any of it was sold.
	if stock := t.ledger.OnHand + t.ledger.Sold; t.pending+t.sold > stock {
		r.violated(i1, subject, "orders have %d units of a stock of %d", t.pending+t.sold, stock)
	}
	if want := t.ordered + t.again; t.reserved != want {
		r.violated(i2, subject, "orders took %d units, and the ledger reserved %d", want, t.reserved)
	}
	for _, c := range []struct {
		name      string
		row, sums int64
	}{
		{"on hand", t.row.OnHand, t.ledger.OnHand},
		{"reserved", t.row.Reserved, t.ledger.Reserved},
		{"sold", t.row.Sold, t.ledger.Sold},
	} {
		if c.row != c.sums {
			r.violated(i4, subject, "%d units are %s, and the ledger's sum is %d", c.row, c.name, c.sums)
		}
	}
}

// checkItems compares what was allocated to each sale with its terms, and that nothing is left in a sale that has ended.
func (r *run) checkItems(ctx context.Context) error {
	seen := map[inventory.Pool]bool{}
	err := r.snap.Items(ctx, func(it *Item) error {
		r.tick()
		p := inventory.Pool{Sale: it.Sale, SKU: it.SKU}
		seen[p] = true
		t := r.pools[p]
		if t == nil {
			t = new(poolSum)
		}
		switch it.Status {
		case sale.Draft:
			if t.hasRow {
				r.violated(i1, poolSubject(p), "the sale is a draft, and it has stock")
			}
		case sale.Ended:
			r.saw(i6, 1)
			if left := t.row.Available(); left != 0 {
				r.violated(i6, poolSubject(p), "the sale has ended, and %d units did not go back", left)
			}
		default:
			if t.allocated != it.Allocation {
				r.violated(i1, poolSubject(p), "the sale's allocation is %d, and %d units were moved to it", it.Allocation, t.allocated)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range slices.SortedFunc(maps.Keys(r.pools), comparePools) {
		if p.Sale != 0 && !seen[p] {
			r.violated(i1, poolSubject(p), "the sale has no such item")
		}
	}
	return nil
}
