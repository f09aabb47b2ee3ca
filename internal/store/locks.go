package store

import (
	"database/sql"
	"errors"
	"slices"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// These locks serialise concurrent transactions. An engine with one writer needs none.
//
// Rows are locked in one order. A transaction that changes several rows of a kind locks all of them before it goes on
// to the next kind:
//
//	| what                 | allowances | orders  | sale | attempts, refunds | pools              |
//	|----------------------|------------|---------|------|-------------------|--------------------|
//	| a batch of orders    | all        | its own |      |                   | all                |
//	| cancel, fulfil       |            | one     |      |                   | its lines          |
//	| expiry               |            | all     |      |                   | all                |
//	| payments settled     | see below  | all     |      | all               | all                |
//	| refund asked, settled|            | one     |      | one               | its lines, general |
//	| a claim of attempts  |            |         |      | all               |                    |
//	| a sale's terms, end  |            |         | one  |                   | all of it, general |
//	| an allocation        |            |         | one  |                   | one, general       |
//	| stock by hand, repair|            |         |      |                   | all                |
//
// Rows of a kind are locked by id, and pools by sale and SKU, general stock last. Each pool is found by its key, never
// by another index. A late payment locks an allowance while it holds the order; that is safe, because a batch that
// holds an allowance never waits for an existing order. A remaining deadlock, of one key in two batches, is rolled back
// by the server and tried again.

// lockOrder locks an order until the transaction ends.
func (tx *Tx) lockOrder(o id.Order) error {
	return tx.lock("SELECT 1 FROM orders WHERE id = ? FOR UPDATE", o)
}

// lockTrade locks orders, their payment attempts and the pools of their units, for a transaction that changes several
// orders.
func (tx *Tx) lockTrade(orders []id.Order, attempts []id.Attempt) error {
	if !tx.s.Shared() || len(orders) == 0 {
		return nil
	}
	pools, err := tx.lockOrders(orders)
	if err != nil {
		return err
	}
	if err := tx.lockAttempts(attempts); err != nil {
		return err
	}
	return tx.holdPools(byPool(pools))
}

// lockOrders locks orders and returns the pools of their units. It includes the general pool wherever released units go
// on to general stock.
func (tx *Tx) lockOrders(orders []id.Order) ([]inventory.Quantity, error) {
	places, args := inListSorted(orders)
	type found struct {
		sale  id.Sale
		lines string
	}
	rows, err := tx.Query(`
		SELECT sale_id, "lines"
		FROM `+tx.sql(ordersAlongKey)+`
		WHERE id IN (`+places+`)
		ORDER BY id
		FOR UPDATE`, args...)
	all, err := collect(rows, err, func(rows *sql.Rows) (f found, err error) { return f, rows.Scan(&f.sale, &f.lines) })
	if err != nil {
		return nil, err
	}
	var pools []inventory.Quantity
	bySale := map[id.Sale][]id.SKU{}
	for _, f := range all {
		lines, err := parseLines(f.lines)
		if err != nil {
			return nil, err
		}
		for _, sku := range skusOf(lines) {
			pools = append(pools, inventory.Quantity{Pool: inventory.Pool{Sale: f.sale, SKU: sku}})
			bySale[f.sale] = append(bySale[f.sale], sku)
		}
	}
	for s, skus := range bySale {
		slices.Sort(skus)
		handsOn, err := tx.handsOn(s, slices.Compact(skus))
		if err != nil {
			return nil, err
		}
		for _, sku := range handsOn {
			pools = append(pools, inventory.Quantity{Pool: inventory.Pool{SKU: sku}})
		}
	}
	return pools, nil
}

// lockAttempts locks payment attempts.
func (tx *Tx) lockAttempts(attempts []id.Attempt) error {
	if len(attempts) == 0 {
		return nil
	}
	places, args := inListSorted(attempts)
	rows, err := tx.Query(`
		SELECT id
		FROM `+tx.sql(attemptsAlongKey)+`
		WHERE id IN (`+places+`)
		ORDER BY id
		FOR UPDATE`, args...)
	_, err = collect(rows, err, func(rows *sql.Rows) (a id.Attempt, err error) { return a, rows.Scan(&a) })
	return err
}

// inListSorted returns the placeholders and sorted values of an IN list, without duplicates.
func inListSorted[T ~int64](ids []T) (places string, args []any) {
	sorted := slices.Compact(slices.Sorted(slices.Values(ids)))
	for _, one := range sorted {
		args = append(args, one)
	}
	return placeholders(len(args)), args
}

// lockCustomer locks a customer, so that transactions count their sessions one at a time.
func (tx *Tx) lockCustomer(c id.Customer) error {
	return tx.lock("SELECT 1 FROM customer WHERE id = ? FOR UPDATE", c)
}

func (tx *Tx) lock(text string, key any) error {
	if !tx.s.Shared() {
		return nil
	}
	var one int
	err := tx.QueryRow(text, []any{key}, &one)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// lockPools locks every pool of a sale whose terms change. A batch of orders reads the terms again once it holds its
// pools: either it commits before the change or it sees the change.
func (tx *Tx) lockPools(s id.Sale) error {
	if !tx.s.Shared() {
		return nil
	}
	rows, err := tx.Query("SELECT sku_id FROM "+tx.sql(stockByKey)+" WHERE sale_id = ? ORDER BY sku_id FOR UPDATE", s)
	_, err = collect(rows, err, scanSKU)
	return err
}

func scanSKU(rows *sql.Rows) (sku id.SKU, err error) { return sku, rows.Scan(&sku) }

// lockPool locks a pool.
func (tx *Tx) lockPool(p inventory.Pool) error {
	if !tx.s.Shared() {
		return nil
	}
	var one int
	err := tx.QueryRow("SELECT 1 FROM "+tx.sql(stockByKey)+" WHERE sale_id = ? AND sku_id = ? FOR UPDATE", []any{p.Sale, p.SKU}, &one)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// poolsAtOnce bounds the pools of one statement, which searches a list of units for each pool.
const poolsAtOnce = 64

// eachPools calls fn with parts of sorted pools, each part of one sale.
func eachPools(pools []inventory.Quantity, fn func([]inventory.Quantity) error) error {
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

// holdPools locks pools, which must be sorted, until the transaction ends.
func (tx *Tx) holdPools(pools []inventory.Quantity) error {
	return eachPools(pools, func(part []inventory.Quantity) error {
		args := []any{part[0].Sale}
		for _, p := range part {
			args = append(args, p.SKU)
		}
		rows, err := tx.Query(`
			SELECT sku_id
			FROM `+tx.sql(stockByKey)+`
			WHERE sale_id = ?
			  AND sku_id IN (`+placeholders(len(part))+`)
			ORDER BY sku_id
			FOR UPDATE`, args...)
		_, err = collect(rows, err, scanSKU)
		return err
	})
}

// lockIntents locks the intents of queued orders, by id, before their outcomes are read. Of two transactions that
// decide the same intent, the second sees what the first wrote. On engines where an insert waits for an uncommitted row
// with the same key, the rows themselves do this.
func (tx *Tx) lockIntents(queued []id.Order) error {
	if tx.s.ways.lockIntents == nil || len(queued) == 0 {
		return nil
	}
	sorted := make([]int64, len(queued))
	for i, o := range queued {
		sorted[i] = int64(o)
	}
	slices.Sort(sorted)
	return tx.s.ways.lockIntents(tx, sorted)
}

// lockAllowances locks the allowances of customers in a sale, so that one transaction at a time adds up a customer's
// orders. The customers must be sorted. It reports whether any row existed before; a customer without a row has no
// order in the sale that was committed under a limit.
func (tx *Tx) lockAllowances(s id.Sale, customers []id.Customer) (before bool, err error) {
	if tx.s.ways.lockAllowances == nil || len(customers) == 0 {
		return false, nil
	}
	return tx.s.ways.lockAllowances(tx, s, customers)
}
