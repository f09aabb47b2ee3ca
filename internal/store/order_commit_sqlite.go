package store

import (
	"errors"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/store/engine"
	"github.com/tidegate/tidegate/internal/store/sqlite"
)

// sqliteBatch is a batch on SQLite's single writer.
type sqliteBatch struct {
	*batch
	hot *sqlite.Tx
}

// commitSQLite commits a batch. No other transaction writes meanwhile, so nothing is locked: it reads terms, inserts
// orders under the guard of key and limit, takes stock, and writes ledger and outbox. The three statements of an order
// bypass database/sql.
func commitSQLite(common *batch) error {
	b := sqliteBatch{common, common.tx.Tx.(*sqlite.Tx)}
	apart, err := b.declined()
	if err != nil {
		return err
	}
	if !apart {
		whole, err := b.together()
		if err != nil {
			return err
		}
		apart = !whole
	}
	if apart {
		if err := b.tx.Restart(); err != nil {
			return err
		}
		if err := b.readTerms(); err != nil {
			return err
		}
		if _, err := b.readFences(); err != nil {
			return err
		}
		if err := b.oneByOne(b.insert, func(*order.Draft) {}); err != nil {
			return err
		}
	}
	if err := b.record(); err != nil {
		return err
	}
	return b.decline()
}

// together inserts every order and takes the stock of all. It returns false if the drafts must be decided one by one:
// because of a used key, a limit, a changed sale, or a pool with too little for all.
func (b *sqliteBatch) together() (bool, error) {
	if err := b.readTerms(); err != nil {
		return false, err
	}
	if !b.takeAll() {
		return false, nil
	}
	whole, err := b.insertAll()
	if err != nil || !whole {
		return false, err
	}
	if whole, err = b.reserveAll(); err != nil || !whole {
		return false, err
	}
	refused, err := b.readFences()
	return !refused, err
}

// insertOrder guards key and allowance in one statement. If the key has an order, it inserts nothing. If this order
// would exceed the customer's limit in the sale (0: none), it sets the status to NULL, which the table refuses. It does
// the same if an order of general stock would exceed the unpaid units (0: no bound) or orders of one customer. A guard
// in VALUES costs half of one in INSERT ... SELECT, which copies through a temporary table.
const insertOrder = `
	INSERT INTO orders (id, sale_id, customer_id, idem_key, body_hash, "lines", units, total, currency, created_at, expires_at, status)
	VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, CASE
		WHEN (?12 = 0
		  OR ?7 + (
			SELECT COALESCE(SUM(units), 0)
			FROM orders
			WHERE sale_id = ?2
			  AND customer_id = ?3
			  AND status <> 'expired'
			  AND status <> 'cancelled'
		  ) <= ?12)
		 AND (?13 = 0
		  OR (
			SELECT COUNT(*) < ?14 AND COALESCE(SUM(units), 0) + ?7 <= ?13
			FROM orders
			WHERE sale_id = 0
			  AND status = 'pending'
			  AND customer_id = ?3
		  ))
		THEN 'pending'
	END)
	ON CONFLICT (sale_id, customer_id, idem_key) DO NOTHING`

// insertAll inserts every order. It returns false if the drafts must be decided one by one.
func (b *sqliteBatch) insertAll() (bool, error) {
	err := b.hot.Many(insertOrder, len(b.drafts), func(i int) int { return orderBytes(b.drafts[i]) }, func(i int, r *sqlite.HotRow) {
		b.bind(b.drafts[i], r)
	}, func(_ int, changed int64, err error) error {
		if err == nil && changed == 0 {
			return errApart
		}
		return err
	})
	if errors.Is(err, errApart) || refusedRow(err) {
		return false, nil
	}
	return err == nil, err
}

// reserveAll reserves the batch's units of each pool. It returns false if a pool has too little for all.
func (b *sqliteBatch) reserveAll() (bool, error) {
	rows, err := b.hot.StockRows(b.taken)
	if err != nil {
		return false, err
	}
	err = b.hot.Many(reserveRow, len(b.taken), func(int) int { return 0 }, func(i int, r *sqlite.HotRow) {
		p := &b.taken[i]
		r.Ints(p.Units, rows[i], int64(p.Sale), int64(p.SKU))
	}, func(i int, changed int64, err error) error {
		if err == nil && changed == 0 {
			b.hot.ForgetStockRow(b.taken[i].Pool) // look the row up again next time, in case it has changed
			return errApart
		}
		return err
	})
	if errors.Is(err, errApart) {
		return false, nil
	}
	return err == nil, err
}

// refusedRow reports whether a key or a limit refused an order: see insertOrder.
func refusedRow(err error) bool {
	kind := sqlite.KindOf(err)
	return kind == engine.Unique || kind == engine.NotNull
}

// errApart says that a batch cannot be committed as a whole.
var errApart = errors.New("the batch has to be decided one by one")

// orderBytes returns the total length of an order's texts in insertOrder.
func orderBytes(d *order.Draft) int {
	return len(d.Claim.Key) + len(d.Claim.Body) + len(d.LinesJSON) + len(d.Order.Total.Currency)
}

// bind binds the values of insertOrder.
func (b *sqliteBatch) bind(d *order.Draft, r *sqlite.HotRow) {
	o, c := &d.Order, &d.Claim
	r.Ints(int64(o.ID), int64(c.Sale), int64(c.Customer))
	r.Text(c.Key)
	r.Blob(c.Body[:])
	r.TextBytes(d.LinesJSON)
	r.Ints(o.Units, o.Total.Minor)
	r.Text(string(o.Total.Currency))
	r.Ints(millis(o.CreatedAt), millis(o.ExpiresAt), b.termsOf(d).limit, d.UnpaidMax.Units, d.UnpaidMax.Orders)
}

// insert inserts the order of draft i or records a refusal. The caller rolls back what a refused draft has inserted.
func (b *sqliteBatch) insert(i int) error {
	d := b.drafts[i]
	err := b.hot.Many(insertOrder, 1, func(int) int { return orderBytes(d) }, func(_ int, r *sqlite.HotRow) {
		b.bind(d, r)
	}, func(_ int, changed int64, err error) error {
		switch kind := sqlite.KindOf(err); {
		case kind == engine.Unique:
			b.outcomes[i].Result = order.Collision
			return nil
		case kind == engine.NotNull && d.Claim.Sale == 0:
			b.outcomes[i].Result = order.TooManyUnpaid
		case kind == engine.NotNull:
			b.outcomes[i].Result = order.LimitReached
		case err != nil:
			return err
		case changed == 0:
			b.outcomes[i].Result = order.Replayed
		default:
			// Check this after the key: a repeated request gets its order, whatever has become of the sale.
			b.outcomes[i].Result = b.checkTerms(d)
			if d.Refusal != fault.Internal {
				b.outcomes[i].Result = order.SaleChanged
			}
		}
		return nil
	})
	if err != nil || b.outcomes[i].Result != order.TooManyUnpaid {
		return err
	}
	held, err := b.unpaid(d.Claim.Customer)
	b.outcomes[i].Unpaid = &held
	return err
}

// unpaid returns what a customer holds of general stock unpaid.
func (b *sqliteBatch) unpaid(c id.Customer) (held order.Unpaid, err error) {
	err = b.tx.QueryRow(`
		SELECT COUNT(*), COALESCE(SUM(units), 0)
		FROM orders
		WHERE sale_id = 0
		  AND status = 'pending'
		  AND customer_id = ?`, []any{c}, &held.Orders, &held.Units)
	return held, err
}

// record writes the accepted orders to the ledger and the outbox, one row each.
func (b *sqliteBatch) record() error {
	placed := b.placed()
	if placed.accepted == 0 {
		return nil
	}
	noFailure := func(_ int, _ int64, err error) error { return err }
	one, list := b.reservedRow()
	err := b.hot.Many(insertReserved, 1, func(int) int { return len(list) }, func(_ int, r *sqlite.HotRow) {
		r.Ints(int64(id.New[id.Movement](b.mint)), int64(one.Sale), int64(one.SKU), one.Units, placed.at)
		if list == nil {
			r.Null()
		} else {
			r.TextBytes(list)
		}
	}, noFailure)
	if err != nil {
		return err
	}
	return b.hot.Many(insertEvents, 1, func(int) int { return len(order.EventPlaced) + len(placed.payload) }, func(_ int, r *sqlite.HotRow) {
		r.Ints(int64(placed.accepted), int64(placed.accepted))
		r.Text(order.EventPlaced)
		r.Ints(int64(placed.sale))
		r.Blob(placed.payload)
		r.Ints(placed.at)
	}, noFailure)
}
