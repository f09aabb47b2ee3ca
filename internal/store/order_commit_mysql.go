package store

import (
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// A batch of orders on MySQL: as few statements as there are tables, the hot row last. What one statement guards on SQLite,
// where nobody else writes, takes a lock here: see lockAllowances and lockPools, and docs/adr/0011.

const insertOrders = `
	INSERT INTO orders (id, sale_id, customer_id, idem_key, body_hash, lines, units, total, currency, created_at, expires_at, status)
	VALUES `

const orderPlaces = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending')"

// errTerms says that a sale's terms changed while a batch that had read them was under way.
var errTerms = errors.New("the terms of a sale changed meanwhile")

// groups returns n groups of placeholders. Every number makes a text of its own; it is not kept by anybody.
func groups(one string, n int) string {
	return strings.Repeat(one+", ", n-1) + one
}

// insertAllMySQL inserts every order of the batch. It reports false where something has to be decided one by one.
func (b *batch) insertAllMySQL() (bool, error) {
	if err := b.lockBuyers(); err != nil {
		return false, err
	}
	for _, d := range b.drafts {
		if b.overLimit(d) {
			return false, nil
		}
		b.have(d)
	}
	args := make([]any, 0, 11*len(b.drafts))
	for _, d := range b.drafts {
		args = b.orderArgs(args, d)
	}
	_, err := b.tx.Exec(insertOrders+groups(orderPlaces, len(b.drafts)), args...)
	if b.tx.dialect().unique(err) {
		return false, nil
	}
	return err == nil, err
}

func (b *batch) orderArgs(args []any, d *order.Draft) []any {
	o, c := &d.Order, &d.Claim
	return append(args, o.ID, c.Sale, c.Customer, c.Key, c.Body[:], string(d.LinesJSON), o.Units, o.Total.Minor, string(o.Total.Currency),
		millis(o.CreatedAt), millis(o.ExpiresAt))
}

// buyer is a customer in a sale.
type buyer struct {
	sale     id.Sale
	customer id.Customer
}

// lockBuyers locks the allowance of every customer in a sale with a limit, and reads what they have had of it.
func (b *batch) lockBuyers() error {
	if b.tx.my == nil {
		return nil
	}
	b.used = map[buyer]int64{}
	bySale := map[id.Sale][]id.Customer{}
	for _, d := range b.drafts {
		if b.termsOf(d).limit > 0 {
			bySale[d.Claim.Sale] = append(bySale[d.Claim.Sale], d.Claim.Customer)
		}
	}
	sales := make([]id.Sale, 0, len(bySale))
	for s := range bySale {
		sales = append(sales, s)
	}
	slices.Sort(sales)
	for _, s := range sales {
		customers := bySale[s]
		slices.Sort(customers)
		customers = slices.Compact(customers)
		before, err := b.tx.lockAllowances(s, customers)
		if err != nil {
			return err
		}
		// A row that was not there before does not say that there are no orders: the limit may be younger than they are.
		if before || b.terms[s].version > 1 {
			if err := b.readUsed(s, customers); err != nil {
				return err
			}
		}
	}
	return nil
}

// readUsed adds up what customers have had of a sale.
func (b *batch) readUsed(s id.Sale, customers []id.Customer) error {
	places, args := inListOf(customers)
	rows, err := b.tx.Query(`
		SELECT customer_id, SUM(units)
		FROM orders
		WHERE sale_id = ?
		  AND customer_id IN (`+places+`)
		  AND status NOT IN ('expired', 'cancelled')
		GROUP BY customer_id`, append([]any{s}, args...)...)
	_, err = collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		var c id.Customer
		var units int64
		err := rows.Scan(&c, &units)
		b.used[buyer{s, c}] = units
		return struct{}{}, err
	})
	return err
}

func inListOf(customers []id.Customer) (places string, args []any) {
	args = make([]any, len(customers))
	for i, c := range customers {
		args[i] = c
	}
	return marks(len(args)), args
}

// overLimit reports whether a draft would exceed its customer's limit.
func (b *batch) overLimit(d *order.Draft) bool {
	limit := b.termsOf(d).limit
	return limit > 0 && b.used[buyer{d.Claim.Sale, d.Claim.Customer}]+d.Order.Units > limit
}

// have counts a draft as had.
func (b *batch) have(d *order.Draft) {
	if b.used == nil {
		return
	}
	b.used[buyer{d.Claim.Sale, d.Claim.Customer}] += d.Order.Units
}

// insertMySQL inserts the order of draft i, or notes why not: see insert.
func (b *batch) insertMySQL(i int) error {
	d := b.drafts[i]
	if b.overLimit(d) {
		b.outcomes[i].Result = order.LimitReached
		return nil
	}
	_, err := b.tx.Exec(insertOrders+orderPlaces, b.orderArgs(nil, d)...)
	switch {
	case b.tx.dialect().unique(err) && b.tx.dialect().onPrimary(err):
		b.outcomes[i].Result = order.Collision
	case b.tx.dialect().unique(err):
		b.outcomes[i].Result = order.Replayed
	case err != nil:
		return err
	default:
		b.outcomes[i].Result = b.refuse(d)
	}
	return nil
}

// recordMySQL writes what was accepted: see record.
func (b *batch) recordMySQL(accepted int, at int64, pools []inventory.Pool, payload []byte) error {
	if err := b.termsHold(); err != nil {
		return err
	}
	for i, d := range b.drafts {
		if b.outcomes[i].Result == order.Accepted {
			b.tx.my.witness = witness{orderWitness, d.Order.ID}
			b.tx.wrote(d.Claim.Customer)
		}
	}
	args := make([]any, 0, 9*len(pools))
	for _, p := range pools {
		args = append(args, id.New[id.Movement](b.mint), p.Sale, p.SKU, string(inventory.Reserve), b.taken[p], 0, orderActor, "", at)
	}
	if _, err := b.tx.Exec(insertMovements+groups("(?, ?, ?, ?, ?, ?, ?, ?, ?)", len(pools)), args...); err != nil {
		return err
	}
	return b.tx.insertOutbox(accepted, order.EventPlaced, 0, payload, at)
}

// termsHold compares the terms that were read at the beginning with what they are now that the pools are held: whoever
// changes them holds the pools as well.
func (b *batch) termsHold() error {
	before := b.terms
	b.terms = map[id.Sale]terms{}
	if err := b.readTerms(); err != nil {
		return err
	}
	for s, t := range before {
		if b.terms[s] != t {
			return errTerms
		}
	}
	return nil
}
