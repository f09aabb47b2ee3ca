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
		SELECT sku_id, product_id, price, list_price, currency, allocation
		FROM sale_item
		WHERE sale_id = ?
		ORDER BY sku_id`
)

func scanSale(row scanner) (*sale.Sale, error) {
	s := new(sale.Sale)
	var starts, ends, payment, created, updated int64
	err := row.Scan(&s.ID, &s.Title, &s.Status, &starts, &ends, &s.Limit, &payment, &s.Version, &created, &updated, &s.Rehearsal, &s.ShowsLeft)
	s.StartsAt, s.EndsAt, s.CreatedAt, s.UpdatedAt = moment(starts), moment(ends), moment(created), moment(updated)
	s.PaymentWindow = time.Duration(payment) * time.Millisecond
	return s, err
}

func scanSales(rows *sql.Rows) (*sale.Sale, error) { return scanSale(rows) }

func scanItem(rows *sql.Rows) (it sale.Item, err error) {
	err = rows.Scan(&it.SKU, &it.Product, &it.Price.Minor, &it.ListPrice.Minor, &it.Price.Currency, &it.Allocation)
	it.ListPrice.Currency = it.Price.Currency
	return it, err
}

// Sale reads a sale with its items. It returns fault.NotFound.
func (s *Store) Sale(ctx context.Context, sl id.Sale) (*sale.Sale, error) {
	found, err := scanSale(s.row(ctx, selectSale, sl))
	if err != nil {
		return nil, none(readError(err), "sale", sl)
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

// SalesOpen reads every sale that is scheduled, live or paused.
func (s *Store) SalesOpen(ctx context.Context) ([]*sale.Sale, error) {
	rows, err := s.query(ctx, "SELECT "+saleColumns+" FROM sale INDEXED BY sale_open WHERE status <> 'ended' AND status <> 'draft'")
	open, err := collect(rows, err, scanSales)
	if err != nil {
		return nil, err
	}
	return open, s.fillItems(ctx, open...)
}

// Sales lists sales, newest first, older than before where that is not zero. Rehearsals have a list of their own.
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

// sale reads a sale with its items inside a transaction, which holds it from then on. It returns fault.NotFound.
func (tx *Tx) sale(sl id.Sale) (*sale.Sale, error) {
	found, err := scanSale(tx.row(selectSale+" FOR UPDATE", sl))
	if err != nil {
		return nil, none(err, "sale", sl)
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
			VALUES (`+marks(12)+`)`,
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

// ReplaceSale replaces a draft's terms where its version is still version. It returns fault.NotFound,
// fault.VersionMismatch or fault.SaleLocked.
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

// ChangeSale changes limit and end of a sale that has not ended. It returns fault.NotFound or fault.SaleEnded.
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

// AllocateSale moves units between general stock and a sale that has not ended. It returns fault.NotFound,
// fault.NotInSale, fault.OutOfStock or fault.SaleEnded.
func (s *Store) AllocateSale(ctx context.Context, a sale.Allocation) (*sale.Sale, error) {
	return s.changeSale(ctx, a.Sale, func(tx *Tx, sl *sale.Sale) error {
		it := sl.Item(a.SKU)
		if it == nil {
			return fault.New(fault.NotInSale, "SKU %s is not in this sale.", a.SKU)
		}
		if it.Allocation+a.Units < 0 || it.Allocation+a.Units > sale.AllocationMax {
			return fault.Bad("units", "the allocation of %d would become %d", it.Allocation, it.Allocation+a.Units)
		}
		_, err := tx.Exec(`
			UPDATE sale_item
			SET allocation = allocation + ?
			WHERE sale_id = ?
			  AND sku_id = ?`, a.Units, a.Sale, a.SKU)
		if err != nil || sl.Status == sale.Draft {
			return err
		}
		if err := tx.allocate(a.Sale, a.SKU, a.Units, 0, a.Actor, a.Reason, a.At, a.Mint); err != nil {
			return err
		}
		return tx.announceTerms(sl, a.At)
	})
}

// changeSale runs fn on a sale that has not ended and returns the sale as it is afterwards.
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

// MoveSale changes a sale's status along a legal edge. To scheduled it takes the allocation out of general stock, all or
// nothing; to ended it returns what is available. One that has the status already is returned as it is: the clock and an
// operator may both ask. It returns fault.NotFound, fault.BadTransition or fault.OutOfStock.
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
		// The terms first: a gate knows a sale by them, and then what moves in it.
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

// announceTerms tells the gate, and every process's book, that a sale changed.
func (tx *Tx) announceTerms(sl *sale.Sale, at time.Time) error {
	return tx.announce(eventTerms, int64(sl.ID), inventory.Terms{
		Sale:  sl.ID,
		Limit: sl.Limit,
		Open:  sl.Status == sale.Scheduled || sl.Status == sale.Live,
		Ended: sl.Status == sale.Ended,
	}, at)
}
