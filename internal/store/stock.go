package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/store/engine"
)

var (
	reserveStock = eachIn(func(d engine.Dialect) string {
		return `
		UPDATE ` + stockByKey.in(d) + `
		SET reserved = reserved + ?
		WHERE sale_id = ?
		  AND sku_id = ?
		  AND on_hand - reserved >= ?
		  AND closed_at = 0`
	})
	moveStock = eachIn(func(d engine.Dialect) string {
		return `
		UPDATE ` + stockByKey.in(d) + `
		SET on_hand = on_hand + ?,
		    reserved = reserved + ?,
		    sold = sold + ?
		WHERE sale_id = ?
		  AND sku_id = ?
		  AND on_hand + ? >= reserved + ?`
	})
)

const (
	// reserveRow is reserveStock by row number instead of key, which is faster; on SQLite only. It still checks the
	// pool.
	reserveRow = `
		UPDATE stock
		SET reserved = reserved + ?1
		WHERE id = ?2
		  AND sale_id = ?3
		  AND sku_id = ?4
		  AND on_hand - reserved >= ?1
		  AND closed_at = 0`
	// createStock ends with orNothing.
	createStock = `
		INSERT INTO stock (sale_id, sku_id, on_hand, reserved, sold)
		VALUES (?, ?, 0, 0, 0)`
	insertMovement = `
		INSERT INTO movement (id, sale_id, sku_id, kind, units, order_id, actor, reason, at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
)

// reserve reserves units of a pool. It returns false if the pool is closed or has too few.
func (tx *Tx) reserve(p inventory.Pool, units int64) (bool, error) {
	n, err := tx.Exec(tx.sql(reserveStock), units, p.Sale, p.SKU, units)
	return n == 1, err
}

// move writes a movement, applies it to its pool and announces it to the gate. It returns fault.OutOfStock if a
// quantity would fall below zero. allowance is added to the customer's use of a limit; it is negative when an order is
// released.
func (tx *Tx) move(m inventory.Movement, customer id.Customer, allowance int64) error {
	d := m.Delta()
	if d.OnHand > 0 {
		if err := tx.createPool(m.Pool, m.At); err != nil {
			return err
		}
	}
	n, err := tx.Exec(tx.sql(moveStock), d.OnHand, d.Reserved, d.Sold, m.Pool.Sale, m.Pool.SKU, d.OnHand, d.Reserved)
	if tx.refusedBy(engine.Check, err) {
		return fmt.Errorf("the ledger and the stock of SKU %s in sale %s disagree: %s of %d units: %w", m.Pool.SKU, m.Pool.Sale, m.Kind, m.Units, err)
	}
	if err != nil {
		return err
	}
	if n == 0 {
		return fault.New(fault.OutOfStock, "There is not enough stock of SKU %s for that.", m.Pool.SKU)
	}
	if err := tx.ledger(m); err != nil {
		return err
	}
	if d.OnHand == d.Reserved && allowance == 0 {
		return nil // sold units were reserved before, so nothing changes for the gate
	}
	rehearsal, err := tx.movesForRehearsal(m.Pool.SKU, customer)
	if err != nil {
		return err
	}
	return tx.announce(eventMoved, int64(m.ID), inventory.Moved{
		Movement: m.ID, Sale: m.Pool.Sale, SKU: m.Pool.SKU, Kind: m.Kind, Units: m.Units, Order: m.Order,
		Customer: customer, Available: d.OnHand - d.Reserved, Allowance: allowance, Rehearsal: rehearsal,
	}, m.At)
}

// movesForRehearsal reports whether a movement belongs to a rehearsal. If it has a customer, the customer decides: only
// rehearsal customers buy rehearsal goods.
func (tx *Tx) movesForRehearsal(sku id.SKU, customer id.Customer) (rehearsal bool, err error) {
	if customer != 0 {
		return id.OfRehearsal(customer), nil
	}
	err = tx.QueryRow(`
		SELECT p.rehearsal
		FROM sku AS s
		JOIN product AS p ON p.id = s.product_id
		WHERE s.id = ?`, []any{sku}, &rehearsal)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return rehearsal, err
}

// createPool creates a pool's row if it is missing. A general pool starts closed if the catalogue does not sell its
// SKU. The product is locked before the insert, so that a concurrent withdrawal finds the row.
func (tx *Tx) createPool(p inventory.Pool, at time.Time) error {
	if p.Sale != 0 {
		_, err := tx.Exec(createStock+tx.orNothing("stock", "sale_id, sku_id"), p.Sale, p.SKU)
		return err
	}
	_, known, err := tx.closedSince(p)
	if err != nil || known {
		return err
	}
	product, err := tx.holdProducts([]id.SKU{p.SKU})
	if err != nil {
		return err
	}
	if _, err := tx.Exec(createStock+tx.orNothing("stock", "sale_id, sku_id"), p.Sale, p.SKU); err != nil || len(product) == 0 || product[0].sold {
		return err
	}
	return tx.closePool(p, max(millis(at), 1))
}

func (tx *Tx) ledger(m inventory.Movement) error {
	_, err := tx.Exec(insertMovement, m.ID, m.Pool.Sale, m.Pool.SKU, string(m.Kind), m.Units, m.Order, m.Actor, m.Reason, millis(m.At))
	return err
}

// AdjustStock applies an adjustment to a general pool, once for each key, and returns the pool. It returns
// fault.OutOfStock if it would remove unavailable units, and fault.KeyReused if the key has made another adjustment.
func (s *Store) AdjustStock(ctx context.Context, a inventory.Adjustment, movement id.Movement, at time.Time) (inventory.Stock, error) {
	var after inventory.Stock
	err := s.write(ctx, jobs, func(tx *Tx) error {
		err := tx.adjust(a, movement, at)
		if err == nil {
			after, err = tx.stock(inventory.Pool{SKU: a.SKU})
		}
		return err
	})
	return after, err
}

// AdjustStocks applies several adjustments in one transaction, all or nothing, each once for its key. It returns the
// same errors as AdjustStock.
func (s *Store) AdjustStocks(ctx context.Context, all []inventory.Adjustment, movements []id.Movement, at time.Time) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		bySKU := make([]int, len(all))
		for i := range all {
			bySKU[i] = i
		}
		slices.SortStableFunc(bySKU, func(x, y int) int { return cmp.Compare(all[x].SKU, all[y].SKU) })
		for _, i := range bySKU {
			if err := tx.adjust(all[i], movements[i], at); err != nil {
				return err
			}
		}
		return nil
	})
}

func (tx *Tx) adjust(a inventory.Adjustment, movement id.Movement, at time.Time) error {
	tx.wrote(stockTopic)
	repeated, err := tx.adjustedBefore(a)
	if err != nil || repeated {
		return err
	}
	m := inventory.Movement{ID: movement, Pool: inventory.Pool{SKU: a.SKU}, Kind: a.Kind, Units: a.Units, Actor: a.Actor, Reason: a.Reason, At: at}
	if err := tx.move(m, 0, 0); err != nil {
		return err
	}
	_, err = tx.Exec(`
		INSERT INTO adjustment (idem_key, movement_id, sku_id, kind, units, reason)
		VALUES (?, ?, ?, ?, ?, ?)`, a.Key, movement, a.SKU, string(a.Kind), a.Units, a.Reason)
	return err
}

// adjustedBefore reports whether the key has already made the same adjustment.
func (tx *Tx) adjustedBefore(a inventory.Adjustment) (bool, error) {
	var old inventory.Adjustment
	err := tx.QueryRow(`
		SELECT sku_id, kind, units, reason
		FROM adjustment
		WHERE idem_key = ?`, []any{a.Key}, &old.SKU, &old.Kind, &old.Units, &old.Reason)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	case old.SKU != a.SKU || old.Kind != a.Kind || old.Units != a.Units || old.Reason != a.Reason:
		e := fault.New(fault.KeyReused, "This key has made another adjustment; use a new key for a new one.")
		e.Field = "Idempotency-Key"
		return false, e
	}
	return true, nil
}

// stock returns a pool; a missing one is empty.
func (tx *Tx) stock(p inventory.Pool) (inventory.Stock, error) {
	st := inventory.Stock{Pool: p}
	err := tx.QueryRow(`
		SELECT on_hand, reserved, sold
		FROM stock
		WHERE sale_id = ?
		  AND sku_id = ?`, []any{p.Sale, p.SKU}, &st.OnHand, &st.Reserved, &st.Sold)
	if errors.Is(err, sql.ErrNoRows) {
		return st, nil
	}
	return st, err
}

// Pools returns every pool of a SKU, the general one first.
func (s *Store) Pools(ctx context.Context, sku id.SKU) ([]inventory.Stock, error) {
	rows, err := s.query(ctx, `
		SELECT sale_id, sku_id, on_hand, reserved, sold
		FROM stock
		WHERE sku_id = ?
		ORDER BY sale_id`, sku)
	return collect(rows, err, scanStock)
}

func scanStock(rows *sql.Rows) (st inventory.Stock, err error) {
	err = rows.Scan(&st.Sale, &st.SKU, &st.OnHand, &st.Reserved, &st.Sold)
	return st, err
}

// Movements lists the movements of a SKU that orders did not cause, newest first. If before is not zero, it lists only
// older ones.
func (s *Store) Movements(ctx context.Context, sku id.SKU, before id.Movement, limit int) ([]inventory.Movement, error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	return list(ctx, s, stockTopic, scanMovement, `
		SELECT id, sale_id, sku_id, kind, units, order_id, actor, reason, at
		FROM movement
		WHERE sku_id = ?
		  AND order_id = 0
		  AND kind <> 'reserve'
		  AND id < ?
		ORDER BY id DESC
		LIMIT ?`, sku, before, limit)
}

func scanMovement(rows *sql.Rows) (m inventory.Movement, err error) {
	var at int64
	err = rows.Scan(&m.ID, &m.Pool.Sale, &m.Pool.SKU, &m.Kind, &m.Units, &m.Order, &m.Actor, &m.Reason, &at)
	m.At = fromMillis(at)
	return m, err
}
