package store

import (
	"cmp"
	"context"
	"database/sql"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/sale"
)

const saleColumns = `id, title, status, starts_at, ends_at, limit_per_customer, payment_ms, version, created_at, updated_at, rehearsal, shows_left`

const (
	selectSale  = "SELECT " + saleColumns + " FROM sale WHERE id = ?"
	selectItems = `
		SELECT i.sku_id, i.product_id, i.price, i.list_price, i.currency, i.allocation, COALESCE(st.closed_at, 0) <> 0
		FROM sale_item AS i
		LEFT JOIN stock AS st
		  ON st.sale_id = i.sale_id
		 AND st.sku_id = i.sku_id
		WHERE i.sale_id = ?
		ORDER BY i.sku_id`
)

func scanSale(row scanner) (*sale.Sale, error) {
	s := new(sale.Sale)
	var starts, ends, payment, created, updated int64
	err := row.Scan(&s.ID, &s.Title, &s.Status, &starts, &ends, &s.Limit, &payment, &s.Version, &created, &updated, &s.Rehearsal, &s.ShowsLeft)
	s.StartsAt, s.EndsAt, s.CreatedAt, s.UpdatedAt = fromMillis(starts), fromMillis(ends), fromMillis(created), fromMillis(updated)
	s.PaymentWindow = time.Duration(payment) * time.Millisecond
	return s, err
}

func scanSales(rows *sql.Rows) (*sale.Sale, error) { return scanSale(rows) }

func scanItem(rows *sql.Rows) (it sale.Item, err error) {
	err = rows.Scan(&it.SKU, &it.Product, &it.Price.Minor, &it.ListPrice.Minor, &it.Price.Currency, &it.Allocation, &it.Stopped)
	it.ListPrice.Currency = it.Price.Currency
	return it, err
}

// Sale reads a sale with its items. It returns fault.NotFound.
func (s *Store) Sale(ctx context.Context, sl id.Sale) (*sale.Sale, error) {
	found, err := scanSale(s.row(ctx, selectSale, sl))
	if err != nil {
		return nil, notFound(readError(err), "sale", sl)
	}
	return found, s.fillItems(ctx, found)
}

func (s *Store) fillItems(ctx context.Context, sales ...*sale.Sale) error {
	for _, sl := range sales {
		rows, err := s.query(ctx, selectItems, sl.ID)
		if sl.Items, err = collect(rows, err, scanItem); err != nil {
			return err
		}
	}
	return nil
}

// SalesOpen returns every sale that is scheduled, live or paused.
func (s *Store) SalesOpen(ctx context.Context) ([]*sale.Sale, error) {
	rows, err := s.query(ctx, "SELECT "+saleColumns+" FROM "+s.sql(salesOpen)+" WHERE status <> 'ended' AND status IN ('scheduled', 'live', 'paused')")
	open, err := collect(rows, err, scanSales)
	if err != nil {
		return nil, err
	}
	return open, s.fillItems(ctx, open...)
}

// Sales lists sales, newest first. If before is not zero, it lists only older ones. It omits rehearsals, which have
// their own list.
func (s *Store) Sales(ctx context.Context, before id.Sale, limit int) ([]*sale.Sale, error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	rows, err := s.query(ctx, "SELECT "+saleColumns+" FROM sale WHERE id < ? AND rehearsal = 0 ORDER BY id DESC LIMIT ?", before, limit)
	found, err := collect(rows, err, scanSales)
	if err != nil {
		return nil, err
	}
	return found, s.fillItems(ctx, found...)
}

// sale reads a sale with its items in a transaction and locks it. It returns fault.NotFound.
func (tx *Tx) sale(sl id.Sale) (*sale.Sale, error) {
	found, err := scanSale(tx.row(selectSale+tx.sql(forUpdate), sl))
	if err != nil {
		return nil, notFound(err, "sale", sl)
	}
	rows, err := tx.Query(selectItems, sl)
	found.Items, err = collect(rows, err, scanItem)
	return found, err
}

// CreateSale inserts a draft.
func (s *Store) CreateSale(ctx context.Context, sl *sale.Sale) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec(`
			INSERT INTO sale (`+saleColumns+`)
			VALUES (`+placeholders(12)+`)`,
			sl.ID, sl.Title, string(sl.Status), millis(sl.StartsAt), millis(sl.EndsAt), sl.Limit, sl.PaymentWindow.Milliseconds(), sl.Version, millis(sl.CreatedAt), millis(sl.UpdatedAt), sl.Rehearsal, string(cmp.Or(sl.ShowsLeft, sale.Exact)))
		if err != nil {
			return err
		}
		return tx.insertItems(sl)
	})
}

func (tx *Tx) insertItems(sl *sale.Sale) error {
	for _, it := range sl.Items {
		_, err := tx.Exec(`
			INSERT INTO sale_item (sale_id, sku_id, product_id, price, list_price, currency, allocation)
			VALUES (?, ?, ?, ?, ?, ?, ?)`,
			sl.ID, it.SKU, it.Product, it.Price.Minor, it.ListPrice.Minor, string(it.Price.Currency), it.Allocation)
		if err != nil {
			return err
		}
	}
	return nil
}

// ReplaceSale replaces a draft's terms if its version equals version. It returns fault.NotFound, fault.VersionMismatch
// or fault.SaleLocked.
func (s *Store) ReplaceSale(ctx context.Context, sl *sale.Sale, version int64) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		current, err := tx.sale(sl.ID)
		switch {
		case err != nil:
			return err
		case current.Status != sale.Draft:
			return fault.New(fault.SaleLocked, "The sale is %s: only its limit, its end and its allocation can still be changed.", current.Status)
		case current.Version != version:
			return fault.New(fault.VersionMismatch, "The sale has version %d by now, not %d: read it again.", current.Version, version)
		}
		_, err = tx.Exec(`
			UPDATE sale
			SET title = ?,
			    starts_at = ?,
			    ends_at = ?,
			    limit_per_customer = ?,
			    payment_ms = ?,
			    shows_left = ?,
			    version = version + 1,
			    updated_at = ?
			WHERE id = ?`,
			sl.Title, millis(sl.StartsAt), millis(sl.EndsAt), sl.Limit, sl.PaymentWindow.Milliseconds(), string(cmp.Or(sl.ShowsLeft, sale.Exact)), millis(sl.UpdatedAt), sl.ID)
		if err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM sale_item WHERE sale_id = ?", sl.ID); err != nil {
			return err
		}
		return tx.insertItems(sl)
	})
}

// ChangeSale changes the limit and end of a sale that has not ended. It returns fault.NotFound or fault.SaleEnded.
func (s *Store) ChangeSale(ctx context.Context, c sale.Change) (*sale.Sale, error) {
	return s.changeSale(ctx, c.Sale, func(tx *Tx, sl *sale.Sale) error {
		if c.Limit != nil {
			sl.Limit = *c.Limit
		}
		if c.EndsAt != nil {
			sl.EndsAt = c.EndsAt.UTC()
		}
		sl.Version++
		_, err := tx.Exec(`
			UPDATE sale
			SET limit_per_customer = ?,
			    ends_at = ?,
			    version = ?,
			    updated_at = ?
			WHERE id = ?`, sl.Limit, millis(sl.EndsAt), sl.Version, millis(c.At), sl.ID)
		if err != nil {
			return err
		}
		if err := tx.lockPools(sl.ID); err != nil {
			return err
		}
		return tx.announceTerms(sl, c.At)
	})
}

// AllocateSale moves units between general stock and a sale that has not ended. Adding units to a stopped item resumes
// it. It returns fault.NotFound, fault.NotInSale, fault.OutOfStock or fault.SaleEnded.
func (s *Store) AllocateSale(ctx context.Context, a sale.Allocation) (*sale.Sale, error) {
	return s.changeSale(ctx, a.Sale, func(tx *Tx, sl *sale.Sale) error {
		it := sl.Item(a.SKU)
		if it == nil {
			return fault.New(fault.NotInSale, "SKU %s is not in this sale.", a.SKU)
		}
		if it.Allocation+a.Units < 0 || it.Allocation+a.Units > sale.AllocationMax {
			return fault.Bad("quantity", "the allocation of %d would become %d", it.Allocation, it.Allocation+a.Units)
		}
		if sl.Status == sale.Draft {
			return tx.changeAllocation(a.Sale, a.SKU, a.Units)
		}
		if a.Units > 0 {
			if err := tx.sellAgain(sl, it, a.At); err != nil {
				return err
			}
		}
		return tx.allocateItem(sl, a)
	})
}

// sellAgain resumes a stopped item that gets more units, and verifies that the catalogue sells its product.
func (tx *Tx) sellAgain(sl *sale.Sale, it *sale.Item, at time.Time) error {
	if err := tx.checkSold(*it); err != nil {
		return fault.As(err).In("sku_id")
	}
	if !it.Stopped {
		return nil
	}
	return tx.closePool(inventory.Pool{Sale: sl.ID, SKU: it.SKU}, 0)
}

// allocateItem moves units between general stock and an item of an open sale, and announces it.
func (tx *Tx) allocateItem(sl *sale.Sale, a sale.Allocation) error {
	if err := tx.changeAllocation(a.Sale, a.SKU, a.Units); err != nil {
		return err
	}
	if err := tx.lockPool(inventory.Pool{Sale: a.Sale, SKU: a.SKU}); err != nil {
		return err
	}
	if err := tx.allocate(a.Sale, a.SKU, a.Units, 0, a.Actor, a.Reason, a.At, a.Mint); err != nil {
		return err
	}
	return tx.announceTerms(sl, a.At)
}

func (tx *Tx) changeAllocation(s id.Sale, sku id.SKU, units int64) error {
	_, err := tx.Exec(`
		UPDATE sale_item
		SET allocation = allocation + ?
		WHERE sale_id = ?
		  AND sku_id = ?`, units, s, sku)
	return err
}

// StopItem stops an item of a sale that has not ended. Its available units return to general stock, and so do units
// that are released later. An item that is already stopped is not changed. It returns fault.NotFound, fault.NotInSale,
// fault.SaleEnded, or fault.BadTransition for a draft.
func (s *Store) StopItem(ctx context.Context, stop sale.Stop) (*sale.Sale, error) {
	return s.changeSale(ctx, stop.Sale, func(tx *Tx, sl *sale.Sale) error {
		it := sl.Item(stop.SKU)
		switch {
		case it == nil:
			return fault.New(fault.NotInSale, "SKU %s is not in this sale.", stop.SKU)
		case sl.Status == sale.Draft:
			return fault.New(fault.BadTransition, "The sale is a draft and sells nothing yet: write its items anew.")
		case it.Stopped:
			return nil
		}
		pool := inventory.Pool{Sale: stop.Sale, SKU: stop.SKU}
		if err := tx.lockPool(pool); err != nil {
			return err
		}
		if err := tx.closePool(pool, millis(stop.At)); err != nil {
			return err
		}
		held, err := tx.stock(pool)
		if err != nil {
			return err
		}
		if held.Available() == 0 {
			return tx.announceTerms(sl, stop.At)
		}
		return tx.allocateItem(sl, sale.Allocation{
			Sale: stop.Sale, SKU: stop.SKU, Units: -held.Available(), Actor: stop.Actor, Reason: stop.Reason, At: stop.At, Mint: stop.Mint,
		})
	})
}

// changeSale runs fn on a sale that has not ended and returns the changed sale.
func (s *Store) changeSale(ctx context.Context, sl id.Sale, fn func(*Tx, *sale.Sale) error) (*sale.Sale, error) {
	var after *sale.Sale
	err := s.write(ctx, jobs, func(tx *Tx) error {
		current, err := tx.sale(sl)
		if err != nil {
			return err
		}
		if current.Status == sale.Ended {
			return fault.New(fault.SaleEnded, "The sale has ended.")
		}
		if err := fn(tx, current); err != nil {
			return err
		}
		after, err = tx.sale(sl)
		return err
	})
	return after, err
}

// MoveSale changes a sale's status along a legal edge. A move to scheduled takes the allocation from general stock, all
// or nothing; a move to ended returns what is available. A sale that already has the status is returned unchanged,
// because the clock and an operator may both request it. It returns fault.NotFound, fault.BadTransition,
// fault.OutOfStock, or, for scheduled, fault.NotInSale if the catalogue does not sell an item.
func (s *Store) MoveSale(ctx context.Context, m sale.Move) (*sale.Sale, error) {
	var after *sale.Sale
	err := s.write(ctx, jobs, func(tx *Tx) error {
		current, err := tx.sale(m.Sale)
		after = current
		if err != nil || current.Status == m.To {
			return err
		}
		if !current.Status.CanBecome(m.To) {
			return fault.New(fault.BadTransition, "A sale that is %s cannot become %s.", current.Status, m.To)
		}
		if m.To == sale.Scheduled {
			if err := tx.checkSold(current.Items...); err != nil {
				return err
			}
		}
		from := current.Status
		n, err := tx.Exec(`
			UPDATE sale
			SET status = ?,
			    updated_at = ?
			WHERE id = ?
			  AND status = ?`, string(m.To), millis(m.At), m.Sale, string(from))
		if err != nil || n == 0 {
			return err
		}
		if err := tx.lockPools(m.Sale); err != nil {
			return err
		}
		current.Status = m.To
		// Announce the terms first: a gate must know a sale before movements in it.
		if err := tx.announceTerms(current, m.At); err != nil {
			return err
		}
		return tx.moveAllocation(current, m)
	})
	return after, err
}

func (tx *Tx) moveAllocation(sl *sale.Sale, m sale.Move) error {
	for _, it := range sl.Items {
		units := it.Allocation
		reason := "scheduled"
		switch m.To {
		case sale.Scheduled:
		case sale.Ended:
			st, err := tx.stock(inventory.Pool{Sale: sl.ID, SKU: it.SKU})
			if err != nil {
				return err
			}
			units, reason = -st.Available(), "ended"
		default:
			return nil
		}
		if units == 0 {
			continue
		}
		if err := tx.allocate(sl.ID, it.SKU, units, 0, m.Actor, reason, m.At, m.Mint); err != nil {
			return err
		}
	}
	return nil
}

// announceTerms tells the gate and every process's sale cache that a sale changed.
func (tx *Tx) announceTerms(sl *sale.Sale, at time.Time) error {
	return tx.announce(eventTerms, int64(sl.ID), inventory.Terms{
		Sale:  sl.ID,
		Limit: sl.Limit,
		Open:  sl.Status == sale.Scheduled || sl.Status == sale.Live,
		Ended: sl.Status == sale.Ended,

		Rehearsal: sl.Rehearsal,
	}, at)
}
