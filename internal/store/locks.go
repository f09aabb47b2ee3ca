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
// The order is: allowances, the order or the sale, its attempts and refunds, the pools by sale and SKU; but who moves units between
// general stock and a sale holds the sale's pools first. Who meets another one in a circle all the same is rolled back by the server
// and tries again.

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

// poolsAtOnce bounds the pools of one statement: it looks its units up in a list, for each.
const poolsAtOnce = 64

// eachPools calls fn with parts of sorted pools, each of one sale.
func eachPools(pools []inventory.Portion, fn func([]inventory.Portion) error) error {
	for len(pools) > 0 {
		n := 1
		for n < min(len(pools), poolsAtOnce) && pools[n].Sale == pools[0].Sale {
			n++
		}
		if err := fn(pools[:n]); err != nil {
			return err
		}
		pools = pools[n:]
	}
	return nil
}

// holdPools holds pools, which are sorted, until the transaction ends.
func (tx *Tx) holdPools(pools []inventory.Portion) error {
	return eachPools(pools, func(part []inventory.Portion) error {
		args := []any{part[0].Sale}
		for _, p := range part {
			args = append(args, p.SKU)
		}
		rows, err := tx.Query(`
			SELECT sku_id
			FROM stock FORCE INDEX (PRIMARY)
			WHERE sale_id = ?
			  AND sku_id IN (`+marks(len(part))+`)
			ORDER BY sku_id
			FOR UPDATE`, args...)
		_, err = collect(rows, err, scanSKU)
		return err
	})
}

// reservePools reserves portions of pools, which are sorted. It reports false where one has not enough. The pools of a sale are one
// statement, which goes along their key: two batches that take the same pools wait for each other at the first of them, and each
// holds the hot row from there to its commit, with one round trip in between, in which the terms are read.
func (tx *Tx) reservePools(pools []inventory.Portion) (bool, error) {
	all := true
	err := eachPools(pools, func(part []inventory.Portion) error {
		if !all {
			return nil
		}
		take := append(make([]byte, 0, 32+48*len(part)), "CASE sku_id"...)
		for _, p := range part {
			take = strconv.AppendInt(append(take, " WHEN "...), int64(p.SKU), 10)
			take = strconv.AppendInt(append(take, " THEN "...), p.Units, 10)
		}
		take = append(take, " END"...)
		text := append(make([]byte, 0, 256+2*len(take)+24*len(part)), "UPDATE stock FORCE INDEX (PRIMARY) SET reserved = reserved + "...)
		text = append(append(text, take...), " WHERE sale_id = "...)
		text = append(strconv.AppendInt(text, int64(part[0].Sale), 10), " AND sku_id IN ("...)
		for i, p := range part {
			if i > 0 {
				text = append(text, ", "...)
			}
			text = strconv.AppendInt(text, int64(p.SKU), 10)
		}
		text = append(append(text, ") AND on_hand - reserved >= "...), take...)
		n, err := tx.my.execText(string(text))
		all = n == int64(len(part))
		return err
	})
	return all, err
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
