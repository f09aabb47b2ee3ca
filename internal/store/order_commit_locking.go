package store

import (
	"database/sql"
	"fmt"
	"slices"
	"sync"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/store/engine"
)

// lockingBatch is a batch that runs concurrently with others. The engines with several writers share it.
type lockingBatch struct {
	*batch
	used   map[buyer]int64              // units that customers have bought in a sale with a limit
	unpaid map[id.Customer]order.Unpaid // general stock that customers hold unpaid
}

// errTerms says that a sale's terms changed during a batch that had read them.
var errTerms = fmt.Errorf("the terms of a sale: %w", engine.ErrRetry)

// buyer is a customer in a sale.
type buyer struct {
	sale     id.Sale
	customer id.Customer
}

// lockBuyers locks the allowances of the batch's customers, in sales with a limit and in general stock, and reads their
// use.
func (b *lockingBatch) lockBuyers() error {
	b.used, b.unpaid = map[buyer]int64{}, map[id.Customer]order.Unpaid{}
	bySale := map[id.Sale][]id.Customer{}
	for _, d := range b.drafts {
		if b.termsOf(d).limit > 0 || d.UnpaidMax != (order.Unpaid{}) {
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
		if s == 0 {
			if err := b.readUnpaid(customers); err != nil {
				return err
			}
			continue
		}
		// A new row does not prove that there are no orders: they may be older than the limit.
		if before || b.terms[s].version > 1 {
			if err := b.readUsed(s, customers); err != nil {
				return err
			}
		}
	}
	return nil
}

// readUsed adds up what customers have bought in a sale.
func (b *lockingBatch) readUsed(s id.Sale, customers []id.Customer) error {
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

// readUnpaid adds up what customers hold of general stock unpaid. It reads the orders themselves, because an older
// version of this program does not take these locks.
func (b *lockingBatch) readUnpaid(customers []id.Customer) error {
	places, args := inListOf(customers)
	rows, err := b.tx.Query(`
		SELECT customer_id, COUNT(*), SUM(units)
		FROM orders
		WHERE sale_id = 0
		  AND customer_id IN (`+places+`)
		  AND status = 'pending'
		GROUP BY customer_id`, args...)
	_, err = collect(rows, err, func(rows *sql.Rows) (struct{}, error) {
		var c id.Customer
		var held order.Unpaid
		err := rows.Scan(&c, &held.Orders, &held.Units)
		b.unpaid[c] = held
		return struct{}{}, err
	})
	return err
}

func inListOf(customers []id.Customer) (places string, args []any) {
	args = make([]any, len(customers))
	for i, c := range customers {
		args[i] = c
	}
	return placeholders(len(args)), args
}

// overLimit returns how a draft would exceed its customer's limits, or Accepted.
func (b *lockingBatch) overLimit(d *order.Draft) order.Outcome {
	limit := b.termsOf(d).limit
	if limit > 0 && b.used[buyer{d.Claim.Sale, d.Claim.Customer}]+d.Order.Units > limit {
		return order.Outcome{Result: order.LimitReached}
	}
	if d.UnpaidMax != (order.Unpaid{}) {
		if held := b.unpaid[d.Claim.Customer]; !d.UnpaidMax.Takes(held, d.Order.Units) {
			return order.Outcome{Result: order.TooManyUnpaid, Unpaid: &held}
		}
	}
	return order.Outcome{Result: order.Accepted}
}

// addUsage counts an accepted draft towards its customer's limits.
func (b *lockingBatch) addUsage(d *order.Draft) {
	if d.Claim.Sale == 0 {
		held := b.unpaid[d.Claim.Customer]
		b.unpaid[d.Claim.Customer] = order.Unpaid{Orders: held.Orders + 1, Units: held.Units + d.Order.Units}
		return
	}
	b.used[buyer{d.Claim.Sale, d.Claim.Customer}] += d.Order.Units
}

// withinLimits counts all drafts. It returns false if one would exceed its customer's limit.
func (b *lockingBatch) withinLimits() bool {
	for _, d := range b.drafts {
		if b.overLimit(d).Result != order.Accepted {
			return false
		}
		b.addUsage(d)
	}
	return true
}

// apart decides each draft separately, after taking every lock that a draft may need.
func (b *lockingBatch) apart(insert func(int) error) error {
	if err := b.readTerms(); err != nil {
		return err
	}
	if err := b.lockBuyers(); err != nil {
		return err
	}
	var wanted []inventory.Quantity
	for _, d := range b.drafts {
		wanted = appendPortions(wanted, d)
	}
	if err := b.tx.holdPools(byPool(wanted)); err != nil { // drafts decided one by one take pools in their own order, so lock all pools first
		return err
	}
	if _, err := b.readFences(); err != nil {
		return err
	}
	if err := b.oneByOne(insert, b.addUsage); err != nil {
		return err
	}
	return b.stillHolds()
}

// stillHolds verifies, after drafts were decided one by one, that the facts they were decided by still hold. An
// accepted draft is within its deadline at a moment after its insert. So a reader that finds the deadline passed and no
// row knows that none will come.
func (b *lockingBatch) stillHolds() error {
	fence, epoch := b.fence, b.epoch
	if _, err := b.termsHold(); err != nil {
		return err
	}
	for i, d := range b.drafts {
		if b.outcomes[i].Result == order.Accepted && b.checkTerms(d) == order.ReservationExpired {
			return errTerms
		}
	}
	if b.fence == fence && b.epoch == epoch {
		return nil
	}
	if _, err := b.readFences(); err != nil {
		return err
	}
	for i, d := range b.drafts {
		if b.outcomes[i].Result == order.Accepted && b.fenced[d.Order.ID] {
			return errTerms
		}
	}
	return nil
}

// accepted records the customers whose orders were written and that events await positions. It returns one accepted order.
func (b *lockingBatch) accepted() (one id.Order) {
	for i, d := range b.drafts {
		if b.outcomes[i].Result == order.Accepted {
			one = d.Order.ID
			b.tx.wrote(d.Claim.Customer)
		}
	}
	b.tx.announced = true
	return one
}

// assumedTerms caches the terms of sales as last read. A batch starts with them and verifies them once it holds the
// pools: see termsHold. It is safe for concurrent use.
type assumedTerms struct {
	mu    sync.Mutex
	terms map[id.Sale]terms
}

// assumedMax bounds the cached sales. It exceeds the number of sales that are open at a time.
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

// readTerms reads the terms and caches them for the next batch.
func (b *lockingBatch) readTerms() error {
	err := b.batch.readTerms()
	if err == nil {
		b.tx.s.assumed.keep(b.terms)
	}
	return err
}

// assumeTerms uses the cached terms of the batch's sales. It reads them from the database if they are not cached or
// would refuse a draft.
func (b *lockingBatch) assumeTerms() error {
	for _, d := range b.drafts {
		t, ok := b.tx.s.assumed.of(d.Claim.Sale)
		if !ok || !t.open || t.version != d.SaleVersion {
			return b.readTerms()
		}
		b.terms[d.Claim.Sale] = t
	}
	return nil
}

// termsHold reads the terms again while the pools are locked; a transaction that changes terms locks the pools as well.
// It returns errTerms if terms have changed, and false if a draft's deadline has passed.
func (b *lockingBatch) termsHold() (bool, error) {
	before := b.terms
	if err := b.readTerms(); err != nil {
		return false, err
	}
	return b.sameTerms(before)
}

// sameTerms compares the terms with those that the batch was decided by.
func (b *lockingBatch) sameTerms(before map[id.Sale]terms) (bool, error) {
	for s, t := range before {
		if b.terms[s] != t {
			return false, errTerms
		}
	}
	return !slices.ContainsFunc(b.drafts, func(d *order.Draft) bool { return b.checkTerms(d) != order.Accepted }), nil
}
