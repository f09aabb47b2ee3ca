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
	"github.com/tidegate/tidegate/internal/store/engine"
)

// batch is one commit of orders. It holds what all engines share; the engines' own parts are commitSQLite, commitMySQL
// and commitPostgres, each in its own file.
type batch struct {
	tx       *Tx
	mint     *id.Mint
	drafts   []*order.Draft
	outcomes []order.Outcome
	terms    map[id.Sale]terms
	now      int64                // database time, if a draft has a deadline
	fence    int64                // newest refusal of a key, if one may affect a draft
	epoch    int64                // newest epoch of a shared gate, read together with fence; zero: not read
	fenced   map[id.Order]bool    // drafts whose key was refused, or whose gate was opened anew, after their request
	taken    []inventory.Quantity // what accepted drafts have reserved; when recorded: sorted, one entry for each pool
}

// CommitOrders commits a batch in one transaction: orders, movements and events, guarded by key, allowance, stock and
// the sale's terms. It returns an outcome for each draft. After an error nothing is committed. It writes one ledger
// row, with an id from mint, and one outbox row for all orders.
//
// It first takes each pool's stock for the whole batch in one update. Only if that fails does it try the drafts one by
// one, so that a draft that must be refused does not fail the others.
func (s *Store) CommitOrders(ctx context.Context, drafts []*order.Draft, mint *id.Mint) ([]order.Outcome, error) {
	var outcomes []order.Outcome
	err := s.write(ctx, orders, func(tx *Tx) error {
		b := &batch{tx: tx, mint: mint, drafts: drafts, outcomes: make([]order.Outcome, len(drafts)), terms: map[id.Sale]terms{}}
		outcomes = b.outcomes
		return s.ways.commit(b)
	})
	if err != nil {
		return nil, err
	}
	return outcomes, nil
}

// takeAll adds up the units of all drafts. It returns false if the terms of a sale refuse one of them.
func (b *batch) takeAll() bool {
	b.taken = make([]inventory.Quantity, 0, len(b.drafts))
	for _, d := range b.drafts {
		if b.checkTerms(d) != order.Accepted {
			return false
		}
		b.take(d)
	}
	b.taken = byPool(b.taken)
	return true
}

// take adds the units of a draft.
func (b *batch) take(d *order.Draft) { b.taken = appendPortions(b.taken, d) }

func appendPortions(all []inventory.Quantity, d *order.Draft) []inventory.Quantity {
	for _, l := range d.Claim.Lines {
		all = append(all, inventory.Quantity{Pool: inventory.Pool{Sale: d.Claim.Sale, SKU: l.SKU}, Units: l.Units})
	}
	return all
}

// byPool merges the entries of each pool, in the global lock order of pools.
func byPool(all []inventory.Quantity) []inventory.Quantity {
	slices.SortFunc(all, func(x, y inventory.Quantity) int { return comparePools(x.Pool, y.Pool) })
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

// comparePools defines the lock order of pools: by sale and SKU, general stock last.
func comparePools(x, y inventory.Pool) int {
	if c := cmp.Compare(uint64(x.Sale)-1, uint64(y.Sale)-1); c != 0 {
		return c
	}
	return cmp.Compare(x.SKU, y.SKU)
}

// oneByOne decides each draft separately. insert inserts its order or records a refusal; had is called for each
// accepted draft.
func (b *batch) oneByOne(insert func(i int) error, had func(*order.Draft)) error {
	b.taken = nil
	for i, d := range b.drafts {
		if b.outcomes[i].Result == order.Declined {
			continue
		}
		if _, err := b.tx.Exec("SAVEPOINT draft"); err != nil {
			return err
		}
		if err := insert(i); err != nil {
			return err
		}
		if err := b.existing(i); err != nil {
			return err
		}
		if b.outcomes[i].Result == order.Accepted && b.fenced[d.Order.ID] {
			b.outcomes[i] = order.Outcome{Result: order.Fenced, Fence: b.fence}
		}
		if err := b.reserveLines(i, d); err != nil {
			return err
		}
		if b.outcomes[i].Result != order.Accepted {
			if _, err := b.tx.Exec("ROLLBACK TO draft"); err != nil {
				return err
			}
		} else {
			had(d)
			b.take(d)
		}
		if _, err := b.tx.Exec("RELEASE SAVEPOINT draft"); err != nil {
			return err
		}
	}
	b.taken = byPool(b.taken)
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
			b.outcomes[i], err = b.shortOf(inventory.Pool{Sale: d.Claim.Sale, SKU: l.SKU})
			return err
		}
	}
	return nil
}

// shortOf returns why nothing could be reserved of a pool. A stopped item counts as sold out, as it does at the gate.
func (b *batch) shortOf(p inventory.Pool) (order.Outcome, error) {
	out := order.Outcome{Result: order.SoldOut, SKU: p.SKU}
	if p.Sale != 0 {
		return out, nil
	}
	since, _, err := b.tx.closedSince(p)
	if since != 0 {
		out.Result = order.NotSold
	}
	return out, err
}

// existing looks up the key of an order that was not inserted. An existing order takes precedence over every refusal.
func (b *batch) existing(i int) error {
	if r := b.outcomes[i].Result; r != order.Replayed && r != order.LimitReached && r != order.TooManyUnpaid {
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
		b.outcomes[i].Result = order.KeyReused
		return nil
	}
	b.outcomes[i] = order.Outcome{Result: order.Replayed, Existing: &found}
	return nil
}

// terms holds the fields of a sale that the guard reads.
type terms struct {
	open    bool
	version int64
	limit   int64
}

// checkTerms checks a draft against its sale's terms and its own deadline. It returns Accepted or the reason for the
// refusal.
func (b *batch) checkTerms(d *order.Draft) order.Result {
	t := b.termsOf(d)
	switch {
	case d.Claim.Deadline != 0 && d.Claim.Deadline < b.now:
		return order.ReservationExpired
	case !t.open:
		return order.SaleClosed
	case t.version != d.SaleVersion:
		return order.SaleChanged
	}
	return order.Accepted
}

func (b *batch) termsOf(d *order.Draft) terms { return b.terms[d.Claim.Sale] }

// newestFences reads the number of the newest refusal of a key and the newest epoch of a shared gate. On SQLite, where
// the gate is usually in memory, the epoch is read only if a draft has one.
var newestFences = eachIn(func(d engine.Dialect) string {
	refusal, epoch := "COALESCE((SELECT newest FROM refusal_fence WHERE id = 1), 0)", "COALESCE((SELECT number FROM gate_epoch WHERE id = 1), 0)"
	if d == engine.SQLite {
		epoch = "0"
	}
	return refusal + ", " + epoch
})

// readClock reads the database's clock and the newest refusal, if a draft may depend on them.
func (b *batch) readClock() error {
	if !slices.ContainsFunc(b.drafts, fenceable) {
		return nil
	}
	return b.tx.QueryRow("SELECT "+b.tx.sql(clockMillis)+", "+b.tx.sql(newestFences), nil, &b.now, &b.fence, &b.epoch)
}

var selectTerms = eachIn(func(d engine.Dialect) string {
	return `
				SELECT status, version, limit_per_customer, ` + clockMillis.in(d) + `, ` + newestFences.in(d) + `
				FROM sale
				WHERE id = ?`
})

// readTerms reads the terms of every sale of the batch and the database's clock. General stock is always open and has
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
			err := b.tx.QueryRow(b.tx.sql(selectTerms), []any{s}, &status, &t.version, &t.limit, &b.now, &b.fence, &b.epoch)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			t.open = status == "scheduled" || status == "live"
		}
		b.terms[s] = t
	}
	if b.now == 0 {
		return b.readClock()
	}
	return nil
}

// placedRow is the outbox row of a batch: it announces every accepted order.
type placedRow struct {
	accepted int
	at       int64   // creation time of the newest order
	sale     id.Sale // if all orders are of one sale
	payload  []byte
}

// placed returns the outbox row. Its payload is empty if no order was accepted.
func (b *batch) placed() (r placedRow) {
	for i, d := range b.drafts {
		if b.outcomes[i].Result != order.Accepted {
			continue
		}
		if r.accepted++; r.accepted == 1 {
			r.sale = d.Claim.Sale
		} else if r.sale != d.Claim.Sale {
			r.sale = 0
		}
		r.at = max(r.at, millis(d.Order.CreatedAt))
	}
	if r.accepted == 0 {
		return r
	}
	r.payload = order.NewPlacedBatch(r.accepted)
	for i, d := range b.drafts {
		if b.outcomes[i].Result == order.Accepted {
			r.payload = order.AppendPlaced(r.payload, d.Order.ID, d.Fingerprint)
		}
	}
	return r
}

// reservedRow returns the ledger row of a commit. A single pool is written like any movement; several pools are listed
// in one row.
func (b *batch) reservedRow() (one inventory.Quantity, list []byte) {
	one = b.taken[0]
	if len(b.taken) > 1 {
		one = inventory.Quantity{}
		list = make([]byte, 0, 48*len(b.taken)) // each entry is two ids and a few digits
		for _, p := range b.taken {
			one.Units += p.Units
			list = inventory.AppendQuantity(list, p)
		}
		list = append(list, ']')
	}
	return one, list
}

// insertReserved writes the reservations of one commit.
const insertReserved = `
	INSERT INTO movement (id, sale_id, sku_id, kind, units, order_id, actor, reason, at, pools)
	VALUES (?, ?, ?, 'reserve', ?, 0, 'order', '', ?, ?)`
