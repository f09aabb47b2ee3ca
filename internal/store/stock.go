package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

const (
	reserveStock = `
		UPDATE stock
		SET reserved = reserved + ?
		WHERE sale_id = ?
		  AND sku_id = ?
		  AND on_hand - reserved >= ?`
	// reserveRow is reserveStock where the number of the pool's row is known, which finds it without the key: on SQLite alone. It
	// is still the pool that it asks for.
	reserveRow = `
		UPDATE stock
		SET reserved = reserved + ?1
		WHERE id = ?2
		  AND sale_id = ?3
		  AND sku_id = ?4
		  AND on_hand - reserved >= ?1`
	moveStock = `
		UPDATE stock
		SET on_hand = on_hand + ?,
		    reserved = reserved + ?,
		    sold = sold + ?
		WHERE sale_id = ?
		  AND sku_id = ?
		  AND on_hand + ? >= reserved + ?`
	createStock = `
		INSERT INTO stock (sale_id, sku_id, on_hand, reserved, sold)
		VALUES (?, ?, 0, 0, 0)
		ON CONFLICT (sale_id, sku_id) DO NOTHING`
	insertMovement = `
		INSERT INTO movement (id, sale_id, sku_id, kind, units, order_id, actor, reason, at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
)

// reserve reserves units of a pool under its guard. It reports false where there are not enough.
func (tx *Tx) reserve(p inventory.Pool, units int64) (bool, error) {
	n, err := tx.Exec(reserveStock, units, p.Sale, p.SKU, units)
	return n == 1, err
}

// stockRowsMax bounds how many pools' rows are remembered, some 50 bytes each: more than a night's sales have.
const stockRowsMax = 100_000

// stockRows returns the numbers of the rows of pools, zero for a pool that has none. A pool keeps its row, so that each is looked
// for once, and again where a batch could not be had of it.
func (tx *Tx) stockRows(pools []inventory.Portion) ([]int64, error) {
	known := tx.w.stockRows
	rows := make([]int64, len(pools))
	for i := range pools {
		p := pools[i].Pool
		if rows[i] = known[p]; rows[i] != 0 {
			continue
		}
		err := tx.QueryRow(`
			SELECT id
			FROM stock
			WHERE sale_id = ?
			  AND sku_id = ?`, []any{p.Sale, p.SKU}, &rows[i])
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(known) >= stockRowsMax {
			clear(known)
		}
		known[p] = rows[i]
	}
	return rows, nil
}

// move writes a movement, applies it to its pool under the guard that nothing falls below zero, and announces it to the
// gate. It returns fault.OutOfStock where the guard refuses. allowance is what the movement adds to a customer's used
// allowance: negative where an order lets go.
func (tx *Tx) move(m inventory.Movement, customer id.Customer, allowance int64) error {
	d := m.Delta()
	if d.OnHand > 0 {
		if _, err := tx.Exec(createStock, m.Pool.Sale, m.Pool.SKU); err != nil {
			return err
		}
	}
	n, err := tx.Exec(moveStock, d.OnHand, d.Reserved, d.Sold, m.Pool.Sale, m.Pool.SKU, d.OnHand, d.Reserved)
	if tx.dialect().check(err) {
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
		return nil // a sale of what was held: the gate sees no difference
	}
	return tx.announce(eventMoved, int64(m.ID), inventory.Moved{
		Movement: m.ID, Sale: m.Pool.Sale, SKU: m.Pool.SKU, Kind: m.Kind, Units: m.Units, Order: m.Order,
		Customer: customer, Available: d.OnHand - d.Reserved, Allowance: allowance,
	}, m.At)
}

func (tx *Tx) ledger(m inventory.Movement) error {
	_, err := tx.Exec(insertMovement, m.ID, m.Pool.Sale, m.Pool.SKU, string(m.Kind), m.Units, m.Order, m.Actor, m.Reason, millis(m.At))
	return err
}

// AdjustStock applies an adjustment to a general pool, once for its key, and returns the pool. It returns
// fault.OutOfStock where units are taken that are not available, and fault.KeyReused for a key used otherwise.
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

// AdjustStocks applies several adjustments in one transaction, all or nothing, each once for its key. It returns what
// AdjustStock returns.
func (s *Store) AdjustStocks(ctx context.Context, all []inventory.Adjustment, movements []id.Movement, at time.Time) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		for i, a := range all {
			if err := tx.adjust(a, movements[i], at); err != nil {
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

// adjustedBefore reports whether the key has made this same adjustment.
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

// stock reads a pool; one that does not exist is empty.
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

// Pools reads every pool of a SKU, the general one first.
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

// Movements lists the movements of a SKU that no orders made, newest first, older than before where that is not zero.
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
	m.At = moment(at)
	return m, err
}
