package store

import (
	"database/sql"
	"errors"
	"strconv"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/store/mysql"
)

// What follows keeps transactions apart that run at once. On SQLite there is one at a time, and nothing to lock.
//
// The order is: allowances, the order or the sale, its attempts and refunds, the pools, the hottest last. Who meets another
// one in a circle all the same is rolled back by the server and tries again.

// lockOrder holds an order until the transaction ends.
func (tx *Tx) lockOrder(o id.Order) error {
	return tx.lock("SELECT 1 FROM orders WHERE id = ? FOR UPDATE", o)
}

// lockCustomer holds a customer, so that their sessions are counted by one at a time.
func (tx *Tx) lockCustomer(c id.Customer) error {
	return tx.lock("SELECT 1 FROM customer WHERE id = ? FOR UPDATE", c)
}

func (tx *Tx) lock(text string, key any) error {
	if tx.my == nil {
		return nil
	}
	var one int
	err := tx.QueryRow(text, []any{key}, &one)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// lockPools holds every pool of a sale whose terms were changed. A batch of orders reads the terms again when it holds its
// pools: it comes before the change, and commits before it, or it sees it.
func (tx *Tx) lockPools(s id.Sale) error {
	if tx.my == nil {
		return nil
	}
	rows, err := tx.Query("SELECT sku_id FROM stock WHERE sale_id = ? ORDER BY sku_id FOR UPDATE", s)
	_, err = collect(rows, err, scanSKU)
	return err
}

func scanSKU(rows *sql.Rows) (sku id.SKU, err error) { return sku, rows.Scan(&sku) }

// lockPool holds a pool.
func (tx *Tx) lockPool(p inventory.Pool) error {
	if tx.my == nil {
		return nil
	}
	var one int
	err := tx.QueryRow("SELECT 1 FROM stock WHERE sale_id = ? AND sku_id = ? FOR UPDATE", []any{p.Sale, p.SKU}, &one)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// lockAllowances holds what customers may still have of a sale: who adds their orders up does so by themselves. The
// customers are sorted. It reports whether any of them was there before; those who were not have no orders in the sale that
// was committed under a limit.
func (tx *Tx) lockAllowances(s id.Sale, customers []id.Customer) (before bool, err error) {
	if tx.my == nil || len(customers) == 0 {
		return false, nil
	}
	text := make([]byte, 0, 128+48*len(customers))
	text = append(text, "INSERT INTO allowance (sale_id, customer_id, batches) VALUES "...)
	for i, c := range customers {
		if i > 0 {
			text = append(text, ", "...)
		}
		text = strconv.AppendInt(append(text, '('), int64(s), 10)
		text = strconv.AppendInt(append(text, ", "...), int64(c), 10)
		text = append(text, ", 1)"...)
	}
	n, err := tx.my.execText(string(append(text, " ON DUPLICATE KEY UPDATE batches = batches + 1"...)))
	return n != int64(len(customers)), err // a row that was there counts twice
}

// lost returns an error where the transaction cannot go on after err: the server has rolled it back, or what it has read is
// not so any more.
func (tx *Tx) lost(err error) error {
	switch {
	case tx.my == nil:
		return nil
	case tx.my.lost != nil:
		return tx.my.lost
	case mysql.KindOf(err) == mysql.Unique:
		return err
	}
	return nil
}
