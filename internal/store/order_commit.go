package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// insertOrder is the guard of key and allowance in one statement. It inserts nothing where the key has an order; and where
// the customer's orders in the sale, with this one, would exceed the limit (0: none), the status is NULL, which the table
// refuses. A guard in VALUES costs half of one in INSERT ... SELECT, which copies through a temporary table.
const insertOrder = `
	INSERT INTO orders (id, sale_id, customer_id, idem_key, body_hash, lines, units, total, currency, created_at, expires_at, status)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, CASE
		WHEN ? = 0
		  OR ? + (
			SELECT COALESCE(SUM(units), 0)
			FROM orders
			WHERE sale_id = ?
			  AND customer_id = ?
			  AND status NOT IN ('expired', 'cancelled')
		  ) <= ?
		THEN 'pending'
	END)
	ON CONFLICT (sale_id, customer_id, idem_key) DO NOTHING`

// batch is one commit of orders.
type batch struct {
	tx       *Tx
	drafts   []*order.Draft
	outcomes []order.Outcome
	terms    map[id.Sale]terms
}

// terms is what the guard reads of a sale.
type terms struct {
	open    bool
	version int64
	limit   int64
}

// CommitOrders commits a batch of orders in one transaction: order, movements, event, under the guards of key, allowance,
// stock and the sale's terms. It returns an outcome for each draft. An error means that nothing was committed.
//
// First it takes each pool's stock for the whole batch in one update. Only where that is refused are the drafts tried one
// by one, so that one that cannot be had does not fail its neighbours.
func (s *Store) CommitOrders(ctx context.Context, drafts []*order.Draft) ([]order.Outcome, error) {
	var outcomes []order.Outcome
	err := s.write(ctx, orders, func(tx *Tx) error {
		b := &batch{tx: tx, drafts: drafts, outcomes: make([]order.Outcome, len(drafts)), terms: map[id.Sale]terms{}}
		outcomes = b.outcomes
		whole, err := b.together()
		if err != nil {
			return err
		}
		if !whole {
			if err := tx.restart(); err != nil {
				return err
			}
			if err := b.oneByOne(); err != nil {
				return err
			}
		}
		return b.record()
	})
	if err != nil {
		return nil, err
	}
	return outcomes, nil
}

// together inserts every order and takes the stock of all. It reports false where a pool has not enough for all.
func (b *batch) together() (bool, error) {
	need := map[inventory.Pool]int64{}
	for i, d := range b.drafts {
		if err := b.insert(i); err != nil {
			return false, err
		}
		if b.outcomes[i].Result == order.Accepted {
			for _, l := range d.Claim.Lines {
				need[inventory.Pool{Sale: d.Claim.Sale, SKU: l.SKU}] += l.Units
			}
		}
	}
	for _, p := range lockOrder(need) {
		ok, err := b.tx.reserve(p, need[p])
		if err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// lockOrder sorts the pools, with the hottest last: it is held for the shortest time, and no two batches wait for each
// other in a circle.
func lockOrder(need map[inventory.Pool]int64) []inventory.Pool {
	pools := make([]inventory.Pool, 0, len(need))
	var hottest inventory.Pool
	for p, n := range need {
		pools = append(pools, p)
		if m := need[hottest]; n > m || n == m && comparePools(p, hottest) > 0 {
			hottest = p
		}
	}
	slices.SortFunc(pools, func(x, y inventory.Pool) int {
		switch hottest {
		case x:
			return 1
		case y:
			return -1
		}
		return comparePools(x, y)
	})
	return pools
}

func comparePools(x, y inventory.Pool) int {
	return cmp.Or(cmp.Compare(x.Sale, y.Sale), cmp.Compare(x.SKU, y.SKU))
}

// oneByOne decides each draft by itself.
func (b *batch) oneByOne() error {
	clear(b.outcomes)
	for i, d := range b.drafts {
		if _, err := b.tx.Exec("SAVEPOINT draft"); err != nil {
			return err
		}
		if err := b.insert(i); err != nil {
			return err
		}
		short, err := b.reserveLines(i, d)
		if err != nil {
			return err
		}
		if short != 0 {
			b.outcomes[i] = order.Outcome{Result: order.SoldOut, SKU: short}
			if _, err := b.tx.Exec("ROLLBACK TO draft"); err != nil {
				return err
			}
		}
		if _, err := b.tx.Exec("RELEASE draft"); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) reserveLines(i int, d *order.Draft) (short id.SKU, err error) {
	if b.outcomes[i].Result != order.Accepted {
		return 0, nil
	}
	for _, l := range d.Claim.Lines {
		ok, err := b.tx.reserve(inventory.Pool{Sale: d.Claim.Sale, SKU: l.SKU}, l.Units)
		if err != nil {
			return 0, err
		}
		if !ok {
			return l.SKU, nil
		}
	}
	return 0, nil
}

// insert inserts the order of draft i, or notes why not.
func (b *batch) insert(i int) error {
	d := b.drafts[i]
	o, c := &d.Order, &d.Claim
	t, err := b.termsOf(c.Sale)
	if err != nil {
		return err
	}
	n, err := b.tx.Exec(insertOrder,
		o.ID, c.Sale, c.Customer, c.Key, c.Body[:], d.LinesJSON, o.Units, o.Total.Minor, string(o.Total.Currency), millis(o.CreatedAt), millis(o.ExpiresAt),
		t.limit, o.Units, c.Sale, c.Customer, t.limit)
	switch {
	case isUnique(err):
		b.outcomes[i].Result = order.Collision
		return nil
	case isNotNull(err), err == nil && n == 0:
		return b.refused(i)
	case err != nil:
		return err
	case c.Sale != 0 && (!t.open || t.version != d.SaleVersion):
		// Asked after the key: who repeats an accepted order gets it, whatever became of the sale.
		return b.withdraw(i, t)
	}
	return nil
}

// withdraw takes back the insert of a draft whose sale is closed or has other terms by now.
func (b *batch) withdraw(i int, t terms) error {
	b.outcomes[i].Result = order.SaleChanged
	if !t.open {
		b.outcomes[i].Result = order.SaleClosed
	}
	_, err := b.tx.Exec("DELETE FROM orders WHERE id = ?", b.drafts[i].Order.ID)
	return err
}

// refused finds out why nothing was inserted.
func (b *batch) refused(i int) error {
	c := &b.drafts[i].Claim
	st, err := b.tx.prepared(orderByKey)
	if err != nil {
		return err
	}
	existing, digest, err := scanKeyed(st.QueryRowContext(context.Background(), c.Sale, c.Customer, c.Key))
	switch {
	case errors.Is(err, fault.NotFound):
		b.outcomes[i].Result = order.LimitReached
		return nil
	case err != nil:
		return err
	case digest != c.Body:
		b.outcomes[i].Result = order.OtherBody
		return nil
	}
	b.outcomes[i] = order.Outcome{Result: order.Replayed, Existing: existing}
	return nil
}

func (b *batch) termsOf(s id.Sale) (terms, error) {
	if s == 0 {
		return terms{open: true}, nil
	}
	if t, ok := b.terms[s]; ok {
		return t, nil
	}
	var t terms
	var status string
	err := b.tx.QueryRow(`
		SELECT status, version, limit_per_customer
		FROM sale
		WHERE id = ?`, []any{s}, &status, &t.version, &t.limit)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return t, err
	}
	t.open = status == "scheduled" || status == "live"
	b.terms[s] = t
	return t, nil
}

// record writes the movements and events of what was accepted, table by table, which keeps SQLite's pages warm.
func (b *batch) record() error {
	for i, d := range b.drafts {
		if b.outcomes[i].Result != order.Accepted {
			continue
		}
		for n, l := range d.Claim.Lines {
			_, err := b.tx.Exec(insertMovement, d.Movements[n], d.Claim.Sale, l.SKU, string(inventory.Reserve), l.Units, d.Order.ID, "order", "", millis(d.Order.CreatedAt))
			if err != nil {
				return err
			}
		}
	}
	for i, d := range b.drafts {
		if b.outcomes[i].Result != order.Accepted {
			continue
		}
		if err := b.tx.announceRaw(order.EventPlaced, int64(d.Order.ID), d.Event, d.Order.CreatedAt); err != nil {
			return err
		}
	}
	return nil
}
