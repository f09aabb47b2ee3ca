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
	VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, CASE
		WHEN ?12 = 0
		  OR ?7 + (
			SELECT COALESCE(SUM(units), 0)
			FROM orders
			WHERE sale_id = ?2
			  AND customer_id = ?3
			  AND status <> 'expired'
			  AND status <> 'cancelled'
		  ) <= ?12
		THEN 'pending'
	END)
	ON CONFLICT (sale_id, customer_id, idem_key) DO NOTHING`

// batch is one commit of orders.
type batch struct {
	tx       *Tx
	mint     *id.Mint
	drafts   []*order.Draft
	outcomes []order.Outcome
	terms    map[id.Sale]terms
	now      int64               // by the database's clock, where a draft has a deadline
	taken    []inventory.Portion // what the accepted drafts have reserved; of each pool once, and sorted, when it is recorded
	used     map[buyer]int64     // units that customers have had of a sale with a limit; on SQLite the statement adds them up
}

// CommitOrders commits a batch of orders in one transaction: orders, movements, events, under the guards of key, allowance,
// stock and the sale's terms. It returns an outcome for each draft. An error means that nothing was committed. The ledger gets
// one row, named by the mint, and the outbox one row that stands for all orders.
//
// First it takes each pool's stock for the whole batch in one update. Only where that is refused are the drafts tried one
// by one, so that one that cannot be had does not fail its neighbours.
func (s *Store) CommitOrders(ctx context.Context, drafts []*order.Draft, mint *id.Mint) ([]order.Outcome, error) {
	var outcomes []order.Outcome
	err := s.write(ctx, orders, func(tx *Tx) error {
		b := &batch{tx: tx, mint: mint, drafts: drafts, outcomes: make([]order.Outcome, len(drafts)), terms: map[id.Sale]terms{}}
		outcomes = b.outcomes
		apart, err := b.declined()
		if err != nil {
			return err
		}
		whole := false
		if !apart {
			whole, err = b.together()
			if err != nil {
				return err
			}
		}
		if !whole {
			if err := tx.restart(); err != nil {
				return err
			}
			if err := b.oneByOne(); err != nil {
				return err
			}
		}
		if err := b.record(); err != nil {
			return err
		}
		return b.decline()
	})
	if err != nil {
		return nil, err
	}
	return outcomes, nil
}

// together inserts every order and takes the stock of all. It reports false where something of the batch has to be decided
// one by one: a key that has an order, a limit, a sale that changed, a pool with not enough for all.
func (b *batch) together() (bool, error) {
	if err := b.beginTerms(); err != nil {
		return false, err
	}
	b.taken = make([]inventory.Portion, 0, len(b.drafts))
	for _, d := range b.drafts {
		if b.refuse(d) != order.Accepted {
			return false, nil
		}
		b.take(d)
	}
	b.taken = byPool(b.taken)
	whole, err := b.insertAll()
	if err != nil || !whole {
		return false, err
	}
	return b.reserveAll()
}

// reserveAll reserves what the batch takes of each pool. It reports false where a pool has not enough for all.
func (b *batch) reserveAll() (bool, error) {
	if b.tx.my != nil {
		return b.reserveAllMySQL()
	}
	rows, err := b.tx.stockRows(b.taken)
	if err != nil {
		return false, err
	}
	err = b.tx.many(reserveRow, len(b.taken), func(int) int { return 0 }, func(i int, r *row) {
		p := &b.taken[i]
		r.ints(p.Units, rows[i], int64(p.Sale), int64(p.SKU))
	}, func(i int, changed int64, err error) error {
		if err == nil && changed == 0 {
			delete(b.tx.w.stockRows, b.taken[i].Pool) // should it have another row now, it is looked for
			return errApart
		}
		return err
	})
	if errors.Is(err, errApart) {
		return false, nil
	}
	return err == nil, err
}

// insertAll inserts every order. It reports false where something has to be decided one by one.
func (b *batch) insertAll() (bool, error) {
	if b.tx.my != nil {
		return b.insertAllMySQL()
	}
	err := b.tx.many(insertOrder, len(b.drafts), func(i int) int { return orderBytes(b.drafts[i]) }, func(i int, r *row) {
		b.bind(b.drafts[i], r)
	}, func(_ int, changed int64, err error) error {
		if err == nil && changed == 0 {
			return errApart
		}
		return err
	})
	if errors.Is(err, errApart) || isUnique(err) || isNotNull(err) {
		return false, nil
	}
	return err == nil, err
}

// errApart says that a batch cannot be committed in one go.
var errApart = errors.New("the batch has to be decided one by one")

// take adds what a draft reserves.
func (b *batch) take(d *order.Draft) { b.taken = appendPortions(b.taken, d) }

func appendPortions(all []inventory.Portion, d *order.Draft) []inventory.Portion {
	for _, l := range d.Claim.Lines {
		all = append(all, inventory.Portion{Pool: inventory.Pool{Sale: d.Claim.Sale, SKU: l.SKU}, Units: l.Units})
	}
	return all
}

// byPool makes one portion of those of each pool, in the order in which everybody locks pools.
func byPool(all []inventory.Portion) []inventory.Portion {
	slices.SortFunc(all, func(x, y inventory.Portion) int { return comparePools(x.Pool, y.Pool) })
	merged := all[:0]
	for _, p := range all {
		if n := len(merged); n > 0 && merged[n-1].Pool == p.Pool {
			merged[n-1].Units += p.Units
		} else {
			merged = append(merged, p)
		}
	}
	return merged
}

func comparePools(x, y inventory.Pool) int {
	if c := cmp.Compare(x.Sale, y.Sale); c != 0 {
		return c
	}
	return cmp.Compare(x.SKU, y.SKU)
}

// oneByOne decides each draft by itself.
func (b *batch) oneByOne() error {
	if err := b.readTerms(); err != nil {
		return err
	}
	b.taken = nil
	if err := b.lockBuyers(); err != nil {
		return err
	}
	if err := b.lockAllPools(); err != nil {
		return err
	}
	for i, d := range b.drafts {
		if b.outcomes[i].Result == order.Declined {
			continue
		}
		if _, err := b.tx.Exec("SAVEPOINT draft"); err != nil {
			return err
		}
		if err := b.insert(i); err != nil {
			return err
		}
		if err := b.existing(i); err != nil {
			return err
		}
		if err := b.reserveLines(i, d); err != nil {
			return err
		}
		if b.outcomes[i].Result != order.Accepted {
			if _, err := b.tx.Exec("ROLLBACK TO draft"); err != nil {
				return err
			}
		} else {
			b.have(d)
			b.take(d)
		}
		if _, err := b.tx.Exec("RELEASE SAVEPOINT draft"); err != nil {
			return err
		}
	}
	b.taken = byPool(b.taken)
	if b.tx.my != nil {
		_, err := b.termsHold() // a deadline that has passed since was held when its draft was decided
		return err
	}
	return nil
}

func (b *batch) reserveLines(i int, d *order.Draft) error {
	if b.outcomes[i].Result != order.Accepted {
		return nil
	}
	for _, l := range d.Claim.Lines {
		ok, err := b.tx.reserve(inventory.Pool{Sale: d.Claim.Sale, SKU: l.SKU}, l.Units)
		if err != nil {
			return err
		}
		if !ok {
			b.outcomes[i] = order.Outcome{Result: order.SoldOut, SKU: l.SKU}
			return nil
		}
	}
	return nil
}

// orderBytes is how long the texts of insertOrder are together.
func orderBytes(d *order.Draft) int {
	return len(d.Claim.Key) + len(d.Claim.Body) + len(d.LinesJSON) + len(d.Order.Total.Currency)
}

// bind binds the values of insertOrder.
func (b *batch) bind(d *order.Draft, r *row) {
	o, c := &d.Order, &d.Claim
	r.ints(int64(o.ID), int64(c.Sale), int64(c.Customer))
	r.text(c.Key)
	r.blob(c.Body[:])
	r.textBytes(d.LinesJSON)
	r.ints(o.Units, o.Total.Minor)
	r.text(string(o.Total.Currency))
	r.ints(millis(o.CreatedAt), millis(o.ExpiresAt), b.termsOf(d).limit)
}

// insert inserts the order of draft i, or notes why not. What it inserted of a draft that is not accepted, the caller
// rolls back.
func (b *batch) insert(i int) error {
	if b.tx.my != nil {
		return b.insertMySQL(i)
	}
	d := b.drafts[i]
	return b.tx.many(insertOrder, 1, func(int) int { return orderBytes(d) }, func(_ int, r *row) {
		b.bind(d, r)
	}, func(_ int, changed int64, err error) error {
		switch {
		case isUnique(err):
			b.outcomes[i].Result = order.Collision
			return nil
		case isNotNull(err):
			b.outcomes[i].Result = order.LimitReached
		case err != nil:
			return err
		case changed == 0:
			b.outcomes[i].Result = order.Replayed
		default:
			// Asked after the key: who repeats an accepted order gets it, whatever became of the sale.
			b.outcomes[i].Result = b.refuse(d)
			if d.Refusal != fault.Internal {
				b.outcomes[i].Result = order.SaleChanged
			}
		}
		return nil
	})
}

// existing looks a key up whose order was not inserted: it may have one, which comes before every refusal.
func (b *batch) existing(i int) error {
	if r := b.outcomes[i].Result; r != order.Replayed && r != order.LimitReached {
		return nil
	}
	c := &b.drafts[i].Claim
	found, digest, err := scanKeyed(b.tx.row(orderByKey, c.Sale, c.Customer, c.Key))
	switch {
	case errors.Is(err, fault.NotFound):
		return nil
	case err != nil:
		return err
	case digest != c.Body:
		b.outcomes[i].Result = order.OtherBody
		return nil
	}
	b.outcomes[i] = order.Outcome{Result: order.Replayed, Existing: &found}
	return nil
}

// terms is what the guard reads of a sale.
type terms struct {
	open    bool
	version int64
	limit   int64
}

// refuse says why a draft cannot be had, of the terms of its sale and its own deadline; Accepted: it can.
func (b *batch) refuse(d *order.Draft) order.Result {
	t := b.termsOf(d)
	switch {
	case d.Claim.Deadline != 0 && d.Claim.Deadline < b.now:
		return order.Lapsed
	case !t.open:
		return order.SaleClosed
	case t.version != d.SaleVersion:
		return order.SaleChanged
	}
	return order.Accepted
}

func (b *batch) termsOf(d *order.Draft) terms { return b.terms[d.Claim.Sale] }

// beginTerms reads what a batch is decided by; on MySQL it is only assumed, and read when the pools are held.
func (b *batch) beginTerms() error {
	if b.tx.my != nil {
		return b.assumeTerms()
	}
	return b.readTerms()
}

// readClock reads the database's clock, where a reservation of the batch ends.
func (b *batch) readClock() error {
	if !slices.ContainsFunc(b.drafts, func(d *order.Draft) bool { return d.Claim.Deadline != 0 }) {
		return nil
	}
	return b.tx.QueryRow("SELECT "+clockMillis, nil, &b.now)
}

// readTerms reads the terms of every sale of the batch, and the database's clock with them. General stock is always open and has
// no limit.
func (b *batch) readTerms() error {
	b.terms, b.now = map[id.Sale]terms{}, 0
	for _, d := range b.drafts {
		s := d.Claim.Sale
		if _, ok := b.terms[s]; ok {
			continue
		}
		t := terms{open: true}
		if s != 0 {
			var status string
			err := b.tx.QueryRow(`
				SELECT status, version, limit_per_customer, `+clockMillis+`
				FROM sale
				WHERE id = ?`, []any{s}, &status, &t.version, &t.limit, &b.now)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			t.open = status == "scheduled" || status == "live"
		}
		b.terms[s] = t
	}
	if b.tx.my != nil {
		b.tx.my.w.assumed.keep(b.terms)
	}
	if b.now == 0 {
		return b.readClock()
	}
	return nil
}

// record writes what was accepted to the ledger, in one row, and to the outbox, in one row.
func (b *batch) record() error {
	var accepted int
	var at int64    // of the newest order
	var one id.Sale // where all are of one
	for i, d := range b.drafts {
		if b.outcomes[i].Result != order.Accepted {
			continue
		}
		if accepted++; accepted == 1 {
			one = d.Claim.Sale
		} else if one != d.Claim.Sale {
			one = 0
		}
		at = max(at, millis(d.Order.CreatedAt))
	}
	if accepted == 0 {
		return nil
	}
	if b.tx.my != nil {
		b.witnessMySQL()
	}
	if err := b.tx.ledgerReserved(b.taken, id.New[id.Movement](b.mint), at); err != nil {
		return err
	}
	payload := order.NewPlacedBatch(accepted)
	for i, d := range b.drafts {
		if b.outcomes[i].Result == order.Accepted {
			payload = order.AppendPlaced(payload, d.Order.ID, d.Fingerprint)
		}
	}
	if b.tx.my != nil {
		b.tx.announced = true
		b.tx.my.later(insertOutbox, b.tx.my.w.ids.next(), int64(accepted), order.EventPlaced, int64(one), payload, at)
		return nil
	}
	return b.tx.many(insertEvents, 1, func(int) int { return len(order.EventPlaced) + len(payload) }, func(_ int, r *row) {
		r.ints(int64(accepted), int64(accepted))
		r.text(order.EventPlaced)
		r.ints(int64(one))
		r.blob(payload)
		r.ints(at)
	}, func(_ int, _ int64, err error) error { return err })
}

// ledgerReserved writes what the orders of a commit have taken of these pools to the ledger: of one pool as any movement is
// written, of several in one row that lists them.
func (tx *Tx) ledgerReserved(taken []inventory.Portion, m id.Movement, at int64) error {
	one := taken[0]
	var list []byte // none: NULL
	if len(taken) > 1 {
		one = inventory.Portion{}
		list = make([]byte, 0, 48*len(taken)) // two ids and a few digits each
		for _, p := range taken {
			one.Units += p.Units
			list = inventory.AppendPortion(list, p)
		}
		list = append(list, ']')
	}
	if tx.my != nil {
		var pools any
		if list != nil {
			pools = list
		}
		tx.my.later(insertReserved, int64(m), int64(one.Sale), int64(one.SKU), one.Units, at, pools)
		return nil
	}
	return tx.many(insertReserved, 1, func(int) int { return len(list) }, func(_ int, r *row) {
		r.ints(int64(m), int64(one.Sale), int64(one.SKU), one.Units, at)
		if list == nil {
			r.null()
		} else {
			r.textBytes(list)
		}
	}, func(_ int, _ int64, err error) error { return err })
}

// insertReserved writes what orders reserve in one commit.
const insertReserved = `
	INSERT INTO movement (id, sale_id, sku_id, kind, units, order_id, actor, reason, at, pools)
	VALUES (?, ?, ?, 'reserve', ?, 0, 'order', '', ?, ?)`
