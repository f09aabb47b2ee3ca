package store

import (
	"database/sql"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"sync"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// A batch of orders on MySQL: as few statements as there are tables, the pools last of what is hot. What one statement guards on SQLite,
// where nobody else writes, takes a lock here: see lockAllowances and lockPools, and docs/adr/0011.

const insertOrders = `
	INSERT INTO orders (id, sale_id, customer_id, idem_key, body_hash, lines, units, total, currency, created_at, expires_at, status)
	VALUES `

const orderPlaces = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending')"

// errTerms says that a sale's terms changed while a batch that had read them was under way.
var errTerms = errors.New("the terms of a sale changed meanwhile")

// insertAllMySQL inserts every order of the batch, with the statement that takes its stock. It reports false where something has
// to be decided one by one.
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
	text := make([]byte, 0, len(insertOrders)+orderTextBytes*len(b.drafts))
	text = append(text, b.tx.dialect().text(insertOrders)...)
	for i, d := range b.drafts {
		if i > 0 {
			text = append(text, ", "...)
		}
		text = appendOrder(text, d)
	}
	b.tx.my.laterText(text)
	return true, nil
}

// reserveAllMySQL takes the stock of the batch, and reads by what terms. It reports false where something has to be decided one by
// one: a key that has an order is told of here.
func (b *batch) reserveAllMySQL() (bool, error) {
	ok, err := b.tx.reservePools(b.taken)
	if b.tx.dialect().unique(err) {
		return false, nil
	}
	if err != nil || !ok {
		return false, err
	}
	return b.termsHold()
}

// lockAllPools holds the pools of all drafts, in the order in which everybody locks them: drafts that are decided one by one come in
// their own.
func (b *batch) lockAllPools() error {
	if b.tx.my == nil {
		return nil
	}
	var wanted []inventory.Portion
	for _, d := range b.drafts {
		wanted = appendPortions(wanted, d)
	}
	return b.tx.holdPools(byPool(wanted))
}

// orderTextBytes fits an order of one line as appendOrder writes it, mostly.
const orderTextBytes = 320

// appendOrder appends the values of one order, as orderPlaces has them, in SQL. A batch is one text of tens of kilobytes: made
// here it costs half of what the driver takes, which is handed each value in a box of its own. What a shopper may have chosen
// is written in hexadecimal digits.
func appendOrder(b []byte, d *order.Draft) []byte {
	o, c := &d.Order, &d.Claim
	b = strconv.AppendInt(append(b, '('), int64(o.ID), 10)
	b = strconv.AppendInt(append(b, ", "...), int64(c.Sale), 10)
	b = strconv.AppendInt(append(b, ", "...), int64(c.Customer), 10)
	b = hex.AppendEncode(append(b, ", x'"...), []byte(c.Key))
	b = hex.AppendEncode(append(b, "', x'"...), c.Body[:])
	b = append(b, "', '"...)
	b = append(b, d.LinesJSON...) // numbers, commas and brackets
	b = strconv.AppendInt(append(b, "', "...), o.Units, 10)
	b = strconv.AppendInt(append(b, ", "...), o.Total.Minor, 10)
	b = hex.AppendEncode(append(b, ", x'"...), []byte(o.Total.Currency))
	b = strconv.AppendInt(append(b, "', "...), millis(o.CreatedAt), 10)
	b = strconv.AppendInt(append(b, ", "...), millis(o.ExpiresAt), 10)
	return append(b, ", 'pending')"...)
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

// witnessMySQL notes by which order to ask after the commit, and who has written.
func (b *batch) witnessMySQL() {
	for i, d := range b.drafts {
		if b.outcomes[i].Result == order.Accepted {
			b.tx.my.witness = witness{orderWitness, d.Order.ID}
			b.tx.wrote(d.Claim.Customer)
		}
	}
}

// assumedTerms are the terms of sales as they were read last. A batch begins by them, and is sure of them when it holds the
// pools: see termsHold. Safe for concurrent use.
type assumedTerms struct {
	mu    sync.Mutex
	terms map[id.Sale]terms
}

// assumedMax bounds how many are kept: more sales than are open at once.
const assumedMax = 1000

func (a *assumedTerms) of(s id.Sale) (terms, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, ok := a.terms[s]
	return t, ok
}

func (a *assumedTerms) keep(all map[id.Sale]terms) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.terms == nil || len(a.terms) > assumedMax {
		a.terms = map[id.Sale]terms{}
	}
	for s, t := range all {
		a.terms[s] = t
	}
}

// assumeTerms takes the terms of the batch's sales to be what they were; it reads them where a draft would be refused by
// that, or where they are not known.
func (b *batch) assumeTerms() error {
	for _, d := range b.drafts {
		t, ok := b.tx.my.w.assumed.of(d.Claim.Sale)
		if !ok || !t.open || t.version != d.SaleVersion {
			return b.readTerms()
		}
		b.terms[d.Claim.Sale] = t
	}
	return nil
}

// termsHold reads, now that the pools are held, what a batch was decided by: whoever changes a sale's terms holds its pools
// as well. It returns errTerms where a sale has other terms now, and false where the deadline of a draft has passed.
func (b *batch) termsHold() (bool, error) {
	before := b.terms
	if err := b.readTerms(); err != nil {
		return false, err
	}
	for s, t := range before {
		if b.terms[s] != t {
			return false, errTerms
		}
	}
	return !slices.ContainsFunc(b.drafts, func(d *order.Draft) bool { return b.refuse(d) != order.Accepted }), nil
}
